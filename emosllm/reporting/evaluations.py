"""Read the evaluations of a page from their folders."""

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from emosllm.errors import UserError
from emosllm.evaluation.answers import Answers, read_answers
from emosllm.evaluation.comparison import Comparisons, EvaluatedSystem, compare_with_first
from emosllm.evaluation.report import Report
from emosllm.reporting.blocks import Number, find
from emosllm.reporting.evaluation_folders import EvaluationFolder, find_evaluations, read_report
from emosllm.reporting.style import SERIES


@dataclass(frozen=True, slots=True)
class Evaluation(EvaluatedSystem):
    """One folder that `emosllm evaluate --out` wrote.

    Attributes:
        number: its position on the page, from 0.
        experiment: if it belongs to one, its row there and the figure that systems are compared by.
    """

    number: int = 0
    experiment: EvaluationFolder | None = None

    def figure(self, path: str, interval: str | None = None, **how: Any) -> Number:
        """The number at a place of the report, with the interval at another place."""
        value, at = find(self.report, path), f"{self.number}/{path}"
        if interval is None:
            return Number(value, at=at, **how)
        return Number(value, find(self.report, interval), at, f"{self.number}/{interval}", **how)


@dataclass(frozen=True, slots=True)
class ComparedEvaluations:
    """Evaluations of the same clips.

    Attributes:
        evaluations: at least one; a name is the system, with the folder if several evaluations are of one system.
        comparisons: each evaluation but the first, compared with the first.
        notes: what is not shown, and why.
    """

    evaluations: tuple[Evaluation, ...]
    comparisons: Comparisons = field(default_factory=Comparisons)
    notes: tuple[str, ...] = ()

    @property
    def several(self) -> bool:
        """Whether there is more than one, so that tables name their system."""
        return len(self.evaluations) > 1


def compare_evaluations(folders: Sequence[Path]) -> ComparedEvaluations:
    """Read evaluations, or the systems of experiments, and compare each with the first.

    Raises:
        UserError: no folder or too many, a folder without a complete report, or evaluations of other clips or classes.
    """
    places, notes = find_evaluations(folders, len(SERIES))
    if not 0 < len(places) <= len(SERIES):
        raise UserError(f"{len(places)} evaluations: 1 to {len(SERIES)} can be distinguished on one page")
    reports = [read_report(place.folder) for place in places]
    evaluations = []
    for number, (place, name, report) in enumerate(zip(places, _names(places, reports), reports, strict=True)):
        answers = read_answers(place.folder, name)
        lines = (place.folder / "predictions.jsonl").read_text("utf-8").splitlines()
        rows = tuple(json.loads(line) for line in lines)
        experiment = place if place.row is not None else None
        evaluations.append(Evaluation(name, report, answers, rows, number, experiment))
    return ComparedEvaluations(tuple(evaluations), compare_with_first(evaluations), tuple(notes))


def without_answers(report: Report) -> ComparedEvaluations:
    """A report alone, for tables that need no answers."""
    nothing: tuple[tuple[()], ...] = ((),) * 7
    return ComparedEvaluations((Evaluation(report.model, report, Answers(report.model, report.labels, *nothing), ()),))


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
