"""Compute the number of LLM input vectors of a clip from its length, without running the encoder.

The number is constant (QPMapper's queries) or equals the number of encoder frames. The number of frames follows from
the encoder's strided convolutions. They are stored as data, so that text and audio can be batched without a model.
"""

from collections.abc import Iterable
from typing import TypeVar

import torch
from pydantic import BaseModel, ConfigDict

#: Kernel, stride and padding of convolutions or poolings over time, first to last.
Convolutions = tuple[tuple[int, int, int], ...]

Count = TypeVar("Count", int, torch.Tensor)


def convolved(length: Count, convolutions: Iterable[tuple[int, int, int]]) -> Count:
    """Length of a sequence of `length` steps after the convolutions, for one sequence or a tensor of lengths."""
    for kernel, stride, padding in convolutions:
        length = (length + 2 * padding - kernel) // stride + 1
    return length


class AudioVectors(BaseModel):
    """The rule for the number of vectors of a clip in one system.

    Attributes:
        fixed: number of vectors of every clip; `None` where each frame becomes one vector.
        convolutions: from the feature extractor's steps (samples or mel frames) to the encoder's frames.
        extra: number of vectors added to each clip, such as one before it and one after it.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    fixed: int | None = None
    convolutions: Convolutions = ()
    extra: int = 0

    def of_steps(self, windows: Iterable[int]) -> int:
        """Number of vectors of a clip from the feature extractor's steps in each of its windows.

        A window that is too short for a frame counts as 0 frames.
        """
        return self.of_frames(sum(max(0, convolved(steps, self.convolutions)) for steps in windows))

    def of_frames(self, frames: int) -> int:
        """Number of vectors of a clip from its number of encoder frames."""
        return (frames if self.fixed is None else self.fixed) + self.extra
