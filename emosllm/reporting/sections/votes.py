"""The section on soft labels: predicted distributions against the votes of raters."""

from collections.abc import Sequence

from emosllm.reporting.blocks import Cell, Section, Table
from emosllm.reporting.evaluations import Evaluation


def votes(runs: Sequence[Evaluation]) -> Section | None:
    """Predicted distributions against raters' votes."""
    keys = ("jensen_shannon", "kl", "cross_entropy", "accuracy", "agreement")
    rows: tuple[tuple[Cell, ...], ...] = tuple(
        (run.name, *(run.figure(f"soft/{key}") for key in keys), run.report.soft.n, run.report.soft.ties)
        for run in runs
        if run.report.soft is not None
    )
    if not rows:
        return None
    head = ("", "Jensen-Shannon, bits", "KL, nats", "cross-entropy, nats", "accuracy", "agreement", "clips", "ties")
    note = (
        "Accuracy: the answer is one of the raters' most frequent. Agreement: the mean share of votes for the answer."
    )
    return Section("Raters' votes", (Table(head, rows, note=note),))
