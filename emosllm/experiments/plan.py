"""What an experiment computes, and what it leaves of one variant: plain records, so that results need no torch."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from emosllm.evaluation.report import Report
from emosllm.experiments.data.folds import Fold
from emosllm.experiments.grid import Variant


@dataclass(frozen=True)
class Plan:
    """What an experiment computes.

    Attributes:
        title: for people.
        variants: the systems.
        folds: the ways to divide the data.
        seeds: trainings of each, which differ by their seed.
        chooses: `never` keeps the last weights, `val` those that are best on the fold's validation part, `test` those
            that are best on the very part that is reported.
        shared_speakers: whether a published split has the same people on two sides.
        notes: what a reader of the figures must know.
        data: how the user calls the data.
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
    """One variant with one seed.

    Attributes:
        variant: which system.
        repetition: from 0.
        folds: name of the fold -> its report.
        pooled: over all folds, each clip tested once.
        failed: name of the fold -> why there is no figure; then there is no pooled one either.
        folder: of the reports.
    """

    variant: Variant
    repetition: int
    folds: dict[str, Report]
    pooled: Report | None
    failed: dict[str, str]
    folder: Path
