"""Build the reports of an experiment: one for each fold, and one over all folds.

The report over all folds is always built from the folds' files, so that an experiment that was interrupted has exactly
the same figures.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from emosllm.evaluation.dimensions import DIMENSIONS
from emosllm.evaluation.provenance import Provenance, digest_of
from emosllm.evaluation.report import Report
from emosllm.evaluation.report_builder import build_report
from emosllm.evaluation.robustness.answer_cache import AnswerCache
from emosllm.evaluation.robustness.records import Robustness
from emosllm.experiments.data.folds import Fold
from emosllm.experiments.fold_predictions import SystemAnswers, read_predictions
from emosllm.experiments.grid import Variant
from emosllm.experiments.plan import Plan
from emosllm.utterance import Prediction, Utterance

#: The folder of a fold's answers on degraded recordings, beside its report.
SWEEP = "robustness"
_FOLD_BY_FOLD = "each fold has its own means of the classes; the folds' reports contain the dimensions"


def fold_report(
    plan: Plan, variant: Variant, fold: Fold, utterances: Sequence[Utterance], scored: SystemAnswers, seconds: float
) -> Report:
    """Build the report of one fold.

    Args:
        plan: of the experiment.
        variant: the system.
        fold: its training and validation clips give the classes' mean valence, arousal and dominance.
        utterances: the clips tested.
        scored: the answers.
        seconds: duration of the evaluation.
    """
    return _report(
        plan,
        variant,
        utterances,
        scored.predictions,
        split=fold.name,
        reference_clips=[*fold.train, *fold.val],
        seconds=seconds,
        temperature=scored.temperature,
        robustness=scored.robustness,
        provenance=scored.provenance,
        doubts=tuple(dict.fromkeys((*plan.notes, *scored.doubts))),
    )


def pooled_report(
    plan: Plan, variant: Variant, folder: Path, reports: Mapping[str, Report]
) -> tuple[Report, list[Utterance], list[Prediction]]:
    """Build the report over all folds, each clip tested once, with its clips and their answers.

    Args:
        plan: of the experiment.
        variant: the system.
        folder: contains the folds' folders.
        reports: fold -> its report, read from its file.

    Raises:
        UserError: a fold's file is damaged.
    """
    utterances: list[Utterance] = []
    predictions: list[Prediction] = []
    temperatures: list[float] = []
    for fold in plan.folds:
        tested = variant.transform.test(fold.test)
        utterances += tested
        predictions += read_predictions(folder / fold.name, tested)
        temperatures += [_temperature(reports[fold.name])] * len(tested)
    doubts = (*plan.notes, *(doubt for report in reports.values() for doubt in report.doubts))
    report = _report(
        plan,
        variant,
        utterances,
        predictions,
        split=_tested_split(plan.folds),
        reference_clips=[*plan.folds[0].train, *plan.folds[0].val] if len(plan.folds) == 1 else (),
        temperature=temperatures,
        robustness=_pooled_sweep(variant, folder, reports),
        provenance=Provenance.of_folds(
            {name: each.provenance for name, each in reports.items()}, digest_of(utterances)
        ),
        doubts=tuple(dict.fromkeys(doubts)),
    )
    if len(plan.folds) > 1:
        unread = {name: _FOLD_BY_FOLD for name in report.unmeasured if name.partition(" of ")[0] in DIMENSIONS}
        report = replace(report, unmeasured={**report.unmeasured, **unread})
    return report, utterances, predictions


def _tested_split(folds: Sequence[Fold]) -> str:
    """The name of the tested split for a report over all folds: with one fold its own split, which may be val."""
    if len(folds) > 1:
        return f"{len(folds)} folds, each clip tested once"
    splits = {utterance.split for utterance in folds[0].test}
    return str(splits.pop()) if splits in ({"val"}, {"train"}) else "test"


def _report(
    plan: Plan, variant: Variant, utterances: Sequence[Utterance], predictions: Sequence[Prediction], **known: Any
) -> Report:
    inference, scoring = variant.recipe.inference, variant.scoring
    own = "model" if variant.transform.transcripts == "own" else "given"
    name = variant.system or variant.recipe.name
    return build_report(
        utterances,
        predictions,
        variant.classes,
        model=f"{name} ({variant.name})" if variant.values else name,
        data=plan.data or plan.title,
        strategy=inference.strategy,
        transcripts_from=None if inference.strategy == "ser" else own,  # type: ignore[arg-type]
        answer=inference.answer,
        fallback=inference.fallback,
        abstain_below=scoring.abstain_below,
        seed=scoring.seed,
        **known,
    )


def _temperature(report: Report) -> float:
    """The temperature of a fold; it has no effect on answers without probabilities."""
    found = report.confidence.temperature if report.confidence is not None else None
    return 1.0 if found is None else found


def _pooled_sweep(variant: Variant, folder: Path, reports: Mapping[str, Report]) -> Robustness | None:
    """Merge the folds' sweeps; a single fold's sweep is returned unchanged."""
    scoring = variant.scoring
    if not scoring.conditions:
        return None
    if len(reports) == 1:
        return next(iter(reports.values())).robustness
    from emosllm.evaluation.robustness.conditions import condition
    from emosllm.evaluation.robustness.sweep import pool_sweeps

    parts = [AnswerCache(folder / fold / SWEEP) for fold in reports]
    return pool_sweeps(
        parts, variant.classes.names, [condition(name) for name in scoring.conditions], seed=scoring.seed
    )
