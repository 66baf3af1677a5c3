"""The section on valence, arousal and dominance: their CCC from class probabilities, beside 0 and the ceiling."""

from collections.abc import Iterable, Sequence

from emosllm.evaluation.comparison import DimensionDifference
from emosllm.evaluation.dimensions import DIMENSIONS, METHOD
from emosllm.reporting.blocks import Block, Cell, Number, Section, Table, key_of, p_text
from emosllm.reporting.evaluations import ComparedEvaluations, Evaluation


def dimensions(compared: ComparedEvaluations) -> Section | None:
    """CCC by corpus and dimension for each system, and the classes' means; `None` if there is none."""
    evaluations = [each for each in compared.evaluations if each.report.dimensions]
    places = {
        (corpus, name) for each in evaluations for corpus, found in each.report.dimensions.items() for name in found
    }
    if not places:
        return None
    order = sorted(places, key=lambda place: (place[0], DIMENSIONS.index(place[1])))
    blocks: list[Block] = [
        _figures(compared, order),
        *(_means(evaluation, compared.several) for evaluation in evaluations),
    ]
    text = (
        f"{METHOD} CCC, the concordance correlation coefficient, is 1 where readings and raters' values are equal. "
        "A constant prediction of the training mean has a CCC of 0. The ceiling is the CCC of the true classes, since "
        "each class has one mean; a system trained on the dimensions may exceed it. A clip without an answer counts as "
        "the mean."
    )
    return Section("Valence, arousal, dominance", tuple(blocks), (text,))


def dimension_differences(found: Sequence[DimensionDifference]) -> Iterable[Table]:
    """Each system against the first, dimension by dimension."""
    several = len({each.corpus for each in found}) > 1
    rows: list[tuple[Cell, ...]] = []
    for each in found:
        change = Number(each.ccc.difference, each.ccc.interval, signed=True)
        name = f"{each.dimension}, {each.corpus}" if several else each.dimension
        rows.append((each.second, name, Number(each.ccc.first), Number(each.ccc.second), change, p_text(each.ccc.p)))
    if rows:
        head = ("", "dimension", "CCC, the first", "CCC, this one", "difference", "p, bootstrap")
        yield Table(head, tuple(rows), "CCC of valence, arousal, dominance")


def _figures(compared: ComparedEvaluations, order: Sequence[tuple[str, str]]) -> Table:
    several = len({corpus for corpus, _ in order}) > 1
    rows: list[tuple[Cell, ...]] = []
    for corpus, dimension in order:
        for evaluation in compared.evaluations:
            estimate = evaluation.report.dimensions.get(corpus, {}).get(dimension)
            if estimate is None:
                continue
            at = f"dimensions/{key_of(corpus)}/{dimension}"
            scores = f"{at}/scores"
            figures = (
                evaluation.figure(f"{scores}/ccc", f"{scores}/interval"),
                evaluation.figure(f"{at}/always_mean"),
                evaluation.figure(f"{at}/ceiling"),
                evaluation.figure(f"{scores}/pearson"),
                evaluation.figure(f"{scores}/mean_error", signed=True),
            )
            scale = "–" if estimate.scale is None else f"{estimate.scale[0]:g} to {estimate.scale[1]:g}"
            name = f"{dimension}, {corpus}" if several else dimension
            counts = (estimate.scores.n, estimate.unanswered, estimate.learned)
            rows.append((f"{name}, {evaluation.name}" if compared.several else name, *figures, scale, *counts))
    columns = ("CCC", "always the mean", "true classes", "Pearson", "mean error")
    return Table(("", *columns, "scale", "clips", "no answer", "means on"), tuple(rows))


def _means(evaluation: Evaluation, named: bool) -> Table:
    """The means of the classes; a class without training clips has a dash."""
    several = len(evaluation.report.dimensions) > 1
    rows: list[tuple[Cell, ...]] = []
    for corpus, found in evaluation.report.dimensions.items():
        for label in evaluation.report.labels:
            cells = [
                evaluation.figure(f"dimensions/{key_of(corpus)}/{name}/means/{label}", places=2)
                if name in found and label in found[name].means
                else Number(None)
                for name in DIMENSIONS
            ]
            rows.append((f"{label}, {corpus}" if several else label, *cells))
    title = "Mean of each class" + (f", {evaluation.name}" if named else "")
    return Table(("class", *DIMENSIONS), tuple(rows), title, "Measured on the training and validation part.")
