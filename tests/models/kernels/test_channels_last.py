"""Convolutions with channels last equal the published ones, without copies in between."""

import pytest
import tiny
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from emosllm.models.encoders.encoder import SpeechEncoder
from emosllm.models.kernels.channels_last import ChannelsLastConv1d

KIN = ("wavlm-large", "wav2vec2-large", "hubert-large", "emotion2vec")


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize(("channels", "bias"), [(1, False), (6, True)])
def test_it_is_the_same_convolution(channels, bias, dtype):
    torch.manual_seed(0)
    published = torch.nn.Conv1d(channels, 8, 3, 2, bias=bias).to(dtype)
    signal = torch.randn(2, 40, channels, dtype=dtype).transpose(1, 2)
    expected = published(signal)
    torch.testing.assert_close(ChannelsLastConv1d(published)(signal), expected)


@pytest.mark.parametrize("name", KIN)
def test_an_encoder_keeps_its_frames_and_its_names(name):
    published = tiny.encoder(name)
    signal = torch.randn(2, 16_000, generator=torch.Generator().manual_seed(0))
    mask = torch.ones(2, 16_000, dtype=torch.long)
    with torch.no_grad():
        expected = published(input_values=signal, attention_mask=mask).last_hidden_state
    names = set(published.state_dict())
    encoder = SpeechEncoder(published)
    assert any(isinstance(module, ChannelsLastConv1d) for module in encoder.modules())
    assert set(encoder.model.state_dict()) == names
    torch.testing.assert_close(encoder(signal, mask)[0], expected, rtol=1e-4, atol=1e-5)


class Turned(TorchDispatchMode):
    """Count inputs of convolutions with another memory layout, which are copied."""

    count = 0

    def __torch_dispatch__(self, function, types, arguments=(), options=None):
        if function is torch.ops.aten.convolution.default:
            inputs = arguments[0]
            order = torch.channels_last if inputs.dim() == 4 else torch.contiguous_format
            self.count += not inputs.is_contiguous(memory_format=order)
        return function(*arguments, **(options or {}))


def test_nothing_is_turned_round_between_layers():
    signal = torch.randn(2, 16_000)
    encoder = SpeechEncoder(tiny.encoder("wavlm-large")).model
    for each, some in ((tiny.encoder("wavlm-large"), True), (encoder, False)):
        with torch.no_grad(), Turned() as turned:
            each.feature_extractor(signal)
        assert (turned.count > 0) == some


def test_weights_that_are_loaded_later_take_their_place():
    convolution = ChannelsLastConv1d(torch.nn.Conv1d(4, 4, 3, 2, bias=False))
    other = torch.nn.Conv1d(4, 4, 3, 2, bias=False)
    convolution.load_state_dict(other.state_dict())
    signal = torch.randn(1, 4, 20)
    torch.testing.assert_close(convolution(signal), other(signal))
    assert convolution.weight.unsqueeze(2).is_contiguous(memory_format=torch.channels_last)
