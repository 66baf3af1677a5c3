"""All sections of a page, in order: what was found, how sure it is, for whom, on which recordings, and how."""

from pathlib import Path

from emosllm.reporting.blocks import Section
from emosllm.reporting.evaluations import SideBySide
from emosllm.reporting.sections.examples import examples_of
from emosllm.reporting.sections.folds_and_seeds import folds_and_seeds
from emosllm.reporting.sections.more import more_sections
from emosllm.reporting.sections.origin import origin
from emosllm.reporting.sections.scores import classes, confusions, corpora, headline, significance


def page_sections(side: SideBySide, examples: int = 4, audio: bool = False) -> list[Section]:
    """The sections.

    Args:
        side: the evaluations.
        examples: how many right and wrong answers of each system.
        audio: whether examples bring their sound.
    """
    several = len(side.runs) > 1
    found = [headline(side), significance(side) if several else None, corpora(side), classes(side), confusions(side)]
    found += [folds_and_seeds(side.runs), *more_sections(side.runs)]
    shown = [block for run in side.runs for block in examples_of(run, examples, audio, several)] if examples else []
    if shown:
        text = "The extremes, not the typical: what a system was surest of, at most two of a spoken class."
        found.append(Section("Examples", tuple(shown), (text,)))
    found.append(origin(side))
    return [section for section in found if section is not None]


def page_title(side: SideBySide) -> str:
    """What was measured on what."""
    report = side.runs[0].report
    what = report.model if len(side.runs) == 1 else f"{len(side.runs)} systems"
    # The whole path is among the facts at the end.
    return f"{what} on {Path(report.data).name}" + (f" ({report.split})" if report.split else "")
