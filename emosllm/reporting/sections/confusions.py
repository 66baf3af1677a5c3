"""The section on confusions: a row is the true class, a column the answer."""

from emosllm.reporting.blocks import Cell, Section, Share, Table
from emosllm.reporting.evaluations import ComparedEvaluations, Evaluation


def confusions(side: ComparedEvaluations) -> Section:
    """A row is what was spoken, a column what was answered."""
    text = "A row is what was spoken, a column what was answered: the share of the row, and clips."
    return Section("Confusions", tuple(_confusion(run, len(side.runs) > 1) for run in side.runs), (text,))


def _confusion(run: Evaluation, named: bool) -> Table:
    scores = run.report.scores
    shown = (*scores.labels, *(["no answer"] if scores.unanswered else []))
    rows: list[tuple[Cell, ...]] = []
    for place, (name, counts) in enumerate(zip(scores.labels, scores.confusion, strict=True)):
        total = sum(counts)
        if total:
            at = f"{run.number}/scores/confusion/{place}"
            cells = [
                Share(clips, clips / total, column == place, f"{at}/{column}")
                for column, clips in enumerate(counts[: len(shown)])
            ]
            rows.append((name, *cells, total))
    return Table(("", *shown, "all"), tuple(rows), run.name if named else "")
