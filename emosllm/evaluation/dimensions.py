"""Estimate valence, arousal and dominance from class probabilities, as the expected value of the classes' means.

Every system with class probabilities can be scored in this way without training for it. The method is no regression:
it cannot distinguish two clips of one class, so even the true classes reach only a `ceiling` below 1. Each corpus has
its own scale and its own class means. Not supported: class means adjusted for speaker or sentence.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from emosllm.corpora import CARDS
from emosllm.errors import UserError
from emosllm.evaluation.concordance import Concordance, ccc, concordance
from emosllm.labels import LabelSet
from emosllm.utterance import Utterance

#: The corpus name for clips without one. They are treated as one corpus.
UNNAMED = "unnamed"

DIMENSIONS = ("valence", "arousal", "dominance")

#: The sentence on the method that is printed beside the figures.
METHOD = (
    "Valence, arousal and dominance are read from the class probabilities, not regressed: the sum over classes of "
    "probability times the class's mean in the training and validation part, after Park et al. (EMNLP 2021)."
)


@dataclass(frozen=True, slots=True)
class DimensionEstimate:
    """One dimension of one corpus, read from class probabilities.

    Attributes:
        scale: the lowest and the highest value that raters could give; `None` if no corpus card states it.
        learned: clips behind the means. None of them is scored.
        means: class -> mean of its clips, in the corpus's own range; classes without clips are missing.
        overall: mean of all those clips. A clip without an answer gets this value.
        unanswered: clips without an answer among the scored ones.
        scores: of the estimates against the raters.
        always_mean: CCC of predicting `overall` for every clip: 0, or `None` if all ratings are equal.
        ceiling: CCC of the estimate from the true classes, the best that class probabilities of 0 and 1 can reach.
            Probabilities that reproduce the raters' disagreement may exceed it.
    """

    scale: tuple[float, float] | None
    learned: int
    means: Mapping[str, float]
    overall: float
    unanswered: int
    scores: Concordance
    always_mean: float | None
    ceiling: float | None


def expected_value(probabilities: Mapping[str, float], means: Mapping[str, float], overall: float) -> float:
    """The expected value of a dimension: the sum over classes of P(class) times the class's mean.

    The probability of classes without a mean is distributed among the others in proportion. If no probability is left,
    or if there is no answer, the value is `overall`.

    Source:
        Park et al., Dimensional Emotion Detection from Categorical Emotion, EMNLP 2021, also predict a dimension as the
        expectation over classes. They take the values of the classes from a lexicon; here they are measured.
    """
    shares = {name: probabilities.get(name, 0.0) for name in means}
    total = sum(shares.values())
    if total <= 0:
        return overall
    return sum(share * means[name] for name, share in shares.items()) / total


def estimate_dimensions(
    utterances: Sequence[Utterance],
    probabilities: Sequence[Mapping[str, float]],
    reference_clips: Sequence[Utterance],
    labels: LabelSet,
    *,
    resamples: int = 1000,
    seed: int = 0,
    level: float = 0.95,
) -> tuple[dict[str, dict[str, DimensionEstimate]], dict[str, str]]:
    """Read every dimension that raters rated, corpus by corpus.

    Args:
        utterances: the clips scored, each of a class of `labels`.
        probabilities: class -> probability of each; empty if there is no answer.
        reference_clips: clips of the training and validation part; clips that are scored are skipped.
        labels: the classes.
        resamples: of the speakers, for the intervals.
        seed: of the resampling.
        level: of the intervals.

    Returns:
        Corpus -> dimension -> reading, and the dimensions that could not be estimated -> the reason.

    """
    scored = {utterance.id for utterance in utterances}
    found: dict[str, dict[str, DimensionEstimate]] = {}
    missing: dict[str, str] = {}
    places: dict[str, list[int]] = {}
    for place, utterance in enumerate(utterances):
        places.setdefault(utterance.corpus or UNNAMED, []).append(place)
    for corpus, those in places.items():
        clips, answers = [utterances[place] for place in those], [probabilities[place] for place in those]
        known = [each for each in reference_clips if (each.corpus or UNNAMED) == corpus and each.id not in scored]
        for dimension in DIMENSIONS:
            if all(getattr(clip, dimension) is None for clip in clips):
                continue
            try:
                reading = _estimate(dimension, corpus, clips, answers, known, labels, (resamples, seed, level))
                found.setdefault(corpus, {})[dimension] = reading
            except UserError as error:
                missing[f"{dimension} of {corpus}"] = str(error)
    return found, missing


def _estimate(
    dimension: str,
    corpus: str,
    clips: Sequence[Utterance],
    answers: Sequence[Mapping[str, float]],
    reference_clips: Sequence[Utterance],
    labels: LabelSet,
    draws: tuple[int, int, float],
) -> DimensionEstimate:
    if not any(answers):
        raise UserError("it is read from probabilities, and free answers have none; use --answers score")
    values: dict[str, list[float]] = {}
    for utterance in reference_clips:
        name, value = labels.classify(utterance.emotion), getattr(utterance, dimension)
        if name is not None and value is not None:
            values.setdefault(name, []).append(value)
    if not values:
        raise UserError(
            "there is no rated clip of a train or val part to measure the classes' means on: with `emosllm evaluate`, "
            "leave these parts in the manifest, and select the scored part with --split test"
        )
    means = {name: float(np.mean(values[name])) for name in labels.names if name in values}
    overall = float(np.mean([value for each in values.values() for value in each]))
    truth = [getattr(clip, dimension) for clip in clips]
    rated = [place for place, value in enumerate(truth) if value is not None]
    certain = [expected_value({labels.classify(clip.emotion) or "": 1.0}, means, overall) for clip in clips]
    resamples, seed, level = draws
    card = CARDS.get(corpus)
    return DimensionEstimate(
        scale=None if card is None else card.scales.get(dimension),
        learned=sum(map(len, values.values())),
        means=means,
        overall=overall,
        unanswered=sum(not answers[place] for place in rated),
        scores=concordance(
            truth,
            [expected_value(answer, means, overall) for answer in answers],
            [clip.speaker for clip in clips],
            resamples=resamples,
            seed=seed,
            level=level,
        ),
        always_mean=ccc([truth[place] for place in rated], [overall] * len(rated)),
        ceiling=ccc([truth[place] for place in rated], [certain[place] for place in rated]),
    )
