"""WavLM's attention with the fused kernel equals that of transformers."""

import warnings

import pytest
import tiny
import torch
from torch.nn.functional import scaled_dot_product_attention

from emosllm.models.encoders.encoder import SpeechEncoder
from emosllm.models.kernels import wavlm_attention
from emosllm.models.kernels.wavlm_attention import FusedWavLMAttention, fuse_attention


@pytest.fixture
def signal():
    samples = torch.randn(2, 16_000, generator=torch.Generator().manual_seed(0))
    mask = torch.ones(2, 16_000, dtype=torch.long)
    mask[1, 9_000:] = 0
    return samples * mask, mask


def lively(name):
    """A WavLM with random gates and positions, since new ones are all equal."""
    model = tiny.encoder(name)
    generator = torch.Generator().manual_seed(1)
    for parameter_name, parameter in model.named_parameters():
        if "rel_" in parameter_name:
            parameter.data.normal_(generator=generator)
    return model


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-5), (torch.bfloat16, 0.1)])
@pytest.mark.parametrize("name", ["wavlm-large", "wavlm-base"])
def test_frames_are_those_of_transformers(name, dtype, tolerance, signal):
    samples, mask = signal
    model = lively(name).to(dtype)
    with torch.no_grad():
        expected = model(samples.to(dtype), attention_mask=mask).last_hidden_state
        fuse_attention(model)
        found = model(samples.to(dtype), attention_mask=mask).last_hidden_state
    torch.testing.assert_close(found, expected, rtol=tolerance, atol=tolerance)


def test_gates_and_positions_count(signal):
    encoder = SpeechEncoder(lively("wavlm-large"))
    before, keep = encoder(*signal)
    for part in ("rel_attn_embed.weight", "gru_rel_pos_linear.weight", "gru_rel_pos_const"):
        parameter = encoder.model.get_parameter(f"encoder.layers.0.attention.{part}")
        kept = parameter.data.clone()
        parameter.data = kept.flip(0) if len(kept) > 1 else kept + 1
        assert not torch.allclose(encoder(*signal)[0][keep], before[keep], atol=1e-4), part
        parameter.data = kept


def test_every_layer_asks_the_fused_kernel_once_and_nothing_warns(signal, monkeypatch):
    asked = []

    def watched(*inputs, **options):
        asked.append(inputs[3].shape)
        return scaled_dot_product_attention(*inputs, **options)

    monkeypatch.setattr(wavlm_attention, "scaled_dot_product_attention", watched)
    encoder = SpeechEncoder(tiny.encoder("wavlm-large"))
    names = set(tiny.encoder("wavlm-large").state_dict())
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        encoder(*signal)
    layers = [module for module in encoder.modules() if isinstance(module, FusedWavLMAttention)]
    assert len(asked) == len(layers) == encoder.model.config.num_hidden_layers
    assert {shape[:2] for shape in asked} == {(2, encoder.model.config.num_attention_heads)}
    assert set(encoder.model.state_dict()) == names
