"""How many vectors a clip takes among the LLM's tokens, known from its length before any encoder has run.

Either a constant (QPMapper's queries) or one for each of the encoder's frames; how many frames there are follows from
the encoder's strided convolutions, which are data here, so that text and audio can be laid out without a model.
"""

from collections.abc import Iterable
from typing import TypeVar

import torch
from pydantic import BaseModel, ConfigDict

#: Kernel, stride and padding of convolutions or poolings over time, first to last.
Convolutions = tuple[tuple[int, int, int], ...]

Count = TypeVar("Count", int, torch.Tensor)


def convolved(length: Count, convolutions: Iterable[tuple[int, int, int]]) -> Count:
    """How long a sequence of `length` steps is after the convolutions; of one sequence, or of many as a tensor."""
    for kernel, stride, padding in convolutions:
        length = (length + 2 * padding - kernel) // stride + 1
    return length


class AudioVectors(BaseModel):
    """The rule of one system.

    Attributes:
        fixed: vectors of every clip, however long; `None` where each frame becomes one.
        convolutions: from the feature extractor's steps (samples or mel frames) to the encoder's frames.
        extra: vectors that are added to each clip, such as one for its beginning and one for its end.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    fixed: int | None = None
    convolutions: Convolutions = ()
    extra: int = 0

    def of_steps(self, windows: Iterable[int]) -> int:
        """Vectors of a clip from the feature extractor's steps, one count for each window that the clip was cut into.

        Short windows make no frame at all, never a negative number of them.
        """
        return self.of_frames(sum(max(0, convolved(steps, self.convolutions)) for steps in windows))

    def of_frames(self, frames: int) -> int:
        """Vectors of a clip from the encoder's frames."""
        return (frames if self.fixed is None else self.fixed) + self.extra
