"""The sections of a report beyond its scores: confidence, abstention, groups, raters' votes, dimensions.

A section that cannot be measured is listed with the reason. Figures of confidence are computed from the probabilities
as `predictions.jsonl` stores them, with four decimals, so that the same figures can be computed from that file.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, TypeVar

import numpy as np

from emosllm.errors import UserError
from emosllm.evaluation.abstention import AbstentionScores, abstention_scores, risk_coverage
from emosllm.evaluation.answers import Answers, answers_of
from emosllm.evaluation.calibration import Calibration, calibrate
from emosllm.evaluation.dimensions import estimate_dimensions
from emosllm.evaluation.fairness import Fairness, fairness
from emosllm.evaluation.report import Confidence
from emosllm.evaluation.soft_labels import soft_label, soft_scores
from emosllm.evaluation.statistics.bootstrap import count_clusters
from emosllm.labels import LabelSet
from emosllm.utterance import Prediction, Utterance

_T = TypeVar("_T")

#: The largest number of sums for the regroupings: one or two minutes.
_WORK = 2e10

#: Group -> the field of `Answers` that holds it.
GROUPS = {"gender": "genders", "language": "languages", "speaker": "speakers"}


def report_fields(
    utterances: Sequence[Utterance],
    predictions: Sequence[Prediction],
    labels: LabelSet,
    *,
    temperature: float | Sequence[float],
    abstain_below: float | None,
    reference_clips: Sequence[Utterance],
    resamples: int,
    seed: int,
    level: float,
) -> dict[str, Any]:
    """The fields `confidence`, `selective`, `fairness`, `soft`, `dimensions` and `unmeasured` of a `Report`.

    Args:
        utterances: with their true emotions.
        predictions: in the same order.
        labels: the classes to score in.
        temperature: the temperature of the probabilities; one for each prediction if they differ.
        abstain_below: the least confidence at which a clip is answered; `None` for no such figures.
        reference_clips: clips for the measurement of the classes' mean valence, arousal and dominance.
        resamples: of the speakers, for the groups.
        seed: of the resampling.
        level: of the intervals.

    Raises:
        UserError: `abstain_below` is not between 0 and 1, or is set although there are no probabilities.
    """
    answers = answers_of(utterances, list(map(_as_kept, predictions)), labels, "")
    temperatures = [temperature] * len(predictions) if isinstance(temperature, float | int) else list(temperature)
    without_temperature = [
        _without_temperature(prediction, value) for prediction, value in zip(predictions, temperatures, strict=True)
    ]
    given = answers_of(utterances, without_temperature, labels, "")
    missing: dict[str, str] = {}
    fair = {}
    for group, column in GROUPS.items():
        found = _or_reason(
            missing, f"fairness by {group}", partial(_fairness_by, answers, column, resamples, seed, level)
        )
        if found is not None:
            fair[group] = found
    scored = [utterance for utterance in utterances if labels.classify(utterance.emotion)]
    votes = [soft_label(utterance.votes, labels) if utterance.votes else None for utterance in scored]
    soft = None
    if any(votes):
        soft = _or_reason(missing, "soft labels", lambda: soft_scores(votes, answers.probabilities, labels.names))
    draws = {"resamples": resamples, "seed": seed, "level": level}
    dimensions, unread = estimate_dimensions(scored, answers.probabilities, reference_clips, labels, **draws)  # type: ignore[arg-type]
    return {
        "confidence": _or_reason(missing, "confidence", lambda: _confidence(answers, given, temperatures)),
        "selective": None if abstain_below is None else _selective(answers, abstain_below),
        "fairness": fair,
        "soft": soft,
        "dimensions": dimensions,
        "unmeasured": missing | unread,
    }


def _confidence(answers: Answers, given: Answers, temperatures: Sequence[float]) -> Confidence:
    calibration = _calibration(answers)
    curve = risk_coverage(answers.reference, answers.predicted, answers.confidences)
    differ = len(set(temperatures)) > 1
    return Confidence(
        temperature=None if differ else temperatures[0],
        temperatures=(min(temperatures), max(temperatures)) if differ else None,
        as_given=None if set(temperatures) == {1} else _calibration(given),
        calibration=calibration,
        aurc=curve.aurc,
        aurc_best=curve.aurc_best,
        aurc_random=curve.aurc_random,
    )


def _calibration(answers: Answers) -> Calibration:
    return calibrate(answers.reference, answers.probabilities, answers.labels)


def _selective(answers: Answers, threshold: float) -> AbstentionScores:
    if not any(answers.probabilities):
        raise UserError("--abstain-below needs probabilities, and free answers have none; use --answers score")
    return abstention_scores(answers.reference, answers.predicted, answers.confidences, answers.labels, threshold)


def _fairness_by(answers: Answers, column: str, resamples: int, seed: int, level: float) -> Fairness:
    groups = getattr(answers, column)
    if len(set(groups) - {None}) < 2:
        raise UserError("the data name fewer than two groups")
    # A group that is a speaker has no other speakers to draw, so its intervals are over clips.
    speakers = [None] * len(answers) if column == "speakers" else answers.speakers
    cells = len(answers.labels) * (len(answers.labels) + 1)
    if resamples * count_clusters(speakers) * cells > _WORK:
        raise UserError(f"{len(answers)} clips are too many to regroup {resamples} times")
    sides = (answers.reference, answers.predicted, groups, speakers)
    return fairness(*sides, answers.labels, resamples=resamples, seed=seed, level=level)


def _or_reason(missing: dict[str, str], section: str, compute: Callable[[], _T]) -> _T | None:
    """Compute a section; on failure return `None` and add the reason to `missing`."""
    try:
        return compute()
    except UserError as error:
        missing[section] = str(error)
        return None


def _as_kept(prediction: Prediction) -> Prediction:
    kept: Mapping[str, float] = prediction.to_dict()["probabilities"]
    return replace(prediction, probabilities=kept)


def _without_temperature(prediction: Prediction, temperature: float) -> Prediction:
    """Undo the temperature: probabilities p ** T, normalised to 1, with four decimals."""
    if temperature == 1 or not prediction.probabilities:
        return _as_kept(prediction)
    logs = np.log(np.maximum(list(prediction.probabilities.values()), 1e-300)) * temperature
    shares = np.exp(logs - logs.max())
    names = prediction.probabilities
    return _as_kept(replace(prediction, probabilities=dict(zip(names, (shares / shares.sum()).tolist(), strict=True))))
