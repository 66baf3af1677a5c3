"""Evaluations as Markdown: the page of one or several evaluations, and the `report.md` of one."""

from emosllm.evaluation.report import Report
from emosllm.reporting.evaluations import ComparedEvaluations, without_answers
from emosllm.reporting.formats.markdown_blocks import escape, section_text
from emosllm.reporting.report_text import report_subject
from emosllm.reporting.section_list import build_sections, page_title


def markdown_page(compared: ComparedEvaluations, examples: int = 4) -> str:
    """The whole text.

    Args:
        compared: the evaluations.
        examples: number of right and of wrong answers of each system.
    """
    return _text(page_title(compared), compared, examples)


def markdown_report(report: Report) -> str:
    """The text of `report.md`, which has no examples."""
    return _text(report_subject(report), without_answers(report), 0)


def _text(title: str, compared: ComparedEvaluations, examples: int) -> str:
    sections = build_sections(compared, most_examples=examples)
    return "\n\n".join((f"# {escape(title)}", *map(section_text, sections))) + "\n"
