"""The section on confusions: a row is the true class, a column the answer."""

from emosllm.reporting.blocks import Cell, Section, Share, Table
from emosllm.reporting.evaluations import ComparedEvaluations, Evaluation


def confusions(compared: ComparedEvaluations) -> Section:
    """The confusion matrix of each system."""
    text = "A row is what was spoken, a column what was answered. A percentage is the share of the row."
    return Section(
        "Confusions", tuple(_confusion(evaluation, compared.several) for evaluation in compared.evaluations), (text,)
    )


def _confusion(evaluation: Evaluation, named: bool) -> Table:
    scores = evaluation.report.scores
    shown = (*scores.labels, *(["no answer"] if scores.unanswered else []))
    rows: list[tuple[Cell, ...]] = []
    for place, (name, counts) in enumerate(zip(scores.labels, scores.confusion, strict=True)):
        total = sum(counts)
        if total:
            at = f"{evaluation.number}/scores/confusion/{place}"
            cells = [
                Share(clips, clips / total, column == place, f"{at}/{column}")
                for column, clips in enumerate(counts[: len(shown)])
            ]
            rows.append((name, *cells, total))
    return Table(("", *shown, "all"), tuple(rows), evaluation.name if named else "")
