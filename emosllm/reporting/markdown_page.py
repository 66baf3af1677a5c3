"""The page of one or several evaluations as Markdown: the sections of the HTML page, in the same order."""

from emosllm.reporting.evaluations import ComparedEvaluations
from emosllm.reporting.markdown_blocks import escape, section_text
from emosllm.reporting.section_list import page_sections, page_title


def markdown_page(side: ComparedEvaluations, examples: int = 4) -> str:
    """The whole text.

    Args:
        side: the evaluations.
        examples: number of right and of wrong answers of each system.
    """
    sections = page_sections(side, examples)
    return "\n\n".join((f"# {escape(page_title(side))}", *map(section_text, sections))) + "\n"
