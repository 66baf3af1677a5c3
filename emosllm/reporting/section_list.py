"""The sections of a report in their order, one list for all formats."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import Flag, auto
from pathlib import Path

from emosllm.evaluation.metrics import METRICS
from emosllm.reporting.blocks import Section
from emosllm.reporting.evaluations import ComparedEvaluations
from emosllm.reporting.sections.abstention import abstention
from emosllm.reporting.sections.calibration import calibration
from emosllm.reporting.sections.dimensions import dimensions
from emosllm.reporting.sections.examples import examples
from emosllm.reporting.sections.fairness import fairness
from emosllm.reporting.sections.not_measured import not_measured
from emosllm.reporting.sections.provenance import provenance
from emosllm.reporting.sections.robustness import robustness
from emosllm.reporting.sections.scores.classes import classes
from emosllm.reporting.sections.scores.confusions import confusions
from emosllm.reporting.sections.scores.corpora import corpora
from emosllm.reporting.sections.scores.differences import differences
from emosllm.reporting.sections.scores.figures import figures
from emosllm.reporting.sections.scores.folds_and_seeds import folds_and_seeds
from emosllm.reporting.sections.soft_labels import soft_labels


class Format(Flag):
    """The formats that show a section."""

    PAGE = auto()  #: HTML, Markdown and `report.md`
    TERMINAL = auto()
    LATEX = auto()


@dataclass(frozen=True, slots=True)
class ListedSection:
    """An entry of `SECTIONS`.

    Attributes:
        build: builds the section from the evaluations; `None` if no evaluation has its figures.
        formats: the formats that show it.
        has_examples: whether `build` takes the number of examples and whether they contain audio.
    """

    build: Callable[..., Section | None]
    formats: Format = Format.PAGE
    has_examples: bool = False


#: The sections, in their order in every format.
SECTIONS = (
    ListedSection(figures, Format.PAGE | Format.TERMINAL | Format.LATEX),
    ListedSection(differences),
    ListedSection(corpora, Format.PAGE | Format.TERMINAL),
    ListedSection(classes, Format.PAGE | Format.TERMINAL),
    ListedSection(confusions, Format.PAGE | Format.TERMINAL),
    ListedSection(folds_and_seeds),
    ListedSection(calibration),
    ListedSection(abstention),
    ListedSection(fairness),
    ListedSection(soft_labels),
    ListedSection(dimensions),
    ListedSection(robustness),
    ListedSection(not_measured),
    ListedSection(examples, has_examples=True),
    ListedSection(provenance),
)

#: The columns of a section's table that LaTeX shows, beside the system: a page in two columns has no width for more.
LATEX_COLUMNS = (*(metric.title for metric in METRICS.values() if metric.in_latex), "clips")


def build_sections(
    compared: ComparedEvaluations, format: Format = Format.PAGE, *, most_examples: int = 4, audio: bool = False
) -> list[Section]:
    """The sections that a format shows and that any of the evaluations has.

    Args:
        compared: the evaluations.
        format: the format.
        most_examples: number of right and of wrong answers of each system.
        audio: whether examples contain their audio.
    """
    built = [
        listed.build(compared, most_examples, audio) if listed.has_examples else listed.build(compared)
        for listed in SECTIONS
        if format in listed.formats
    ]
    return [section for section in built if section is not None]


def page_title(compared: ComparedEvaluations) -> str:
    """The page's title: the system or systems, and the data."""
    report = compared.evaluations[0].report
    what = f"{len(compared.evaluations)} systems" if compared.several else report.model
    # The whole path is in the last section.
    return f"{what} on {Path(report.data).name}" + (f" ({report.split})" if report.split else "")
