"""Records of a robustness sweep: a point for each condition and severity.

They are separate from `robustness`, which computes them, so that a report can be read without scipy.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from emosllm.evaluation.metrics import Interval
from emosllm.evaluation.statistics.significance import Difference


@dataclass(frozen=True, slots=True)
class SeverityResult:
    """One condition at one severity.

    Attributes:
        condition: its name; `clean` for the original clips.
        severity: in the condition's unit; `None` for `clean`.
        n: clips.
        unanswered: number of clips without an answer.
        ua: unweighted accuracy.
        wa: weighted accuracy.
        ua_interval: by speaker; `None` for a single speaker.
        wa_interval: the same.
        ua_change: UA at this point minus UA on clean clips; `None` for `clean`.
        wa_change: the same for WA.
    """

    condition: str
    severity: float | None
    n: int
    unanswered: int
    ua: float
    wa: float
    ua_interval: Interval | None
    wa_interval: Interval | None
    ua_change: Difference | None
    wa_change: Difference | None


@dataclass(frozen=True, slots=True)
class Robustness:
    """The result of a robustness sweep.

    Attributes:
        clean: the point of the original clips.
        points: in the order of conditions and their severities.
        units: condition -> unit of its severities.
        unchanged: condition -> severity without an effect; only for conditions that have one.
        skipped: condition -> why it was not available here.
        resamples: number of resamples behind the intervals.
        seed: of noise, rooms and resampling.
        level: of the intervals.
    """

    clean: SeverityResult
    points: tuple[SeverityResult, ...]
    units: Mapping[str, str]
    unchanged: Mapping[str, float]
    skipped: Mapping[str, str]
    resamples: int
    seed: int
    level: float

    def curve(self, name: str) -> tuple[SeverityResult, ...]:
        """The points of one condition, without `clean`."""
        return tuple(point for point in self.points if point.condition == name)
