"""The section on classes: recall, precision and F1 of each class and system."""

from emosllm.reporting.blocks import Cell, Section, Table
from emosllm.reporting.evaluations import ComparedEvaluations


def classes(compared: ComparedEvaluations) -> Section:
    """Recall, precision and F1 of each class and system."""
    tables = []
    for evaluation in compared.evaluations:
        rows: list[tuple[Cell, ...]] = [
            (
                entry.name,
                *(
                    evaluation.figure(f"scores/per_class/{place}/{name}", bar=name == "recall")
                    for name in ("recall", "precision", "f1")
                ),
                entry.support,
            )
            for place, entry in enumerate(evaluation.report.scores.per_class)
        ]
        title = evaluation.name if compared.several else ""
        tables.append(Table(("class", "recall", "precision", "F1", "clips"), tuple(rows), title))
    return Section("Classes", tuple(tables))
