"""Convolutions over samples between layer norms, on a CPU: channels stay the last in memory all the way.

Encoders of wav2vec 2.0's kin turn channels and time round for each norm and back, and PyTorch's one-dimensional
convolution copies what is turned, twice a layer. As two-dimensional ones over rows of height one they take it as it
lies: the same bits, of WavLM-large a quarter of a clip's time, and two fifths of a batch of four's. Given up: other
devices, where nothing is changed.
"""

from collections.abc import Iterable

import torch
from torch import Tensor, nn
from torch.nn.functional import conv1d, conv2d


class ChannelsLastConv1d(nn.Module):
    """What a convolution without padding does, for input whose channels lie one after the other.

    Args:
        convolution: what it stands for; its weights become this one's.
    """

    def __init__(self, convolution: nn.Conv1d) -> None:
        super().__init__()
        self.stride = convolution.stride[0]
        self.weight, self.bias = convolution.weight, convolution.bias
        self.weight.data = _channels_last(self.weight.data).squeeze(2)

    def forward(self, inputs: Tensor) -> Tensor:
        """`[A, C, T]` to `[A, C', T']`."""
        if inputs.device.type != "cpu":
            return conv1d(inputs, self.weight, self.bias, self.stride)
        return conv2d(_channels_last(inputs), self.weight.unsqueeze(2), self.bias, (1, self.stride)).squeeze(2)


def keep_channels_last(layers: Iterable[nn.Module]) -> None:
    """Exchange the convolutions, `conv`, of layers that each end with a layer norm over channels."""
    for layer in layers:
        if isinstance(layer.conv, nn.Conv1d):  # not yet
            layer.conv = ChannelsLastConv1d(layer.conv)


def _channels_last(states: Tensor) -> Tensor:
    """`[A, C, T]` as `[A, C, 1, T]` with channels last in memory, copied only where they are not."""
    return states.unsqueeze(2).to(memory_format=torch.channels_last)
