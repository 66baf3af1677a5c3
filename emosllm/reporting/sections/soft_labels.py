"""The section on soft labels: predicted distributions against the votes of raters."""

from emosllm.reporting.blocks import Cell, Section, Table
from emosllm.reporting.evaluations import ComparedEvaluations


def soft_labels(compared: ComparedEvaluations) -> Section | None:
    """Predicted distributions against raters' votes."""
    keys = ("jensen_shannon", "kl", "cross_entropy", "accuracy", "agreement")
    rows: tuple[tuple[Cell, ...], ...] = tuple(
        (
            evaluation.name,
            *(evaluation.figure(f"soft/{key}") for key in keys),
            evaluation.report.soft.n,
            evaluation.report.soft.ties,
        )
        for evaluation in compared.evaluations
        if evaluation.report.soft is not None
    )
    if not rows:
        return None
    head = ("", "Jensen-Shannon, bits", "KL, nats", "cross-entropy, nats", "accuracy", "agreement", "clips", "ties")
    note = (
        "Accuracy: the answer is one of the raters' most frequent. Agreement: the mean share of votes for the answer."
    )
    return Section("Raters' votes", (Table(head, rows, note=note),))
