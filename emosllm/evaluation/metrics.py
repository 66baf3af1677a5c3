"""UA, WA, F1 and WER, as scikit-learn and jiwer define them, and `METRICS`, the table of the figures of a report.

An answer that names no class counts as wrong and is never dropped: it has the last column of the confusion matrix.
Means over classes are over the classes that occur in the reference, so that a corpus without contempt can be scored in
nine classes. Limitation: WER splits words at spaces, so it has no meaning for Chinese or Japanese.
"""

import unicodedata
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from emosllm.errors import UserError
from emosllm.extras import extra
from emosllm.recipe_parts import Metric

_APOSTROPHES = dict.fromkeys(map(ord, "\u2019\u2018\u02bc\uff07`\u00b4"), "'")


@dataclass(frozen=True, slots=True)
class ClassScore:
    """How well one class is recognised; all figures but `support` lie in 0..1.

    Attributes:
        name: the class.
        recall: the share of the clips of this class that are answered with it.
        precision: the share of the answers of this class that are right; 0 if there are none.
        f1: the harmonic mean of both.
        support: number of clips of the class in the reference.
    """

    name: str
    recall: float
    precision: float
    f1: float
    support: int


@dataclass(frozen=True, slots=True)
class Interval:
    """A confidence interval, both ends included."""

    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Scores:
    """All figures of a comparison of answers with a reference; the four means lie in 0..1.

    Attributes:
        n: clips scored.
        wa: weighted accuracy, which is plain accuracy.
        ua: unweighted accuracy, the mean recall of the classes in `per_class`.
        macro_f1: the mean F1 of the classes in `per_class`.
        weighted_f1: the same, weighted by `support`.
        per_class: the classes that occur in the reference, in the order of `labels`.
        labels: all possible answers.
        confusion: counts `[reference, predicted]` in the order of `labels`; the last column is "no answer".
        unanswered: the sum of that last column.
    """

    n: int
    wa: float
    ua: float
    macro_f1: float
    weighted_f1: float
    per_class: tuple[ClassScore, ...]
    labels: tuple[str, ...]
    confusion: tuple[tuple[int, ...], ...]
    unanswered: int


class ClassCounts:
    """What the figures of many confusion matrices are computed from, by matrix and class.

    Args:
        confusions: counts `[R, C, C + 1]`, reference by answer, the last column "no answer".

    Attributes:
        hits: clips of a class that are answered with it, `[R, C]`.
        support: clips of a class, `[R, C]`.
        answers: clips that are answered with a class, `[R, C]`.
    """

    def __init__(self, confusions: np.ndarray) -> None:
        classes = confusions.shape[1]
        self.hits = np.einsum("rcc->rc", confusions[:, :, :classes])
        self.support = confusions.sum(axis=2)
        self.answers = confusions[:, :, :classes].sum(axis=1)

    @cached_property
    def recall(self) -> np.ndarray:
        """`[R, C]`; 0 for a class that does not occur in the reference."""
        return self.hits / np.maximum(self.support, 1)  # an absent class has no hits; 1 only avoids 0 / 0

    @cached_property
    def f1(self) -> np.ndarray:
        """`[R, C]`; 0 for a class that does not occur in the reference."""
        return 2 * self.hits / np.maximum(self.support + self.answers, 1)

    def class_mean(self, values: np.ndarray) -> np.ndarray:
        """The mean `[R]` of values `[R, C]` over the classes that occur; the values of the others are 0."""
        return values.sum(axis=1) / (self.support > 0).sum(axis=1)

    def clip_mean(self, values: np.ndarray) -> np.ndarray:
        """The mean `[R]` of values `[R, C]`, weighted by the clips of each class."""
        return (values * self.support).sum(axis=1) / self.support.sum(axis=1)


@dataclass(frozen=True, slots=True)
class MetricDefinition:
    """A figure of a report, with an interval.

    Attributes:
        title: its name in tables.
        compute: the figure `[R]` of R confusion matrices.
        in_latex: whether it has a column in LaTeX tables.
    """

    title: str
    compute: Callable[[ClassCounts], np.ndarray]
    in_latex: bool = True


#: Name -> definition, the most important first. Each is a field of `Scores`; the names are the choices of a recipe.
METRICS: Mapping[Metric, MetricDefinition] = {
    "ua": MetricDefinition("UA", lambda counts: counts.class_mean(counts.recall)),
    "wa": MetricDefinition("WA", lambda counts: counts.hits.sum(axis=1) / counts.support.sum(axis=1)),
    "macro_f1": MetricDefinition("macro F1", lambda counts: counts.class_mean(counts.f1)),
    "weighted_f1": MetricDefinition("weighted F1", lambda counts: counts.clip_mean(counts.f1), in_latex=False),
}


def score(reference: Sequence[str], predicted: Sequence[str | None], labels: Sequence[str]) -> Scores:
    """Compare answers with the reference.

    UA is scikit-learn's `balanced_accuracy_score`. F1 is its `f1_score` with `labels=` the classes present in the
    reference: scikit-learn gives an absent class an F1 of 0, which would penalise a system for a gap in the corpus.

    Args:
        reference: the true class of each clip.
        predicted: the answers, in the same order; `None` or a name outside `labels` is no answer, and wrong.
        labels: the classes, in the order of the tables.

    Raises:
        UserError: the lengths differ, there is nothing to score, a reference is not one of `labels`, or scikit-learn
            is not installed.
    """
    with extra("eval", "scoring"):
        from sklearn.metrics import confusion_matrix, precision_recall_fscore_support

    true, answers = encode(reference, predicted, labels)
    present = np.unique(true)
    confusion = confusion_matrix(true, answers, labels=range(len(labels) + 1))[:-1]
    counts = ClassCounts(confusion[None])
    precision, recall, f1, support = precision_recall_fscore_support(true, answers, labels=present, zero_division=0)
    return Scores(
        n=len(true),
        **{name: float(metric.compute(counts)[0]) for name, metric in METRICS.items()},
        per_class=tuple(
            ClassScore(labels[c], float(recall[i]), float(precision[i]), float(f1[i]), int(support[i]))
            for i, c in enumerate(present)
        ),
        labels=tuple(labels),
        confusion=tuple(tuple(map(int, row)) for row in confusion),
        unanswered=int(confusion[:, -1].sum()),
    )


def encode(
    reference: Sequence[str], predicted: Sequence[str | None], labels: Sequence[str]
) -> tuple[np.ndarray, np.ndarray]:
    """Convert reference and answers into indices of `labels`, `[N]` each; no answer is `len(labels)`.

    Raises:
        UserError: for the reasons of `score`.
    """
    assert len(set(labels)) == len(labels), labels
    if len(reference) != len(predicted):
        raise UserError(f"{len(reference)} references but {len(predicted)} answers: one answer per clip is needed")
    if not reference:
        raise UserError("nothing to score: no clip has an emotion that the label set names")
    place = {label: index for index, label in enumerate(labels)}
    unknown = sorted({name for name in reference if name not in place})
    if unknown:
        raise UserError(f"reference {', '.join(unknown)} is not among the labels {', '.join(labels)}")
    true = np.array([place[name] for name in reference])
    return true, np.array([place.get(name or "", len(labels)) for name in predicted])


def normalise_transcript(text: str) -> str:
    """Remove differences of spelling that WER should not count: case, punctuation, apostrophes and spaces.

    Unicode NFKC, lower case. Punctuation and symbols become spaces (so `well-known` is two words), except an apostrophe
    within a word (`don't`). Invisible characters are removed and spaces are merged. Digits stay unchanged.
    """
    visible = "".join(map(_visible, text.translate(_APOSTROPHES)))
    # Again after lower case: some letters compose only in lower case, and `ŉ` contains an apostrophe.
    plain = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", visible).lower()).translate(_APOSTROPHES)
    kinds = ["Z", *(unicodedata.category(character)[0] for character in plain), "Z"]
    kept = [
        character if kind in "LMN" or (character == "'" and before in "LMN" and after in "LMN") else " "
        for character, before, kind, after in zip(plain, kinds, kinds[1:], kinds[2:], strict=False)
    ]
    return " ".join("".join(kept).split())


def _visible(character: str) -> str:
    """The character, a space for a control such as a tab, or nothing for invisible ones (joiners, stray surrogates)."""
    kind = unicodedata.category(character)
    return " " if kind == "Cc" else "" if kind[0] == "C" else character


def word_error_rate(references: Sequence[str], hypotheses: Sequence[str | None]) -> float | None:
    """Substitutions, deletions and insertions over the reference words, summed over all clips; it can exceed 1.

    Args:
        references: the true transcripts; those that are empty once normalised are left out.
        hypotheses: the recognised transcripts, in the same order; `None` or empty counts as all words deleted.

    Returns:
        The rate, or `None` if no reference has a word.

    Raises:
        UserError: the lengths differ, or jiwer is not installed.
    """
    with extra("eval", "the word error rate"):
        import jiwer

    if len(references) != len(hypotheses):
        raise UserError(f"{len(references)} transcripts but {len(hypotheses)} answers: one per clip is needed")
    pairs = [
        (normalise_transcript(reference), hypothesis or "")
        for reference, hypothesis in zip(references, hypotheses, strict=True)
    ]
    pairs = [(reference, normalise_transcript(hypothesis)) for reference, hypothesis in pairs if reference]
    if not pairs:
        return None
    return float(jiwer.wer([reference for reference, _ in pairs], [hypothesis for _, hypothesis in pairs]))
