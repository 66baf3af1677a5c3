"""Abstention below a confidence, the risk-coverage curve and the area under it.

A clip without an answer is never covered by a threshold. At full coverage it counts as wrong, as in all other figures.
Not supported: thresholds that guarantee a risk on new data (conformal prediction).
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from emosllm.errors import UserError
from emosllm.evaluation.metrics import Scores, score
from emosllm.utterance import Prediction


@dataclass(frozen=True, slots=True)
class RiskCoverage:
    """The share of wrong answers as a function of the share of clips that are answered.

    Attributes:
        n: clips.
        thresholds: the distinct confidences in descending order. The last is 0 if some clips have no answer.
        coverage: the share of clips answered at each threshold.
        risk: the share of the answered clips that is wrong.
        aurc: area under the curve, the mean risk over the 1, 2, ... n most confident clips. Errors are spread evenly
            among clips of equal confidence, which is the mean over all orders of these clips.
        aurc_best: the area if all errors come last. No confidence can reach less at this accuracy.
        aurc_random: the area for a confidence without information, which is the error rate.
    """

    n: int
    thresholds: tuple[float, ...]
    coverage: tuple[float, ...]
    risk: tuple[float, ...]
    aurc: float
    aurc_best: float
    aurc_random: float


@dataclass(frozen=True, slots=True)
class AbstentionScores:
    """What remains at one threshold.

    Attributes:
        threshold: the least confidence at which a clip is answered.
        n: clips.
        covered: clips answered.
        scores: over the covered clips. UA is over the classes that occur among them. `None` if no clip is covered.
    """

    threshold: float
    n: int
    covered: int
    scores: Scores | None

    @property
    def coverage(self) -> float:
        """The share of clips answered."""
        return self.covered / self.n


def abstain_below(prediction: Prediction, threshold: float) -> Prediction:
    """Remove the label from a prediction if its confidence is below `threshold`.

    The probabilities stay, so that a reader can see the doubtful classes. `error` stays empty, since nothing failed.

    Raises:
        UserError: the threshold is not between 0 and 1.
    """
    confidence, least = prediction.confidence, _checked(threshold)
    if confidence is None or confidence >= least:
        return prediction
    return replace(prediction, label=None)


def abstention_scores(
    reference: Sequence[str],
    predicted: Sequence[str | None],
    confidences: Sequence[float | None],
    labels: Sequence[str],
    threshold: float,
) -> AbstentionScores:
    """Compute all figures over the clips whose confidence reaches the threshold.

    Args:
        reference: the true class of each clip.
        predicted: the answers. `None` is not covered.
        confidences: of the answers. `None` is not covered.
        labels: the classes.
        threshold: 0..1.

    Raises:
        UserError: the threshold or a confidence is not between 0 and 1, the lengths differ, or there are no clips.
    """
    confidence, _ = _ordered(reference, predicted, confidences)
    kept = np.flatnonzero(confidence >= _checked(threshold)).tolist()
    scores = score([reference[i] for i in kept], [predicted[i] for i in kept], labels) if kept else None
    return AbstentionScores(threshold, len(reference), len(kept), scores)


def risk_coverage(
    reference: Sequence[str], predicted: Sequence[str | None], confidences: Sequence[float | None]
) -> RiskCoverage:
    """Compute the risk-coverage curve over all thresholds.

    Args:
        reference: the true class of each clip.
        predicted: the answers. `None` is wrong, and has the lowest confidence of all.
        confidences: of the answers, 0..1. `None` is the lowest of all.

    Raises:
        UserError: a confidence is not between 0 and 1, the lengths differ, or there are no clips.

    Source:
        El-Yaniv and Wiener, On the foundations of noise-free selective classification, JMLR 11 (2010); area: Geifman,
        Uziel and El-Yaniv, Bias-reduced uncertainty estimation for deep neural classifiers, ICLR 2019.
    """
    confidence, wrong = _ordered(reference, predicted, confidences)
    order = np.argsort(-confidence, kind="stable")
    confidence, wrong = confidence[order], wrong[order]
    n = len(wrong)
    last = np.flatnonzero(np.append(confidence[1:] != confidence[:-1], True))  # last of equal confidences
    errors = np.cumsum(wrong)
    counts = np.arange(1, n + 1)
    spread = np.interp(counts, np.append(0, last + 1), np.append(0, errors[last]))
    best = np.maximum(counts - (n - errors[-1]), 0)
    return RiskCoverage(
        n=n,
        # A clip without an answer is covered at threshold 0.
        thresholds=tuple(np.maximum(confidence[last], 0).tolist()),
        coverage=tuple(((last + 1) / n).tolist()),
        risk=tuple((errors[last] / (last + 1)).tolist()),
        aurc=float((spread / counts).mean()),
        aurc_best=float((best / counts).mean()),
        aurc_random=float(errors[-1] / n),
    )


def _ordered(
    reference: Sequence[str], predicted: Sequence[str | None], confidences: Sequence[float | None]
) -> tuple[np.ndarray, np.ndarray]:
    """Confidences `[N]`, -1 where there is no answer, and whether the answer is wrong `[N]`."""
    if not len(reference) == len(predicted) == len(confidences):
        counts = f"{len(reference)} references, {len(predicted)} answers and {len(confidences)} confidences"
        raise UserError(f"{counts}: one of each per clip is needed")
    if not reference:
        raise UserError("nothing to score: there are no clips")
    numbers = []
    for answer, sure in zip(predicted, confidences, strict=True):
        if answer is not None and sure is not None and not 0 <= sure <= 1:
            raise UserError(f"confidence {sure}: a number between 0 and 1 is needed")
        numbers.append(-1.0 if answer is None or sure is None else float(sure))
    return np.array(numbers), np.array([true != given for true, given in zip(reference, predicted, strict=True)])


def _checked(threshold: float) -> float:
    if not 0 <= threshold <= 1:
        raise UserError(f"threshold {threshold}: a confidence between 0 and 1 is needed")
    return threshold
