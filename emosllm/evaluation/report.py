"""`Report`: the results of one evaluation as a typed record, for tables, pages and comparisons."""

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
from emosllm.labels import LabelSet

TranscriptsFrom = Literal["model", "given"]


@dataclass(frozen=True, slots=True)
class GroupScore:
    """The headline figures of one part of the data, such as one corpus.

    Attributes:
        n: clips scored.
        speakers: independent units among them, as in `Report.clusters`.
        classes: number of classes that occur; UA is over these.
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
    """Calibration and risk-coverage figures, over the clips that have probabilities.

    Attributes:
        temperature: the divisor of the log-probabilities; `None` if each fold has its own.
        as_given: calibration at temperature 1; `None` if that is the temperature.
        calibration: calibration of the probabilities in `predictions.jsonl`.
        aurc: area under the risk-coverage curve, the mean risk over the 1, 2, ... n most confident clips.
        aurc_best: the area if all errors come last.
        aurc_random: the area for a confidence without information, which is the error rate.
        temperatures: the lowest and the highest, if each fold has its own.
    """

    temperature: float | None
    as_given: Calibration | None
    calibration: Calibration
    aurc: float
    aurc_best: float
    aurc_random: float
    temperatures: tuple[float, float] | None = None


@dataclass(frozen=True, slots=True)
class Report:
    """The evaluation of one system on one data set.

    Attributes:
        model: the user's name for the system: a name, a folder or a hub id.
        data: the manifest, or the name of the data.
        split: the part of the data, `None` for all.
        label_set: the name of the label set.
        labels: its classes, in the order of every table and matrix here.
        merges: emotions that count as one of `labels`.
        strategy: the inference strategy, as in the recipe.
        scores: over all clips that have a class.
        intervals: from `bootstrap_by_speaker`.
        level: of the intervals, 0.95.
        resamples: number of resamples behind the intervals.
        seed: of the resampling.
        speakers: number of known speakers among the clips scored.
        clusters: independent units behind the intervals: `speakers`, and every clip of an unknown speaker.
        wer: word error rate of the model's own transcripts; `None` if it wrote none.
        wer_transcripts: number of clips behind `wer`.
        transcripts_from: the source of the transcripts in `predictions.jsonl`; `None` if there are none.
        left_out: emotion -> clips not scored since the label set has no class for it; `no label` for clips without one.
        errors: number of unreadable recordings; those with a class are scored as wrong.
        by_corpus: the same figures per corpus, in the order of the data.
        versions: of Python and the libraries.
        seconds: duration of the prediction, wall clock.
        answer: `score` or `generate`.
        unnamed: number of free answers among the clips scored that name no label.
        fallback: the class that these count as; `None` is no answer.
        confidence: calibration and risk-coverage figures; `None` if there are no probabilities.
        selective: the scores with abstention; `None` if the system may not abstain.
        fairness: `gender`, `language` and `speaker` -> figures by group, if the data have at least two groups of them.
        soft: figures against raters' votes; `None` if there are none.
        dimensions: corpus -> `valence`, `arousal`, `dominance` -> figures of its estimate from the class probabilities;
            empty if there are no ratings.
        robustness: figures on degraded recordings; `None` if not requested.
        doubts: reasons to distrust the figures, one sentence each.
        unmeasured: section -> why it is missing.
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
        """The class that an emotion counts as in this report."""
        return LabelSet(self.label_set, self.labels, self.merges).classify(emotion)

    @property
    def silent_classes(self) -> tuple[str, ...]:
        """Classes that are possible answers but do not occur in the reference; UA and F1 leave them out."""
        spoken = {entry.name for entry in self.scores.per_class}
        return tuple(name for name in self.labels if name not in spoken)
