"""Compare evaluations of the same clips, each with the first.

Not supported: comparisons of every pair. Ten systems give nine comparisons. More of them would need a correction.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from emosllm.errors import UserError
from emosllm.evaluation.answers import Answers, paired
from emosllm.evaluation.concordance import concordance_difference
from emosllm.evaluation.dimensions import UNNAMED, expected_value
from emosllm.evaluation.fairness import ConfusedWith, confused_with
from emosllm.evaluation.report import Report
from emosllm.evaluation.statistics.significance import Comparison, Difference, compare


@dataclass(frozen=True, slots=True)
class EvaluatedSystem:
    """What a comparison needs of one evaluation.

    Attributes:
        name: of the system, distinct from the others.
        report: from `report.json`.
        answers: from `predictions.jsonl`, the clips with a class.
        rows: the lines of `predictions.jsonl`.
    """

    name: str
    report: Report
    answers: Answers
    rows: tuple[dict[str, Any], ...]


@dataclass(frozen=True, slots=True)
class DimensionDifference:
    """The difference of two systems in one dimension of one corpus.

    Attributes:
        first: name of the first system.
        second: name of the second system.
        corpus: with its raters and its scale.
        dimension: `valence`, `arousal` or `dominance`.
        ccc: of both systems, and the difference.
    """

    first: str
    second: str
    corpus: str
    dimension: str
    ccc: Difference


@dataclass(frozen=True, slots=True)
class Comparisons:
    """Every system but the first, compared with the first.

    Attributes:
        scores: the comparison of the scores of each pair.
        neutral: for the same pairs, the clips wrongly answered as neutral; empty if neutral is no class.
        dimensions: for the same pairs, every dimension that was estimated from both.
    """

    scores: tuple[Comparison, ...] = ()
    neutral: tuple[tuple[ConfusedWith, ConfusedWith], ...] = ()
    dimensions: tuple[DimensionDifference, ...] = ()


def compare_with_first(systems: Sequence[EvaluatedSystem]) -> Comparisons:
    """Compare each system with the first, by the resampling of the first report.

    Raises:
        UserError: evaluations of other clips or classes.
    """
    first, *others = systems
    how: dict[str, Any] = {"resamples": first.report.resamples, "seed": first.report.seed, "level": first.report.level}
    with_neutral = others if "neutral" in first.report.labels else []
    return Comparisons(
        tuple(compare(first.answers, other.answers, **how) for other in others),
        tuple(confused_with(first.answers, other.answers) for other in with_neutral),
        tuple(each for other in others for each in _dimension_differences(first, other, how)),
    )


def _dimension_differences(
    first: EvaluatedSystem, second: EvaluatedSystem, how: Mapping[str, Any]
) -> Iterator[DimensionDifference]:
    """The dimensions that both reports have, on the same clips, each by the means of its own report."""
    rows = {row["id"]: row for row in first.rows}
    other = paired(first.answers, second.answers)
    for corpus, found in first.report.dimensions.items():
        places = [at for at, clip in enumerate(first.answers.ids) if (rows[clip]["corpus"] or UNNAMED) == corpus]
        for dimension, estimate in found.items():
            theirs = second.report.dimensions.get(corpus, {}).get(dimension)
            rated = [at for at in places if rows[first.answers.ids[at]].get(dimension) is not None]
            if theirs is None or not rated:
                continue
            one, two = (
                [expected_value(answers.probabilities[at], by.means, by.overall) for at in rated]
                for answers, by in ((first.answers, estimate), (other, theirs))
            )
            truth = [rows[first.answers.ids[at]][dimension] for at in rated]
            speakers = [first.answers.speakers[at] for at in rated]
            with suppress(UserError):  # constant ratings have no coefficient in either report
                ccc = concordance_difference(truth, one, two, speakers, **how)
                yield DimensionDifference(first.name, second.name, corpus, dimension, ccc)
