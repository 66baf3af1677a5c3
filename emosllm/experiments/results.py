"""The results of an experiment as a record: figures by fold, over folds, over all clips and by seed, and their origin.

There are two means. "Mean of folds" is the figure that papers with cross-validation print, with the standard deviation
over folds. "All clips" scores the folds' answers together, each clip once, with an interval by speaker. It is the
better estimate of UA and F1 for small folds, which may lack a class.
"""

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from emosllm.evaluation.metrics import Interval
from emosllm.evaluation.provenance import Training, digest_of, hardware_here
from emosllm.evaluation.report_builder import versions_here
from emosllm.evaluation.statistics.significance import SeedSpread, seed_spread
from emosllm.experiments.data.folds import Fold
from emosllm.experiments.plan import Outcome, Plan
from emosllm.recipe_parts import Metric
from emosllm.reporting.report_text import NAMES

_CHOSEN = {
    "never": "The last weights of each training were taken, so no figure helped to choose what it measures.",
    "val": "Each training's weights were chosen by {figure} on its validation part; the figures are of the test part.",
    "test": "OPTIMISTIC: each training's weights were chosen by {figure} on the very clips that are reported.",
}


@dataclass(frozen=True)
class Origin:
    """Where a row's figures come from.

    Attributes:
        recipe: of the system, resolved; `None` if it has none.
        trainings: `fold-1, seed 0` -> its training; empty without training.
        calibrations: `fold-1, seed 0` -> its temperature and where it comes from, if it has one.
        hours_trained: of all trainings.
        hours_scored: of all evaluations.
    """

    recipe: Mapping[str, Any] | None
    trainings: Mapping[str, Training]
    calibrations: Mapping[str, Mapping[str, Any]]
    hours_trained: float
    hours_scored: float


@dataclass(frozen=True)
class Row:
    """The figures of one variant.

    Attributes:
        name: shown to people.
        values: of the swept keys.
        runs: figures of each fold and seed: `fold`, `seed`, `n` and the four of `Metric`.
        mean: of the folds' figure (each fold's mean over seeds); `None` if a run failed.
        sd: standard deviation over folds; `None` for one fold.
        pooled: the figure over all clips, with the first seed.
        interval: of `pooled`, by speaker.
        over_seeds: of the folds' mean by seed; `None` for one seed.
        pooled_over_seeds: of the figure over all clips by seed, likewise.
        n: clips tested.
        failed: runs without a figure, and why.
        report: folder of the report over all clips with the first seed, relative to the experiment.
        origin: recipe, trainings, temperatures, hours.
    """

    name: str
    values: Mapping[str, str]
    runs: tuple[Mapping[str, Any], ...]
    mean: float | None
    sd: float | None
    pooled: float | None
    interval: Interval | None
    over_seeds: SeedSpread | None
    pooled_over_seeds: SeedSpread | None
    n: int
    failed: tuple[str, ...]
    report: str
    origin: Origin


@dataclass(frozen=True)
class Results:
    """The figures of all finished variants.

    Attributes:
        title: of the experiment.
        figure: the figure that variants are compared by.
        keys: varied key -> its values.
        folds: name -> numbers of training, validation and test clips.
        seeds: number of trainings of each.
        chosen: how each training's weights were chosen.
        notes: warnings for a reader of the figures.
        rows: in the order of the grid.
        versions: of Python and the libraries.
        hashes: fold -> `train`, `val` and `test` -> hash of its utterances (see `digest_of`).
        hardware: machine, threads, GPU.
    """

    title: str
    figure: Metric
    keys: Mapping[str, Sequence[str]]
    folds: Mapping[str, Mapping[str, int]]
    seeds: int
    chosen: str
    notes: tuple[str, ...]
    rows: tuple[Row, ...]
    versions: Mapping[str, str]
    hashes: Mapping[str, Mapping[str, str]]
    hardware: Mapping[str, Any]

    @property
    def best(self) -> Row | None:
        """The row with the highest mean; the first of equal rows."""
        whole = [row for row in self.rows if row.mean is not None]
        return max(whole, key=lambda row: row.mean or 0.0) if whole else None

    def to_dict(self) -> dict[str, Any]:
        """The JSON form, with these names."""
        return asdict(self)


def collect_results(
    plan: Plan, outcomes: Sequence[Outcome], figure: Metric, keys: Mapping[str, Sequence[str]], folder: Path
) -> Results:
    """Merge the outcomes so far into results.

    Args:
        plan: of the experiment.
        outcomes: the finished ones.
        figure: to compare variants by.
        keys: varied key -> its values.
        folder: of the experiment.
    """
    choose_by = NAMES[plan.variants[0].recipe.training.choose_by]
    trained = any(variant.system is None for variant in plan.variants)
    by_variant: dict[str, list[Outcome]] = {}
    for outcome in outcomes:
        by_variant.setdefault(outcome.variant.key, []).append(outcome)
    done = [by_variant[variant.key] for variant in plan.variants if variant.key in by_variant]
    return Results(
        title=plan.title,
        figure=figure,
        keys={key: list(values) for key, values in keys.items()},
        folds={f.name: {"train": len(f.train), "val": len(f.val), "test": len(f.test)} for f in plan.folds},
        seeds=plan.seeds,
        chosen=_CHOSEN[plan.chooses].format(figure=choose_by) if trained else "Nothing was trained.",
        notes=plan.notes,
        rows=tuple(_row(group, figure, folder) for group in done),
        versions=versions_here(),
        hashes={f.name: _hashes(f) for f in plan.folds},
        hardware=hardware_here(),
    )


def _row(outcomes: Sequence[Outcome], figure: Metric, folder: Path) -> Row:
    """Merge the seeds and folds of one variant."""
    first = outcomes[0]
    runs = [
        {"fold": name, "seed": each.repetition, "n": report.scores.n}
        | {metric: getattr(report.scores, metric) for metric in NAMES}
        for each in outcomes
        for name, report in each.folds.items()
    ]
    failed = [f"{fold}, seed {each.repetition}: {why}" for each in outcomes for fold, why in each.failed.items()]
    mean = sd = seeds = pooled_seeds = None
    if not failed:
        values = [[getattr(report.scores, figure) for report in each.folds.values()] for each in outcomes]
        folds = [statistics.fmean(column) for column in zip(*values, strict=True)]
        mean, sd = statistics.fmean(folds), statistics.stdev(folds) if len(folds) > 1 else None
        whole = [getattr(each.pooled.scores, figure) for each in outcomes if each.pooled is not None]
        if len(values) > 1:
            seeds, pooled_seeds = seed_spread([statistics.fmean(row) for row in values]), seed_spread(whole)
    pooled = first.pooled
    return Row(
        name=first.variant.name,
        values=dict(first.variant.values),
        runs=tuple(runs),
        mean=mean,
        sd=sd,
        pooled=getattr(pooled.scores, figure) if pooled else None,
        interval=pooled.intervals[figure] if pooled else None,
        over_seeds=seeds,
        pooled_over_seeds=pooled_seeds,
        n=pooled.scores.n if pooled else 0,
        failed=tuple(failed),
        report=first.folder.relative_to(folder).as_posix(),
        origin=_origin(outcomes),
    )


def _origin(outcomes: Sequence[Outcome]) -> Origin:
    reports = {f"{fold}, seed {each.repetition}": r for each in outcomes for fold, r in each.folds.items()}
    known = {name: report.provenance for name, report in reports.items() if report.provenance is not None}
    trainings = {name: each.training for name, each in known.items() if each.training is not None}
    return Origin(
        recipe=next((each.recipe for each in known.values()), None),
        trainings=trainings,
        calibrations={name: each.calibration for name, each in known.items() if each.calibration is not None},
        hours_trained=sum({(each.data, each.seed): each.seconds for each in trainings.values()}.values()) / 3600,
        hours_scored=sum(report.seconds for report in reports.values()) / 3600,
    )


def _hashes(fold: Fold) -> dict[str, str]:
    return {side: digest_of(getattr(fold, side)) for side in ("train", "val", "test")}
