"""The section on classes: recall, precision and F1 of each class and system."""

from emosllm.reporting.blocks import Cell, Section, Table
from emosllm.reporting.evaluations import ComparedEvaluations


def classes(side: ComparedEvaluations) -> Section:
    """Recall, precision and F1 of each class and system."""
    tables = []
    for run in side.runs:
        rows: list[tuple[Cell, ...]] = [
            (
                entry.name,
                *(
                    run.figure(f"scores/per_class/{place}/{name}", bar=name == "recall")
                    for name in ("recall", "precision", "f1")
                ),
                entry.support,
            )
            for place, entry in enumerate(run.report.scores.per_class)
        ]
        title = run.name if len(side.runs) > 1 else ""
        tables.append(Table(("class", "recall", "precision", "F1", "clips"), tuple(rows), title))
    return Section("Classes", tuple(tables))
