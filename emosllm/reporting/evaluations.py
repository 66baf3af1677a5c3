"""Read evaluations from their folders, and compare each with the first.

Not supported: comparisons of every pair. Ten systems give nine comparisons; more of them would need a correction.
"""

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from emosllm.errors import UserError
from emosllm.evaluation.answers import Answers, paired, read_answers
from emosllm.evaluation.concordance import concordance_difference
from emosllm.evaluation.dimensions import UNNAMED, expected_value
from emosllm.evaluation.fairness import ConfusedWith, confused_with
from emosllm.evaluation.report import Report
from emosllm.evaluation.statistics.significance import Comparison, Difference, compare
from emosllm.reporting.blocks import Number, find
from emosllm.reporting.evaluation_folders import EvaluationFolder, find_evaluations, read_report
from emosllm.reporting.style import SERIES


@dataclass(frozen=True, slots=True)
class Evaluation:
    """One folder that `emosllm evaluate --out` wrote.

    Attributes:
        number: its position on the page, from 0.
        name: the system, and the folder if several evaluations are of one system.
        report: from `report.json`.
        answers: from `predictions.jsonl`, the clips with a class.
        rows: the lines of `predictions.jsonl`.
        experiment: if it belongs to one, its row there and the figure that systems are compared by.
    """

    number: int
    name: str
    report: Report
    answers: Answers
    rows: tuple[dict[str, Any], ...]
    experiment: EvaluationFolder | None = None

    def figure(self, path: str, interval: str | None = None, **how: Any) -> Number:
        """The number at a place of the report, with the interval at another place."""
        value, at = find(self.report, path), f"{self.number}/{path}"
        if interval is None:
            return Number(value, at=at, **how)
        return Number(value, find(self.report, interval), at, f"{self.number}/{interval}", **how)


@dataclass(frozen=True, slots=True)
class DimensionDifference:
    """One dimension of one corpus, read from two systems' probabilities.

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
class ComparedEvaluations:
    """Evaluations of the same clips.

    Attributes:
        runs: at least one.
        comparisons: each evaluation but the first, compared with the first.
        neutral: for the same pairs, the clips wrongly answered as neutral; empty if neutral is no class.
        readings: for the same pairs, every dimension that was estimated from both.
        notes: what is not shown, and why.
    """

    runs: tuple[Evaluation, ...]
    comparisons: tuple[Comparison, ...]
    neutral: tuple[tuple[ConfusedWith, ConfusedWith], ...]
    readings: tuple[DimensionDifference, ...] = ()
    notes: tuple[str, ...] = ()


def compare_evaluations(folders: Sequence[Path]) -> ComparedEvaluations:
    """Read evaluations, or the systems of experiments, and compare each with the first.

    Raises:
        UserError: no folder or too many, a folder without a complete report, or evaluations of other clips or classes.
    """
    places, notes = find_evaluations(folders, len(SERIES))
    if not 0 < len(places) <= len(SERIES):
        raise UserError(f"{len(places)} evaluations: 1 to {len(SERIES)} can be distinguished on one page")
    reports = [read_report(place.folder) for place in places]
    names = _names(places, reports)
    runs = []
    for number, (place, name, report) in enumerate(zip(places, names, reports, strict=True)):
        answers = read_answers(place.folder, name)
        lines = (place.folder / "predictions.jsonl").read_text("utf-8").splitlines()
        rows = tuple(json.loads(line) for line in lines)
        runs.append(Evaluation(number, name, report, answers, rows, place if place.row is not None else None))
    first, *others = runs
    how: dict[str, Any] = {"resamples": first.report.resamples, "seed": first.report.seed, "level": first.report.level}
    pairs = [compare(first.answers, other.answers, **how) for other in others]
    neutral = []
    if "neutral" in first.report.labels:
        neutral = [confused_with(first.answers, other.answers) for other in others]
    readings = tuple(each for other in others for each in _readings(first, other, how))
    return ComparedEvaluations(tuple(runs), tuple(pairs), tuple(neutral), readings, tuple(notes))


def _readings(first: Evaluation, second: Evaluation, how: Mapping[str, Any]) -> Iterator[DimensionDifference]:
    """The dimensions that both were read for, on the same clips, each by the means of its own report."""
    values = {row["id"]: row for row in first.rows}
    other = paired(first.answers, second.answers)
    for corpus, found in first.report.dimensions.items():
        places = [at for at, clip in enumerate(first.answers.ids) if (values[clip]["corpus"] or UNNAMED) == corpus]
        for dimension, reading in found.items():
            theirs = second.report.dimensions.get(corpus, {}).get(dimension)
            rated = [at for at in places if values[first.answers.ids[at]].get(dimension) is not None]
            if theirs is None or not rated:
                continue
            one, two = (
                [expected_value(answers.probabilities[at], by.means, by.overall) for at in rated]
                for answers, by in ((first.answers, reading), (other, theirs))
            )
            truth = [values[first.answers.ids[at]][dimension] for at in rated]
            speakers = [first.answers.speakers[at] for at in rated]
            with suppress(UserError):  # constant ratings have no coefficient in either report
                ccc = concordance_difference(truth, one, two, speakers, **how)
                yield DimensionDifference(first.name, second.name, corpus, dimension, ccc)


def without_answers(report: Report) -> Evaluation:
    """An evaluation for tables that need no answers."""
    nothing: tuple[tuple[()], ...] = ((),) * 7
    return Evaluation(0, report.model, report, Answers(report.model, report.labels, *nothing), ())


def _names(places: Sequence[EvaluationFolder], reports: Sequence[Report]) -> list[str]:
    """The systems' names, with the folder's name if a system occurs twice, or with its path if these are equal, too."""
    names = [report.model for report in reports]
    for shown in ([place.shown for place in places], [str(place.folder) for place in places]):
        seen = Counter(names)
        names = [
            f"{report.model} ({more})" if seen[name] > 1 else name
            for name, report, more in zip(names, reports, shown, strict=True)
        ]
    if len(set(names)) < len(names):
        twice = next(name for name, times in Counter(names).items() if times > 1)
        raise UserError(f"{twice} is given twice: give each evaluation once")
    return names
