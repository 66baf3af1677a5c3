"""Robustness sweep: the figures of any system over conditions and severities.

Every severity uses the same clips with the same noise, so that a curve depends on the severity alone. Changes against
the clean clips have a paired interval by speaker. Not supported: two conditions at once.
"""

import zlib
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from emosllm.errors import UserError
from emosllm.evaluation.answers import Answers
from emosllm.evaluation.metrics import score
from emosllm.evaluation.robustness.answer_cache import AnswerCache, PointAnswers
from emosllm.evaluation.robustness.conditions import CONDITIONS, BackgroundClips, Condition
from emosllm.evaluation.robustness.records import Robustness, SeverityResult
from emosllm.evaluation.statistics.bootstrap import bootstrap_by_speaker
from emosllm.evaluation.statistics.significance import compare

__all__ = ["Predict", "Robustness", "SeverityResult", "degrade", "pool_sweeps", "sweep"]

#: Maps the samples `[T]` at 16 kHz of each clip to an answer for each, `None` if there is none.
Predict = Callable[[Sequence[np.ndarray]], Sequence[str | None]]


def sweep(
    predict: Predict,
    clips: Sequence[np.ndarray],
    reference: Sequence[str],
    speakers: Sequence[str | None],
    labels: Sequence[str],
    *,
    conditions: Sequence[Condition] | None = None,
    voices: BackgroundClips | None = None,
    resamples: int = 1000,
    seed: int = 0,
    level: float = 0.95,
    on_point: Callable[[SeverityResult], None] | None = None,
    kept: AnswerCache | None = None,
) -> Robustness:
    """Run a system on clean and degraded clips.

    Args:
        predict: the system; called once with the clean clips and once per condition and severity.
        clips: mono samples `[T]` at 16 kHz.
        reference: the true class of each.
        speakers: of each, `None` if unknown.
        labels: the classes.
        conditions: all by default; one that is not available here is skipped and listed.
        voices: the recordings for babble; by default, for each clip, all others.
        resamples: number of resamples behind the intervals.
        seed: of noise, rooms and resampling.
        level: of the intervals.
        on_point: called with every point as soon as it is computed, `clean` first.
        kept: stored answers, which are not computed again; new answers are added.

    Raises:
        UserError: the numbers of clips, references, speakers or answers differ, or for the reasons of `score`.
    """
    if not len(clips) == len(reference) == len(speakers):
        raise UserError(
            f"{len(clips)} clips, {len(reference)} references, {len(speakers)} speakers: one each is needed"
        )
    settings = {"resamples": resamples, "seed": seed, "level": level}
    notify = on_point or (lambda point: None)
    chosen = tuple(CONDITIONS.values()) if conditions is None else tuple(conditions)

    def answers(each: Condition | None, severity: float | None) -> Answers:
        def predict_degraded() -> Sequence[str | None]:
            degraded = clips if each is None else degrade(clips, each, severity or 0.0, seed=seed, voices=voices)
            return _predict_all(predict, degraded)

        name = "clean" if each is None else each.name
        return _answers(
            name, _stored_or_new_answers(kept, name, severity, reference, speakers, predict_degraded), labels
        )

    clean_answers = answers(None, None)
    clean = _point("clean", None, clean_answers, None, settings)
    notify(clean)
    points, skipped = [], {}
    others = voices if voices is not None else clips[1:]
    for each in chosen:
        reason = each.missing(others)
        if reason:
            skipped[each.name] = reason
            continue
        for severity in each.severities:
            points.append(_point(each.name, severity, answers(each, severity), clean_answers, settings))
            notify(points[-1])
    return _robustness(clean, points, chosen, skipped, settings)


def pool_sweeps(
    parts: Sequence[AnswerCache],
    labels: Sequence[str],
    conditions: Sequence[Condition],
    *,
    resamples: int = 1000,
    seed: int = 0,
    level: float = 0.95,
) -> Robustness:
    """Merge the sweeps of several systems, such as those of the folds of a cross-validation, each on its own clips.

    Args:
        parts: the answers of each system's sweep.
        labels: the classes.
        conditions: one that is not in all parts is skipped and listed.
        resamples: number of resamples behind the intervals.
        seed: of the resampling.
        level: of the intervals.

    Raises:
        UserError: a part has no answers to the clean clips.
    """
    settings = {"resamples": resamples, "seed": seed, "level": level}

    def answers(name: str, severity: float | None) -> Answers | None:
        found = [part.read(name, severity) for part in parts]
        whole = [each for each in found if each is not None]
        return _answers(name, PointAnswers.joined(whole), labels) if len(whole) == len(parts) else None

    clean_answers = answers("clean", None)
    if clean_answers is None:
        where = next(part.folder for part in parts if part.read("clean", None) is None)
        raise UserError(f"{where} holds no answers to clean clips: run the sweep again")
    clean = _point("clean", None, clean_answers, None, settings)
    points, skipped = [], {}
    for each in conditions:
        found = [(severity, answers(each.name, severity)) for severity in each.severities]
        if any(point_answers is None for _, point_answers in found):
            skipped[each.name] = "it could not be made in every fold"
            continue
        points += [
            _point(each.name, severity, point_answers, clean_answers, settings)
            for severity, point_answers in found
            if point_answers
        ]
    return _robustness(clean, points, conditions, skipped, settings)


def degrade(
    clips: Sequence[np.ndarray],
    condition: Condition,
    severity: float,
    *,
    seed: int = 0,
    voices: BackgroundClips | None = None,
) -> list[np.ndarray]:
    """Degrade all clips by one condition; random draws depend on seed, condition and position, not on severity.

    Args:
        clips: mono samples `[T]` at 16 kHz.
        condition: the degradation.
        severity: its strength.
        seed: of every draw.
        voices: the recordings for babble; by default, for each clip, all others.

    Raises:
        UserError: for the reasons of `Condition.degrade_at`.
    """
    degraded = []
    for place, samples in enumerate(clips):
        around: BackgroundClips = ()
        if condition.needs_voices:
            around = voices if voices is not None else [*clips[:place], *clips[place + 1 :]]
        rng = np.random.default_rng([seed, zlib.crc32(condition.name.encode()), place])
        degraded.append(condition.degrade_at(severity, around)(samples, rng))
    return degraded


def _predict_all(predict: Predict, clips: Sequence[np.ndarray]) -> Sequence[str | None]:
    answers = predict(clips)
    if len(answers) != len(clips):
        raise UserError(f"{len(clips)} clips but {len(answers)} answers: one answer per clip is needed")
    return answers


def _stored_or_new_answers(
    kept: AnswerCache | None,
    name: str,
    severity: float | None,
    reference: Sequence[str],
    speakers: Sequence[str | None],
    predict_degraded: Callable[[], Sequence[str | None]],
) -> PointAnswers:
    """The stored answers at one point, or new answers, which are then stored."""
    found = None if kept is None else kept.read(name, severity)
    if found is not None and found.reference == tuple(reference):
        return found
    found = PointAnswers(tuple(reference), tuple(speakers), tuple(predict_degraded()))
    if kept is not None:
        kept.write(name, severity, found)
    return found


def _answers(name: str, kept: PointAnswers, labels: Sequence[str]) -> Answers:
    n = len(kept.reference)
    ids, unknown = tuple(map(str, range(n))), (None,) * n
    return Answers(name, tuple(labels), ids, kept.reference, kept.answers, kept.speakers, unknown, unknown, ({},) * n)


def _robustness(
    clean: SeverityResult,
    points: Sequence[SeverityResult],
    chosen: Sequence[Condition],
    skipped: Mapping[str, str],
    settings: Mapping[str, float],
) -> Robustness:
    made = [each for each in chosen if each.name not in skipped]
    units = {each.name: each.unit for each in made}
    unchanged = {each.name: each.unchanged for each in made if each.unchanged is not None}
    return Robustness(clean, tuple(points), units, unchanged, skipped, **settings)  # type: ignore[arg-type]


def _point(
    condition: str, severity: float | None, answers: Answers, clean: Answers | None, settings: Mapping[str, float]
) -> SeverityResult:
    sides = (answers.reference, answers.predicted)
    scores = score(*sides, answers.labels)
    intervals = bootstrap_by_speaker(*sides, answers.speakers, answers.labels, **settings)  # type: ignore[arg-type]
    changes = compare(clean, answers, **settings).differences if clean else {}  # type: ignore[arg-type]
    return SeverityResult(
        condition=condition,
        severity=severity,
        n=scores.n,
        unanswered=scores.unanswered,
        ua=scores.ua,
        wa=scores.wa,
        ua_interval=intervals["ua"],
        wa_interval=intervals["wa"],
        ua_change=changes.get("ua"),
        wa_change=changes.get("wa"),
    )
