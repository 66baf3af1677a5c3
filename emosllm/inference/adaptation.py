"""Adaptation without labels: normalise by the statistics of the given recordings instead of the training set's.

A room, a microphone and a voice shift the frames of an encoder more than an emotion does. The statistics of many varied
recordings remove that shift. Those of few recordings, or of recordings with one emotion, remove the emotion too, so
they are drawn towards the training set's: by the number of recordings, and not used at all below `MIN_RECORDINGS`.
Limitation: recordings of several rooms in one call share one set of statistics.

Source: cepstral mean and variance normalisation (Viikki and Laurila 1998), here on an encoder's hidden states.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

import numpy as np
import torch
from torch import Tensor

from emosllm.inference.stored_calibration import StoredCalibration
from emosllm.models.encoders.hidden_states import HiddenStates, RunningStatistics, Statistics

MIN_RECORDINGS = 5  # recordings; docs/log.md compares
MAX_RECORDINGS = 200  # recordings whose statistics are taken; more change nothing
HALF_WEIGHT_RECORDINGS = 5  # recordings that weigh as much as the training set does


@dataclass(frozen=True, slots=True)
class Adaptation:
    """Statistics that replace those of the training set, and the temperature that goes with them.

    Attributes:
        recordings: whose statistics were taken.
        weight: of these statistics; the rest is the training set's.
        temperature: of the probabilities.
        trained: the training set's statistics.
        statistics: those in their place.
    """

    recordings: int
    weight: float
    temperature: float
    trained: Statistics = field(repr=False, compare=False)
    statistics: Statistics = field(repr=False, compare=False)

    @property
    def note(self) -> str:
        """A line about the adaptation for the reader of the answers."""
        if not self.weight:
            return f"not adapted: {self.recordings} recordings, and at least {MIN_RECORDINGS} varied ones are needed"
        return (
            f"adapted without labels to {self.recordings} recordings (weight {self.weight:.2f}); "
            "this helps where they hold varied emotions, and misleads where they hold one"
        )

    def to_dict(self) -> dict[str, Any]:
        """The JSON form."""
        return {"recordings": self.recordings, "weight": self.weight, "temperature": self.temperature}

    def apply(self, frames: np.ndarray) -> np.ndarray:
        """Shift and scale frames, so that normalising by the training set equals normalising by the recordings.

        Args:
            frames: `[N, D]` or `[N, S, D]`, not normalised.
        """
        if not self.weight:
            return frames
        least = HiddenStates.LEAST_DEVIATION
        scale = self.trained.deviation.clamp(min=least) / self.statistics.deviation.clamp(min=least)
        states = torch.from_numpy(frames).reshape(len(frames), *scale.shape)
        moved = (states - self.statistics.mean) * scale + self.trained.mean
        return moved.reshape(frames.shape).numpy()


class Session:
    """Recordings of one room, microphone or speaker that come one after another, without labels.

    Args:
        trained: the training set's statistics.
        temperature: of the system as trained.
        calibrated: its fitted temperatures, if it has any.
    """

    def __init__(self, trained: Statistics, temperature: float, calibrated: StoredCalibration | None = None) -> None:
        self.trained, self.temperature, self.calibrated = trained, temperature, calibrated
        self._running = RunningStatistics()

    def add(self, frames: Tensor) -> None:
        """Add a recording's frames, `[N, D]` or `[N, S, D]`, not normalised; after `MAX_RECORDINGS` nothing."""
        if len(frames) and self._running.recordings < MAX_RECORDINGS:
            self._running.add(frames)

    @property
    def adaptation(self) -> Adaptation:
        """The adaptation to the recordings added so far."""
        count = self._running.recordings
        weight = count / (count + HALF_WEIGHT_RECORDINGS) if count >= MIN_RECORDINGS else 0.0
        found = blend_statistics(self.trained, self._running.statistics, weight) if weight else self.trained
        fitted = self.calibrated.adapted if self.calibrated is not None else None
        temperature = adapted_temperature(self.temperature, fitted, weight)
        return Adaptation(count, weight, temperature, self.trained, found)

    def add_all(self, clips: Iterable[Tensor]) -> Adaptation:
        """Add recordings, at most `MAX_RECORDINGS`, and return the adaptation to them."""
        for clip in islice(clips, MAX_RECORDINGS):
            self.add(clip)
        return self.adaptation


def adapted(
    clips: Sequence[np.ndarray | None],
    sessions: Sequence[Session | None],
    standing: Adaptation | None,
    temperature: float,
) -> tuple[list[np.ndarray | None], list[float]]:
    """The adapted frames of each clip, and the temperature of its answer.

    Args:
        clips: frames `[N, D]` or `[N, S, D]` of each clip, not normalised; `None` for text.
        sessions: the session of each clip, to which the clip is added; `None` without one.
        standing: the adaptation of clips without a session; `None` for none.
        temperature: of the system as trained.
    """
    moved, temperatures = [], []
    for clip, session in zip(clips, sessions, strict=True):
        adaptation = standing
        if session is not None and clip is not None:
            session.add(torch.from_numpy(clip))
            adaptation = session.adaptation
        moved.append(clip if clip is None or adaptation is None else adaptation.apply(clip))
        temperatures.append(temperature if adaptation is None else adaptation.temperature)
    return moved, temperatures


def adapted_temperature(plain: float, adapted: float | None, weight: float) -> float:
    """The temperature between that of a system as trained and that of an adapted one.

    Args:
        plain: of the system as trained.
        adapted: fitted with adaptation; `None` where none was fitted.
        weight: of the recordings' statistics.
    """
    return plain if adapted is None else plain ** (1 - weight) * adapted**weight


def blend_statistics(trained: Statistics, found: Statistics, weight: float) -> Statistics:
    """Statistics between two: the mean linearly, the deviation by its logarithm."""
    mean = trained.mean + weight * (found.mean - trained.mean)
    least = HiddenStates.LEAST_DEVIATION
    ratio = found.deviation.clamp(min=least) / trained.deviation.clamp(min=least)
    return Statistics(mean, trained.deviation.clamp(min=least) * ratio**weight, found.recordings)
