"""Packed weights give the same products, only in systems that allow it, and are saved in their original layout."""

import pytest
import tiny
import torch

from emosllm.inference.loader import make_ready
from emosllm.models.build import build_model, build_processor
from emosllm.models.encoders.encoder import SpeechEncoder
from emosllm.models.kernels.packed_linear import PackedLinear, _is_supported, pack_linears
from emosllm.models.llms.lora import lora_layers
from emosllm.prompting.processor import Sample
from emosllm.training.feature_cache import fingerprint

needs_bfloat16 = pytest.mark.skipif(not _is_supported(), reason="oneDNN multiplies no bfloat16 on this processor")


def packed_layers(model):
    return [module for module in model.modules() if isinstance(module, PackedLinear)]


@needs_bfloat16
@pytest.mark.parametrize("rows", [1, 7, 300])
@pytest.mark.parametrize("bias", [True, False])
def test_a_packed_layer_equals_the_original(rows, bias):
    torch.manual_seed(0)
    layer = torch.nn.Linear(64, 48, bias=bias).to(torch.bfloat16).requires_grad_(False)
    inputs = torch.randn(2, rows, 64, dtype=torch.bfloat16)
    torch.testing.assert_close(PackedLinear(layer)(inputs), layer(inputs))


@pytest.fixture
def system(tmp_path):
    recipe = tiny.recipe(tmp_path, "emosllm", "training.precision=bfloat16")
    model = build_model(recipe)
    for layer in lora_layers(model.llm):
        torch.nn.init.normal_(layer.lora_B["default"].weight, std=0.05)
    return model.eval(), build_processor(recipe)


@needs_bfloat16
def test_a_prepared_system_gives_the_same_answers(system):
    model, processor = system
    rows = [
        Sample(processor.build_conversation("ser", emotion="sad"), tiny.clip(0.5 + 0.3 * seed, seed))
        for seed in range(2)
    ]
    batch = processor.for_labels(rows)
    before = model.score(**batch)
    make_ready(model)
    assert len(packed_layers(model.llm)) == 7 * model.llm.config.num_hidden_layers
    assert packed_layers(model.encoder)
    torch.testing.assert_close(model.score(**batch), before, rtol=0.05, atol=0.05)


@needs_bfloat16
def test_weights_and_the_name_of_kept_frames_are_what_they_were(system):
    model, processor = system
    for layer in lora_layers(model.llm):  # merging them would change the weights
        torch.nn.init.zeros_(layer.lora_B["default"].weight)
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    named = fingerprint(model.encoder, processor)
    make_ready(model)
    assert packed_layers(model.encoder)
    after = model.state_dict()
    assert set(after) == set(before)
    assert all(torch.equal(after[name], tensor) for name, tensor in before.items())
    assert fingerprint(model.encoder, processor) == named


@needs_bfloat16
@pytest.mark.parametrize("name", tiny.ENCODERS)
def test_every_encoder_gives_the_same_frames(name):
    encoder = SpeechEncoder(tiny.encoder(name).to(torch.bfloat16))
    features = tiny.feature_extractor(name)(
        [tiny.clip(0.9)], sampling_rate=16_000, return_tensors="pt", return_attention_mask=True
    )
    audio, mask = features[encoder.family.audio], features["attention_mask"].long()
    before, _ = encoder(audio, mask)
    pack_linears(encoder)
    assert packed_layers(encoder)
    torch.testing.assert_close(encoder(audio, mask)[0], before, rtol=0.05, atol=0.05)


def test_in_float32_and_where_torch_cannot_layers_stay(system, monkeypatch):
    llm = tiny.llm("llama")
    assert pack_linears(llm.get_decoder()) == 0
    monkeypatch.setattr("emosllm.models.kernels.packed_linear._is_supported", lambda: False)
    make_ready(system[0])
    assert not packed_layers(system[0])
