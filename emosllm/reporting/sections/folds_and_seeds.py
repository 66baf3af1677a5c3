"""The section on folds and seeds: the figures of single trainings, for evaluations from a protocol or a sweep."""

from collections.abc import Mapping, Sequence
from typing import Any

from emosllm.evaluation.metrics import Interval
from emosllm.reporting.blocks import Cell, Number, Section, Table
from emosllm.reporting.evaluations import Evaluation
from emosllm.reporting.report_text import NAMES

#: With more trainings than this, only the means are listed.
MANY_RUNS = 60


def folds_and_seeds(runs: Sequence[Evaluation]) -> Section | None:
    """Means over folds and over seeds, and each training's figures; `None` without an experiment."""
    known = [(run, run.experiment, run.experiment.row) for run in runs if run.experiment and run.experiment.row]
    several = [entry for entry in known if len(entry[2]["runs"]) > 1]
    if not several:
        return None
    rows: list[tuple[Cell, ...]] = []
    for run, found, row in several:
        over, pooled = row.get("over_seeds"), row.get("pooled_over_seeds")
        figures = (Number(row["mean"]), Number(row["sd"]), *_over(over), *_over(pooled))
        rows.append((run.name, NAMES.get(found.figure, found.figure), *figures, len(row["runs"])))
    head = ("", "figure", "mean of folds", "sd", "over seeds", "sd", "all clips, over seeds", "sd", "trainings")
    blocks = [Table(head, tuple(rows))]
    for run, _, row in several:
        if len(row["runs"]) <= MANY_RUNS:
            blocks.append(_trainings(row["runs"], run.name if len(runs) > 1 else ""))
    text = (
        "The mean of folds is the figure that papers with cross-validation print; its sd is over folds. Over seeds: "
        "mean and sd of trainings that differ by their seed, with Student's interval. The other sections show all "
        "clips with the first seed."
    )
    return Section("Folds and seeds", tuple(blocks), (text,))


def _over(found: Mapping[str, Any] | None) -> tuple[Number, Number]:
    if found is None:
        return Number(None), Number(None)
    ends = found["interval"]
    return Number(found["mean"], Interval(**ends) if ends else None), Number(found["sd"])


def _trainings(runs: Sequence[Mapping[str, Any]], title: str) -> Table:
    rows = tuple((run["fold"], run["seed"], *(Number(run[name]) for name in NAMES), run["n"]) for run in runs)
    return Table(("fold", "seed", *NAMES.values(), "clips"), rows, title)
