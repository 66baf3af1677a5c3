"""The sections of a page in their order, for HTML and Markdown; `report.md` uses those beyond the scores."""

from collections.abc import Callable, Sequence
from pathlib import Path

from emosllm.reporting.blocks import Section
from emosllm.reporting.evaluations import ComparedEvaluations, Evaluation
from emosllm.reporting.sections.abstention import abstention
from emosllm.reporting.sections.classes import classes
from emosllm.reporting.sections.confidence import confidence
from emosllm.reporting.sections.confusions import confusions
from emosllm.reporting.sections.corpora import corpora
from emosllm.reporting.sections.dimensions import dimensions
from emosllm.reporting.sections.examples import surest_examples
from emosllm.reporting.sections.folds_and_seeds import folds_and_seeds
from emosllm.reporting.sections.groups import groups
from emosllm.reporting.sections.headline import headline
from emosllm.reporting.sections.origin import origin
from emosllm.reporting.sections.robustness import robustness
from emosllm.reporting.sections.significance import significance
from emosllm.reporting.sections.unmeasured import unmeasured
from emosllm.reporting.sections.votes import votes

#: Sections beyond the scores, in their order; each returns `None` if no evaluation has its figures.
BEYOND_SCORES: tuple[Callable[[Sequence[Evaluation]], Section | None], ...] = (
    confidence,
    abstention,
    groups,
    votes,
    dimensions,
    robustness,
    unmeasured,
)


def sections_beyond_scores(runs: Sequence[Evaluation]) -> list[Section]:
    """The sections of `BEYOND_SCORES` that any of the evaluations has."""
    return [section for make in BEYOND_SCORES if (section := make(runs)) is not None]


def page_sections(side: ComparedEvaluations, examples: int = 4, audio: bool = False) -> list[Section]:
    """The sections.

    Args:
        side: the evaluations.
        examples: number of right and of wrong answers of each system.
        audio: whether examples contain their audio.
    """
    several = len(side.runs) > 1
    found = [headline(side), significance(side) if several else None, corpora(side), classes(side), confusions(side)]
    found += [folds_and_seeds(side.runs), *sections_beyond_scores(side.runs)]
    shown = [block for run in side.runs for block in surest_examples(run, examples, audio, several)] if examples else []
    if shown:
        text = (
            "The most confident right and wrong answers of each system, at most two of a true class. They are extremes "
            "and not typical answers."
        )
        found.append(Section("Examples", tuple(shown), (text,)))
    found.append(origin(side))
    return [section for section in found if section is not None]


def page_title(side: ComparedEvaluations) -> str:
    """The page's title: the system or systems, and the data."""
    report = side.runs[0].report
    what = report.model if len(side.runs) == 1 else f"{len(side.runs)} systems"
    # The whole path is in the last section.
    return f"{what} on {Path(report.data).name}" + (f" ({report.split})" if report.split else "")
