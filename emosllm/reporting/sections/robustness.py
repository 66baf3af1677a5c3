"""The section on robustness: UA on degraded recordings, as curves and as a table."""

from emosllm.reporting.blocks import Block, Cell, Number, Picture, Section, Table, p_text
from emosllm.reporting.evaluations import ComparedEvaluations, Evaluation
from emosllm.reporting.report_text import count


def robustness(compared: ComparedEvaluations) -> Section | None:
    """UA on degraded recordings, as curves and as a table."""
    swept = {
        evaluation.name: evaluation.report.robustness
        for evaluation in compared.evaluations
        if evaluation.report.robustness is not None
    }
    if not swept:
        return None
    shapes = {tuple((point.condition, point.severity) for point in each.points) for each in swept.values()}

    def draw() -> object:
        from emosllm.reporting.plots import draw_robustness

        return draw_robustness(swept, "")

    caption = "UA by condition and severity, with intervals by speaker; the dotted line is the clean recordings."
    drawable = len(shapes) == 1 and next(iter(shapes))
    blocks: list[Block] = [Picture(draw, caption, wide=True)] if drawable else []
    for evaluation in compared.evaluations:
        if evaluation.report.robustness is not None:
            blocks.append(_degraded(evaluation, evaluation.name if compared.several else ""))
    skipped = [
        f"{name}: {each} was not made, since {why}." for name, s in swept.items() for each, why in s.skipped.items()
    ]
    text = "UA on degraded versions of the same recordings, and its change against the clean ones, by speaker."
    return Section("Robustness", tuple(blocks), (text, *skipped))


def _degraded(evaluation: Evaluation, title: str) -> Table:
    found = evaluation.report.robustness
    assert found is not None
    clean = evaluation.figure("robustness/clean/ua", "robustness/clean/ua_interval", bar=True)
    rows: list[tuple[Cell, ...]] = [("clean", "", clean, Number(None), "–", found.clean.unanswered)]
    for place, point in enumerate(found.points):
        at = f"robustness/points/{place}"
        change = evaluation.figure(f"{at}/ua_change/difference", f"{at}/ua_change/interval", signed=True)
        p = point.ua_change.p if point.ua_change else None
        severity = "" if point.severity is None else f"{point.severity:g} {found.units[point.condition]}"
        figure = evaluation.figure(f"{at}/ua", f"{at}/ua_interval", bar=True)
        rows.append((point.condition, severity, figure, change, p_text(p), point.unanswered))
    note = f"Over {count(found.clean.n, 'clip')}; seed {found.seed}, {found.resamples} resamples."
    return Table(("condition", "severity", "UA", "change", "p", "no answer"), tuple(rows), title, note)
