"""The section on folds and seeds: the figures of single trainings, for evaluations from a protocol or a sweep."""

from collections.abc import Mapping, Sequence
from typing import Any

from emosllm.evaluation.metrics import Interval
from emosllm.reporting.blocks import Cell, Number, Section, Table
from emosllm.reporting.evaluations import ComparedEvaluations
from emosllm.reporting.report_text import NAMES

#: With more trainings than this, only the means are listed.
MANY_TRAININGS = 60


def folds_and_seeds(compared: ComparedEvaluations) -> Section | None:
    """Means over folds and over seeds, and each training's figures; `None` without an experiment."""
    known = [
        (each, each.experiment, each.experiment.row)
        for each in compared.evaluations
        if each.experiment and each.experiment.row
    ]
    several = [entry for entry in known if len(entry[2]["runs"]) > 1]
    if not several:
        return None
    rows: list[tuple[Cell, ...]] = []
    for evaluation, found, row in several:
        over, pooled = row.get("over_seeds"), row.get("pooled_over_seeds")
        figures = (Number(row["mean"]), Number(row["sd"]), *_over(over), *_over(pooled))
        rows.append((evaluation.name, NAMES.get(found.figure, found.figure), *figures, len(row["runs"])))
    head = ("", "figure", "mean of folds", "sd", "over seeds", "sd", "all clips, over seeds", "sd", "trainings")
    blocks = [Table(head, tuple(rows))]
    for evaluation, _, row in several:
        if len(row["runs"]) <= MANY_TRAININGS:
            blocks.append(_trainings(row["runs"], evaluation.name if compared.several else ""))
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


def _trainings(trainings: Sequence[Mapping[str, Any]], title: str) -> Table:
    rows = tuple((each["fold"], each["seed"], *(Number(each[name]) for name in NAMES), each["n"]) for each in trainings)
    return Table(("fold", "seed", *NAMES.values(), "clips"), rows, title)
