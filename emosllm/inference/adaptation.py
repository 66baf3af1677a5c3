"""Adaptation without labels: normalise by the statistics of the recordings at hand instead of the training set's.

A room, a microphone and a voice shift the frames of an encoder more than an emotion does. The statistics of many varied
recordings remove that shift. Those of few recordings, or of recordings with one emotion, remove the emotion too, so
they are drawn towards the training set's: by the number of recordings, and not used at all below `FEWEST`.
Gives up: recordings of several rooms in one call, which share one set of statistics.

Source: cepstral mean and variance normalisation (Viikki and Laurila 1998), here on an encoder's hidden states.
"""

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from itertools import islice
from typing import Any

from torch import Tensor

from emosllm.models.encoders.hidden_states import HiddenStates, Statistics

FEWEST = 5  # recordings; docs/log.md compares
MOST = 200  # recordings that are listened to; more change nothing
HALF = 5  # recordings that weigh as much as the training set does


@dataclass(frozen=True, slots=True)
class Adaptation:
    """What a system was adapted to.

    Attributes:
        recordings: whose statistics were taken.
        weight: of these statistics; the rest is the training set's.
        temperature: of the probabilities since then.
    """

    recordings: int
    weight: float
    temperature: float

    @property
    def note(self) -> str:
        """What a reader of the answers should know, in one line."""
        if not self.weight:
            return f"not adapted: {self.recordings} recordings, and at least {FEWEST} varied ones are needed"
        return (
            f"adapted without labels to {self.recordings} recordings (weight {self.weight:.2f}); "
            "this helps where they hold varied emotions, and misleads where they hold one"
        )

    def to_dict(self) -> dict[str, Any]:
        """The JSON form."""
        return asdict(self)


def adapt(states: HiddenStates, trained: Statistics, clips: Iterable[Tensor]) -> tuple[int, float]:
    """Normalise by recordings from now on.

    Args:
        states: of the system; their statistics are replaced.
        trained: the training set's statistics.
        clips: frames `[N, S, D]` or `[N, D]` of each recording; of more than `MOST` the first are taken.

    Returns:
        The number of recordings, and the weight of their statistics.
    """
    heard = [clip for clip in islice(clips, MOST) if len(clip)]
    weight = len(heard) / (len(heard) + HALF) if len(heard) >= FEWEST else 0.0
    found = Statistics.of(heard) if weight else trained
    states.statistics = blended(trained, found, weight)
    return len(heard), weight


def adapted_temperature(plain: float, adapted: float | None, weight: float) -> float:
    """The temperature between that of a system as trained and that of an adapted one.

    Args:
        plain: of the system as trained.
        adapted: fitted with adaptation; `None` where none was fitted.
        weight: of the recordings' statistics.
    """
    return plain if adapted is None else plain ** (1 - weight) * adapted**weight


def blended(trained: Statistics, found: Statistics, weight: float) -> Statistics:
    """Statistics between two: the mean linearly, the deviation by its logarithm."""
    mean = trained.mean + weight * (found.mean - trained.mean)
    least = HiddenStates.LEAST_DEVIATION
    ratio = found.deviation.clamp(min=least) / trained.deviation.clamp(min=least)
    return Statistics(mean, trained.deviation.clamp(min=least) * ratio**weight, found.recordings)
