"""What an experiment found, as a record, as JSON and as Markdown: figures by fold, over folds, over all clips, by seed.

Two means are told apart. "Mean of folds" is what papers with cross-validation print, with the standard deviation over
folds. "All clips" scores the folds' answers together, each clip once, with an interval by speaker; UA and F1 of small
folds, which may lack a class, are better read there.
"""

import json
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rich import box
from rich.table import Table
from rich.text import Text

from emosllm.evaluation.markdown import NAMES, with_interval
from emosllm.evaluation.markdown_blocks import table_text
from emosllm.evaluation.metrics import Interval
from emosllm.evaluation.report import versions_here
from emosllm.evaluation.results import count
from emosllm.evaluation.significance import OverSeeds, over_seeds
from emosllm.experiments.plan import Outcome, Plan
from emosllm.files import write_atomically
from emosllm.parts import Metric

_CHOSEN = {
    "never": "The last weights of each training were taken, so no figure helped to choose what it measures.",
    "val": "Each training's weights were chosen by {figure} on its validation part; the figures are of the test part.",
    "test": "OPTIMISTIC: each training's weights were chosen by {figure} on the very clips that are reported.",
}


@dataclass(frozen=True)
class Row:
    """One variant.

    Attributes:
        name: for people.
        values: of the swept keys.
        runs: figures of each fold and seed: `fold`, `seed`, `n` and the four of `Metric`.
        mean: of the folds' figure (each fold's mean over seeds); `None` where a run failed.
        sd: standard deviation over folds; `None` for one fold.
        pooled: the figure over all clips, with the first seed.
        interval: of `pooled`, by speaker.
        over_seeds: of the folds' mean by seed; `None` for one seed.
        n: clips tested.
        failed: what has no figure, and why.
        report: folder of the report over all clips, relative to the experiment.
    """

    name: str
    values: Mapping[str, str]
    runs: tuple[Mapping[str, Any], ...]
    mean: float | None
    sd: float | None
    pooled: float | None
    interval: Interval | None
    over_seeds: OverSeeds | None
    n: int
    failed: tuple[str, ...]
    report: str


@dataclass(frozen=True)
class Results:
    """All variants that are done.

    Attributes:
        title: of the experiment.
        figure: what it is judged by.
        keys: what was varied -> its values.
        folds: name -> clips learned from, chosen by and tested on.
        seeds: trainings of each.
        chosen: how each training's weights were chosen.
        notes: what a reader must know.
        rows: in the order of the grid.
        versions: of Python and the libraries.
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

    @property
    def best(self) -> Row | None:
        """The row with the highest mean; the first of equals."""
        whole = [row for row in self.rows if row.mean is not None]
        return max(whole, key=lambda row: row.mean or 0.0) if whole else None

    def to_dict(self) -> dict[str, Any]:
        """The JSON form, with these names."""
        return asdict(self)


def put_together(
    plan: Plan, outcomes: Sequence[Outcome], figure: Metric, keys: Mapping[str, Sequence[str]], folder: Path
) -> Results:
    """The results so far.

    Args:
        plan: of the experiment.
        outcomes: what is done of it.
        figure: to judge by.
        keys: what was varied.
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
    )


def write_results(results: Results, folder: Path) -> None:
    """Write `results.md` and, last, `results.json` into the folder, each atomically."""
    write_atomically(folder / "results.md", markdown(results))
    found = json.dumps(results.to_dict(), ensure_ascii=False, allow_nan=False, indent=2)
    write_atomically(folder / "results.json", found + "\n")


def markdown(results: Results) -> str:
    """The whole of `results.md`: what to know first, the table, how it was computed."""
    title = NAMES[results.figure]
    head = [*results.keys] or ["system"]
    head += [f"{title}, mean of folds ± sd" if len(results.folds) > 1 else title, f"{title}, all clips [95 %]"]
    head += [f"over {results.seeds} seeds ± sd [95 %]"] if results.seeds > 1 else []
    cells = []
    for row in results.rows:
        told = [*row.values.values()] if results.keys else [row.name]
        line = [*told, _mean(row), "–" if row.pooled is None else with_interval(row.pooled, row.interval)]
        line += [_seeds(row.over_seeds)] if results.seeds > 1 else []
        cells.append([f"**{cell}**" for cell in line] if row is results.best and len(results.rows) > 1 else line)
    parts = [f"# {results.title}", *(f"**{note}**" for note in results.notes), table_text(head, cells)]
    parts += [_about_best(results)] if len(results.rows) > 1 else []
    parts += [_by_fold(results)] if len(results.folds) > 1 and len(results.rows) == 1 else []
    failed = [f"- {row.name}: {what}" for row in results.rows for what in row.failed]
    parts += ["## Failed\n\n" + "\n".join(failed)] if failed else []
    return "\n\n".join([*parts, _how(results)]) + "\n"


def screen_table(results: Results) -> Table:
    """The same figures for a terminal, the best in bold."""
    shown = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
    for key in results.keys or ["system"]:
        shown.add_column(key, overflow="fold")
    title = NAMES[results.figure]
    for head in (
        f"{title}, mean ± sd" if len(results.folds) > 1 else title,
        "all clips",
        *["over seeds"] * (results.seeds > 1),
    ):
        shown.add_column(head, justify="right")
    for row in results.rows:
        told = [*row.values.values()] if results.keys else [row.name]
        figures = [_mean(row), "–" if row.pooled is None else with_interval(row.pooled, row.interval)]
        figures += [_seeds(row.over_seeds)] if results.seeds > 1 else []
        best = row is results.best and len(results.rows) > 1
        shown.add_row(*map(Text, [*told, *figures]), style="bold" if best else "")
    return shown


def _row(outcomes: Sequence[Outcome], figure: Metric, folder: Path) -> Row:
    """One variant over its seeds and folds."""
    first = outcomes[0]
    runs = [
        {"fold": name, "seed": each.repetition, "n": report.scores.n}
        | {metric: getattr(report.scores, metric) for metric in NAMES}
        for each in outcomes
        for name, report in each.folds.items()
    ]
    failed = [f"{fold}, seed {each.repetition}: {why}" for each in outcomes for fold, why in each.failed.items()]
    mean = sd = seeds = None
    if not failed:
        values = [[getattr(report.scores, figure) for report in each.folds.values()] for each in outcomes]
        folds = [statistics.fmean(column) for column in zip(*values, strict=True)]
        mean, sd = statistics.fmean(folds), statistics.stdev(folds) if len(folds) > 1 else None
        seeds = over_seeds([statistics.fmean(row) for row in values]) if len(values) > 1 else None
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
        n=pooled.scores.n if pooled else 0,
        failed=tuple(failed),
        report=first.folder.relative_to(folder).as_posix(),
    )


def _mean(row: Row) -> str:
    if row.mean is None:
        return "failed"
    return f"{row.mean:.3f}" + (f" ± {row.sd:.3f}" if row.sd is not None else "")


def _seeds(found: OverSeeds | None) -> str:
    if found is None or found.sd is None:
        return "–"
    return with_interval(found.mean, found.interval).replace(" [", f" ± {found.sd:.3f} [")


def _about_best(results: Results) -> str:
    best = results.best
    if best is None:
        return "Nothing has a figure yet."
    return (
        f"Best: {best.name}. Its figure is the highest of {len(results.rows)}, and so a little too high: what is "
        "chosen by a figure must be measured on other clips."
    )


def _by_fold(results: Results) -> str:
    runs = results.rows[0].runs
    rows = [(run["fold"], run["seed"], *(f"{run[metric]:.3f}" for metric in NAMES), run["n"]) for run in runs]
    return "## Folds\n\n" + table_text(("fold", "seed", *NAMES.values(), "clips"), rows)


def _how(results: Results) -> str:
    sizes = list(results.folds.values())
    told = ", ".join(f"{name} {size['train']}/{size['val']}/{size['test']}" for name, size in results.folds.items())
    lines = [
        f"{count(len(sizes), 'fold')} (train/val/test clips): {told}.",
        results.chosen,
        "Seeds: the recipe's, plus 1000 for each repetition, plus the fold's place; the same for all rows.",
        "Intervals of all clips: percentile bootstrap by speaker, first seed. Intervals over seeds: Student's t."
        if results.seeds > 1
        else "Intervals of all clips: percentile bootstrap by speaker.",
        "Versions: " + ", ".join(f"{name} {version}" for name, version in results.versions.items()) + ".",
    ]
    return "## How this was computed\n\n" + "\n".join(f"- {line}" for line in lines)
