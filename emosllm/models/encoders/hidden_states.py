"""Convert an encoder's hidden states to the frames that a mapper or a head reads: normalise, then mix.

The module belongs to the mapper or head, so its mixing weights are trained, counted and saved with it. The encoder
returns hidden states without normalisation, and cached frames store them so. Statistics can therefore be replaced
without running the encoder again.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from emosllm.errors import UserError
from emosllm.recipe_parts import Normalise

_VARIANCE_EPS = 1e-5


@dataclass(frozen=True)
class Statistics:
    """Mean and deviation of hidden states over all frames of some recordings.

    Attributes:
        mean: `[S, D]`, float32.
        deviation: `[S, D]`, population standard deviation, float32.
        recordings: number of recordings that they were measured on.
    """

    mean: Tensor
    deviation: Tensor
    recordings: int

    @staticmethod
    def of(clips: Iterable[Tensor]) -> "Statistics":
        """Measure clips one at a time, in constant memory.

        Args:
            clips: frames of each clip, `[N, D]`, or `[N, S, D]` with S hidden states; N may differ.

        Raises:
            UserError: there is no frame.
        """
        running = RunningStatistics()
        for clip in clips:
            running.add(clip)
        return running.statistics


class RunningStatistics:
    """Mean and squared distances from it, `[S, D]`, updated clip by clip in double precision (Chan et al. 1979)."""

    def __init__(self) -> None:
        self.frames, self.recordings = 0, 0
        self.mean, self.squares = torch.zeros(()), torch.zeros(())

    def add(self, clip: Tensor) -> None:
        """Include the frames of a clip, `[N, D]` or `[N, S, D]`."""
        frames = clip.double().reshape(len(clip), -1, clip.shape[-1])
        N = len(frames)
        self.recordings += 1
        if N == 0:
            return
        own = frames.mean(0)
        apart, total = own - self.mean, self.frames + N
        self.squares = self.squares + (frames - own).square().sum(0) + apart.square() * (self.frames * N / total)
        self.mean = self.mean + apart * (N / total)
        self.frames = total

    @property
    def statistics(self) -> Statistics:
        """The statistics of the clips added so far.

        Raises:
            UserError: there is no frame.
        """
        if self.frames == 0:
            raise UserError("no statistics can be measured: no recording has a single frame; give some speech")
        return Statistics(self.mean.float(), (self.squares / self.frames).sqrt().float(), self.recordings)


class HiddenStates(nn.Module):
    """Normalise each hidden state of a clip, then mix the states with learned softmax weights.

    The softmax logits start at zero, so the mix starts as the mean of the states.

    Source: Yang et al. 2021, "SUPERB: Speech processing Universal PERformance Benchmark", section 3 (weighted sum of
    hidden states).

    Args:
        width: D.
        states: S, number of hidden states that are read.
        weighted: whether the states are mixed; if not, S is 1.
        normalise: normalisation of each state before mixing: none, by each clip's own mean and deviation over time, or
            by stored statistics. Statistics are initially mean 0 and deviation 1.
    """

    LEAST_DEVIATION = 1e-5  # lower bound of the divisor, for constant values

    mean: Tensor
    deviation: Tensor
    recordings: Tensor

    def __init__(self, width: int, states: int = 1, *, weighted: bool = False, normalise: Normalise = "none") -> None:
        super().__init__()
        assert weighted or states == 1, "several states must be mixed"
        self.normalise = normalise
        self.weights = nn.Parameter(torch.zeros(states)) if weighted else None
        if normalise == "statistics":
            self.register_buffer("mean", torch.zeros(states, width))
            self.register_buffer("deviation", torch.ones(states, width))
            self.register_buffer("recordings", torch.zeros((), dtype=torch.long))

    @property
    def statistics(self) -> Statistics | None:
        """A copy of the stored statistics; `None` where the system does not normalise by statistics."""
        if self.normalise != "statistics":
            return None
        return Statistics(self.mean.clone(), self.deviation.clone(), int(self.recordings))

    @statistics.setter
    def statistics(self, statistics: Statistics) -> None:
        if self.normalise != "statistics":
            raise UserError(
                f"encoder.normalise is {self.normalise}: there are no statistics to replace; it needs "
                "encoder.normalise=statistics"
            )
        if statistics.mean.shape != self.mean.shape or statistics.deviation.shape != self.mean.shape:
            raise UserError(
                f"statistics of shape {list(statistics.mean.shape)}, and this system has {list(self.mean.shape)}: they "
                "are of another encoder; measure them with this one"
            )
        self.mean.copy_(statistics.mean)
        self.deviation.copy_(statistics.deviation)
        self.recordings.fill_(statistics.recordings)

    def forward(self, frames: Tensor, mask: Tensor) -> Tensor:
        """Normalise and mix.

        Args:
            frames: `[A, N, D]`, or `[A, N, S, D]` where states are mixed.
            mask: `[A, N]` bool, true where a frame is speech and not padding.

        Returns:
            `[A, N, D]`, zero in the padding; unchanged frames without normalisation and mixing.
        """
        if self.normalise == "none" and self.weights is None:
            return frames
        with torch.autocast(frames.device.type, enabled=False):  # bfloat16 would leave three digits of a deviation
            states = frames if frames.dim() == 4 else frames[:, :, None]  # [A, N, S, D]
            states = self._normalised(states.float(), mask)
            if self.weights is None:
                mixed = states[:, :, 0]
            else:
                mixed = torch.einsum("ansd,s->and", states, self.weights.float().softmax(0))
            return (mixed * mask[..., None]).to(frames.dtype)

    def _normalised(self, states: Tensor, mask: Tensor) -> Tensor:
        if self.normalise == "statistics":
            return (states - self.mean) / self.deviation.clamp(min=self.LEAST_DEVIATION)
        if self.normalise == "clip":
            keep = mask[..., None, None].to(states.dtype)
            count = keep.sum(1, keepdim=True).clamp(min=1)
            centred = states - (states * keep).sum(1, keepdim=True) / count
            variance = (centred.square() * keep).sum(1, keepdim=True) / count
            return centred / (variance + _VARIANCE_EPS).sqrt()
        return states
