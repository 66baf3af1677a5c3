"""Hidden states of an encoder: which layers are read, how their frames are normalised, and how they are mixed.

The published systems read the last layer. Emotion is easier to find in the middle layers, so a recipe may name one
layer, or let the system learn the weight of each (Yang et al. 2021, "SUPERB", section 2.2). Gives up: weights that
depend on the clip or on the dimension.
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from emosllm.errors import UserError
from emosllm.parts import Layers, Normalise

_SMALLEST_DEVIATION = 1e-3  # a dimension that is constant must not be divided by zero


@contextmanager
def recorded(layers: Sequence[nn.Module]) -> Iterator[list[Tensor]]:
    """Collect the hidden states of a forward pass: the first layer's input, then each layer's output.

    Args:
        layers: the transformer layers in their order.

    Yields:
        A list that is filled with `[W, N, D]` tensors, one more than there are layers.
    """
    states: list[Tensor] = []

    def before(_: nn.Module, inputs: tuple[Any, ...], named: dict[str, Any]) -> None:
        states.append(inputs[0] if inputs else named["hidden_states"])

    def after(_: nn.Module, __: Any, output: Any) -> None:
        states.append(output[0] if isinstance(output, tuple) else output)

    hooks = [layers[0].register_forward_pre_hook(before, with_kwargs=True)]
    hooks += [layer.register_forward_hook(after) for layer in layers]
    try:
        yield states
    finally:
        for hook in hooks:
            hook.remove()


def cut_layers(model: PreTrainedModel, blocks: Sequence[nn.ModuleList], layers: Layers, final_norm: str | None) -> None:
    """Remove what lies after the deepest layer that is read.

    Args:
        model: an encoder.
        blocks: its lists of transformer layers in their order.
        layers: which hidden states are read.
        final_norm: the path of the norm after the last layer, where there is one.

    Raises:
        UserError: the encoder has fewer layers.
    """
    if layers == "last":
        return
    there = sum(len(block) for block in blocks)
    wanted = there if layers == "weighted" else layers
    if wanted > there:
        raise UserError(f"encoder.layers={wanted}: this {model.config.model_type} encoder has {there} layers")
    for block in blocks:
        kept = min(len(block), wanted)
        wanted -= kept
        del block[kept:]
    if final_norm is not None:
        parent, _, name = final_norm.rpartition(".")
        setattr(model.get_submodule(parent), name, nn.Identity())


class HiddenStates(nn.Module):
    """Frames of the hidden states that are read, normalised and mixed to one sequence for a mapper or a head.

    Args:
        states: S, how many hidden states each frame has.
        width: D of the frames.
        layers: which hidden states these are; `weighted` learns a softmax over them that starts as their mean.
        normalise: what each state is normalised by before the mix.

    Attributes:
        mean: `[S, D]`, of the recordings that `measure` saw.
        deviation: `[S, D]`, likewise.
        recordings: how many recordings these statistics come from.
    """

    mean: Tensor
    deviation: Tensor
    recordings: Tensor

    def __init__(self, states: int, width: int, layers: Layers, normalise: Normalise) -> None:
        super().__init__()
        self.normalise: Normalise = normalise
        self.weights = nn.Parameter(torch.zeros(states)) if layers == "weighted" else None
        if normalise == "statistics":
            self.register_buffer("mean", torch.zeros(states, width))
            self.register_buffer("deviation", torch.ones(states, width))
            self.register_buffer("recordings", torch.zeros((), dtype=torch.long))

    def reset_parameters(self) -> None:
        """Equal weights; statistics that change nothing."""
        if self.weights is not None:
            nn.init.zeros_(self.weights)
        if self.normalise == "statistics":
            self.set_statistics(torch.zeros_like(self.mean), torch.ones_like(self.deviation), 0)

    def forward(self, frames: Tensor, mask: Tensor) -> Tensor:
        """One sequence of frames for each clip.

        Args:
            frames: `[A, N, S, D]`, or `[A, N, D]` where one state is read.
            mask: `[A, N]` bool, true where a frame is speech and not padding.

        Returns:
            `[A, N, D]`, zero where padded.
        """
        if self.weights is None and self.normalise == "none":
            return frames
        single = frames.dim() == 3
        states = frames[:, :, None] if single else frames
        keep = mask[..., None, None]
        if self.normalise == "clip":
            mean, deviation = _moments(states, keep)
            states = (states - mean) / deviation
        elif self.normalise == "statistics":
            states = (states - self.mean) / self.deviation
        if self.weights is None:
            mixed = states[:, :, 0]
        else:
            mixed = torch.einsum("ansd,s->and", states, self.weights.softmax(0).to(states.dtype))
        return mixed * keep[..., 0]

    def measure(self, clips: Iterable[Tensor]) -> None:
        """Take the statistics of recordings.

        Args:
            clips: frames `[N, S, D]` or `[N, D]` of each recording.
        """
        self.set_statistics(*statistics(clips))

    def set_statistics(self, mean: Tensor, deviation: Tensor, recordings: int) -> None:
        """Normalise by these statistics from now on."""
        self.mean.copy_(mean)
        self.deviation.copy_(deviation)
        self.recordings.fill_(recordings)


def statistics(clips: Iterable[Tensor]) -> tuple[Tensor, Tensor, int]:
    """Mean and deviation over all frames of some recordings.

    Args:
        clips: frames `[N, S, D]` or `[N, D]` of each recording.

    Returns:
        Mean and deviation `[S, D]`, and the number of recordings.

    Raises:
        ValueError: there is no frame.
    """
    frames = recordings = 0
    total: Tensor | float = 0.0
    squares: Tensor | float = 0.0
    for clip in clips:
        states = (clip[:, None] if clip.dim() == 2 else clip).double()
        frames, recordings = frames + len(states), recordings + 1
        total, squares = total + states.sum(0), squares + states.square().sum(0)
    if not frames:
        raise ValueError("statistics need at least one frame")
    mean = torch.as_tensor(total) / frames
    deviation = (torch.as_tensor(squares) / frames - mean.square()).clamp(min=0).sqrt()
    return mean.float(), deviation.clamp(min=_SMALLEST_DEVIATION).float(), recordings


def _moments(states: Tensor, keep: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and deviation over each clip's own frames, `[A, 1, S, D]`."""
    count = keep.sum(1, keepdim=True).clamp(min=1)
    mean = (states * keep).sum(1, keepdim=True) / count
    variance = ((states - mean).square() * keep).sum(1, keepdim=True) / count
    return mean, variance.sqrt().clamp(min=_SMALLEST_DEVIATION)
