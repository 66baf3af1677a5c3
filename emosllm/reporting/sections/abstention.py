"""The section on abstention: risk and coverage, and the scores at a threshold."""

from collections.abc import Sequence

from emosllm.evaluation.abstention import risk_coverage
from emosllm.reporting.blocks import Block, Cell, Number, Picture, Section, Table
from emosllm.reporting.evaluations import ComparedEvaluations, Evaluation


def abstention(compared: ComparedEvaluations) -> Section | None:
    """Risk and coverage, and the scores at a threshold."""
    with_confidence = [each for each in compared.evaluations if each.report.confidence is not None]
    if not with_confidence:
        return None
    rows: tuple[tuple[Cell, ...], ...] = tuple(
        (evaluation.name, *(evaluation.figure(f"confidence/{key}") for key in ("aurc", "aurc_best", "aurc_random")))
        for evaluation in with_confidence
    )
    blocks: list[Block] = [_curves(with_confidence), Table(("", "AURC", "best possible", "at random"), rows)]
    kept = []
    for evaluation in compared.evaluations:
        found = evaluation.report.selective
        if found is None:
            continue
        scores: list[Number] = [Number(None)] * 2
        if found.scores is not None:
            scores = [evaluation.figure(f"selective/scores/{name}") for name in ("ua", "wa")]
        classes = 0 if found.scores is None else len(found.scores.per_class)
        cells: tuple[Cell, ...] = (evaluation.figure("selective/threshold", places=2), found.covered, found.n)
        kept.append((evaluation.name, *cells, Number(found.coverage), *scores, classes))
    if kept:
        head = ("", "least confidence", "answered", "of", "coverage", "UA of those", "WA of those", "classes left")
        note = "UA and WA are over what is answered; every other figure of this page is over all clips."
        blocks.append(Table(head, tuple(kept), "Abstention below a confidence", note))
    text = "The share of wrong answers if only the most confident ones are given. AURC is the area under that curve."
    return Section("Abstention", tuple(blocks), (text,))


def _curves(evaluations: Sequence[Evaluation]) -> Picture:
    def draw() -> object:
        from emosllm.reporting.plots import draw_risk_coverage

        answers = {evaluation.name: evaluation.answers for evaluation in evaluations}
        curves = {name: risk_coverage(a.reference, a.predicted, a.confidences) for name, a in answers.items()}
        return draw_risk_coverage(curves, "")

    return Picture(draw, "Risk and coverage: the share of wrong answers among the most confident ones.")
