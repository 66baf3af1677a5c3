"""The plan of an experiment and the outcome of one variant, as plain records, so that results need no torch."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from emosllm.evaluation.report import Report
from emosllm.experiments.data.folds import Fold
from emosllm.experiments.grid import Variant


@dataclass(frozen=True)
class Plan:
    """The variants, folds and seeds of an experiment.

    Attributes:
        title: shown to people.
        variants: the systems.
        folds: the ways to divide the data.
        seeds: number of trainings of each, which differ by their seed.
        chooses: `never` keeps the last weights, `val` selects the best on the fold's validation part, `test` selects
            the best on the reported part itself.
        shared_speakers: whether a published split has the same speakers in two parts.
        notes: warnings for a reader of the figures.
        data: the user's name for the data.
    """

    title: str
    variants: Sequence[Variant]
    folds: Sequence[Fold]
    seeds: int = 1
    chooses: str = "never"
    shared_speakers: bool = False
    notes: tuple[str, ...] = ()
    data: str = ""


@dataclass(frozen=True)
class Outcome:
    """The results of one variant with one seed.

    Attributes:
        variant: which system.
        repetition: from 0.
        folds: name of the fold -> its report.
        pooled: the report over all folds, each clip tested once.
        failed: name of the fold -> why it has no figure; `pooled` is missing then, too.
        folder: of the reports.
    """

    variant: Variant
    repetition: int
    folds: dict[str, Report]
    pooled: Report | None
    failed: dict[str, str]
    folder: Path
