"""What one evaluation found, as a typed record: everything that a table, a page or a later comparison needs."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from emosllm.evaluation.abstention import AbstentionScores
from emosllm.evaluation.calibration import Calibration
from emosllm.evaluation.dimensions import DimensionEstimate
from emosllm.evaluation.fairness import Fairness
from emosllm.evaluation.metrics import Interval, Scores
from emosllm.evaluation.provenance import Provenance
from emosllm.evaluation.robustness.records import Robustness
from emosllm.evaluation.soft_labels import SoftScores
from emosllm.evaluation.statistics.bootstrap import FEW_SPEAKERS
from emosllm.labels import LabelSet

TranscriptsFrom = Literal["model", "given"]


@dataclass(frozen=True, slots=True)
class GroupScore:
    """The headline of one part of the data, such as one corpus.

    Attributes:
        n: clips scored.
        speakers: independent units among them, as `Report.clusters`.
        classes: how many classes occur; UA is over these.
        ua: unweighted accuracy.
        ua_interval: by speaker; `None` for a single speaker.
        wa: weighted accuracy.
    """

    n: int
    speakers: int
    classes: int
    ua: float
    ua_interval: Interval | None
    wa: float


@dataclass(frozen=True, slots=True)
class Confidence:
    """What the probabilities are worth, over the clips that have some.

    Attributes:
        temperature: what log-probabilities were divided by; `None` where folds have each their own.
        as_given: calibration at temperature 1; `None` where that is the temperature.
        calibration: calibration of the probabilities in `predictions.jsonl`.
        aurc: area under the risk-coverage curve, the mean risk over the 1, 2, ... n surest clips.
        aurc_best: of an order that puts every error last.
        aurc_random: of a confidence that knows nothing, which is the error rate.
        temperatures: the lowest and the highest, where folds have each their own.
    """

    temperature: float | None
    as_given: Calibration | None
    calibration: Calibration
    aurc: float
    aurc_best: float
    aurc_random: float
    temperatures: tuple[float, float] | None = None

    @property
    def warmth(self) -> str:
        """The temperature, or the lowest and the highest of the folds'."""
        if self.temperature is not None:
            return f"{self.temperature:.3f}"
        assert self.temperatures is not None
        low, high = self.temperatures
        return f"{low:.3f} to {high:.3f}, each fold its own"


@dataclass(frozen=True, slots=True)
class Report:
    """One system on one data set.

    Attributes:
        model: as the user called it: a name, a folder or a hub id.
        data: the manifest, or the name of the data.
        split: which part of it, `None` for all.
        label_set: the name of the label set.
        labels: its classes, in the order of every table and matrix here.
        merges: emotions that counted as one of `labels`.
        strategy: the inference strategy, as the recipe calls it.
        scores: over all clips that have a class.
        intervals: `bootstrap_by_speaker`'s.
        level: of the intervals, 0.95.
        resamples: behind the intervals.
        seed: of the resampling.
        speakers: how many known ones there are among the clips scored.
        clusters: independent units behind the intervals: `speakers`, and every clip of an unknown one.
        wer: word error rate of the model's own transcripts; `None` where it wrote none.
        wer_transcripts: clips behind `wer`.
        transcripts_from: who wrote the transcripts in `predictions.jsonl`; `None` where there are none.
        left_out: emotion -> clips not scored since the label set has no class for it; `no label` where none was given.
        errors: recordings that could not be read; those that have a class are scored as wrong.
        by_corpus: the same figures per corpus, in the order of the data.
        versions: of Python and the libraries.
        seconds: what the predictions took, wall clock.
        answer: `score` or `generate`.
        unnamed: free answers among the clips scored that name no label.
        fallback: what those counted as; `None` is no answer.
        confidence: what the probabilities are worth; `None` where there are none.
        selective: what remains where the system may abstain; `None` where it may not.
        fairness: `gender`, `language` and `speaker` -> figures by group; those of which the data know two groups.
        soft: against raters' votes; `None` where there are none.
        dimensions: corpus -> `valence`, `arousal`, `dominance` -> figures of what the probabilities say of it; empty
            where nobody rated any.
        robustness: figures on spoilt recordings; `None` where nobody asked.
        doubts: what speaks against the figures, a sentence each.
        unmeasured: section -> why it is not here.
        provenance: the system, the data and the machine.
    """

    model: str
    data: str
    split: str | None
    label_set: str
    labels: tuple[str, ...]
    merges: Mapping[str, str]
    strategy: str | None
    scores: Scores
    intervals: Mapping[str, Interval | None]
    level: float
    resamples: int
    seed: int
    speakers: int
    clusters: int
    wer: float | None
    wer_transcripts: int
    transcripts_from: TranscriptsFrom | None
    left_out: Mapping[str, int]
    errors: int
    by_corpus: Mapping[str, GroupScore]
    versions: Mapping[str, str]
    seconds: float
    answer: Literal["score", "generate"] = "score"
    unnamed: int = 0
    fallback: str | None = None
    confidence: Confidence | None = None
    selective: AbstentionScores | None = None
    fairness: Mapping[str, Fairness] = field(default_factory=dict)
    soft: SoftScores | None = None
    dimensions: Mapping[str, Mapping[str, DimensionEstimate]] = field(default_factory=dict)
    robustness: Robustness | None = None
    doubts: tuple[str, ...] = ()
    unmeasured: Mapping[str, str] = field(default_factory=dict)
    provenance: Provenance | None = None

    def to_dict(self) -> dict[str, Any]:
        """The JSON form, with these names; intervals are `{"low": ..., "high": ...}` or null, fractions unrounded."""
        return asdict(self)

    def classify(self, emotion: str | None) -> str | None:
        """The class that an emotion counted as here."""
        return LabelSet(self.label_set, self.labels, self.merges).classify(emotion)

    @property
    def interval_note(self) -> str:
        """One sentence on what the intervals stand on, or why there are none."""
        if self.clusters < 2:
            return "No intervals: one speaker says everything, and one speaker tells nothing of others."
        unknown = self.clusters - self.speakers
        base = f"{self.level:.0%} intervals by speaker, {self.resamples} resamples of {count(self.speakers, 'speaker')}"
        if unknown:
            base += f" and {count(unknown, 'clip')} by nobody knows whom, each taken for a speaker of its own"
        if self.clusters < FEW_SPEAKERS:
            return f"{base}: so few that the intervals are coarse and too narrow."
        return f"{base}."

    @property
    def silent_classes(self) -> tuple[str, ...]:
        """Classes that could be answered but that nobody spoke; UA and F1 are not over these."""
        spoken = {entry.name for entry in self.scores.per_class}
        return tuple(name for name in self.labels if name not in spoken)

    @property
    def subject(self) -> str:
        """What was measured on what, for a headline."""
        return f"{self.model} on {self.data}" + (f" ({self.split})" if self.split else "")


def count(number: int, thing: str) -> str:
    """`1 clip`, `2 clips`."""
    return f"{number} {thing}" + ("" if number == 1 else "s")
