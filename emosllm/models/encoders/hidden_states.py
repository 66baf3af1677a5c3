"""How hidden states of an encoder become the frames that a mapper or a head reads: normalised, then mixed.

The module belongs to the mapper or head, so its mixing weights learn, count and are saved with it. The encoder gives
hidden states without normalisation, and cached frames hold them so: statistics can be replaced without hearing anew.
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
        deviation: `[S, D]`, the population's, float32.
        recordings: how many they were measured on.
    """

    mean: Tensor
    deviation: Tensor
    recordings: int

    @staticmethod
    def of(clips: Iterable[Tensor]) -> "Statistics":
        """Measure clips one after the other, in constant memory.

        Args:
            clips: of each its frames, `[N, D]`, or `[N, S, D]` with S hidden states; N may differ.

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
        """Count the frames of a clip, `[N, D]` or `[N, S, D]`."""
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
        """Those of the clips so far.

        Raises:
            UserError: there is no frame.
        """
        if self.frames == 0:
            raise UserError("no statistics can be measured: no recording has a single frame; give some speech")
        return Statistics(self.mean.float(), (self.squares / self.frames).sqrt().float(), self.recordings)


class HiddenStates(nn.Module):
    """Normalises each hidden state of a clip, and mixes them by a learned softmax.

    The weights of the softmax start at zero, so that the mean of the states is where it starts.

    Source: Yang et al. 2021, "SUPERB: Speech processing Universal PERformance Benchmark", section 3 (weighted sum of
    hidden states).

    Args:
        width: D.
        states: S, how many hidden states are read.
        weighted: whether they are mixed; without it S is 1.
        normalise: what is done to each state before: nothing, each clip's own mean and deviation over time, or stored
            statistics. Until these are set they are mean 0 and deviation 1.
    """

    LEAST_DEVIATION = 1e-5  # a value that never changes is divided by this

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
        """A copy of the stored statistics; `None` where the system normalises in another way, or not at all."""
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
            `[A, N, D]`, zero in the padding; the frames as they are where there is nothing to do.
        """
        if self.normalise == "none" and self.weights is None:
            return frames
        with torch.autocast(frames.device.type, enabled=False):  # in bfloat16 a deviation would have three digits
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
