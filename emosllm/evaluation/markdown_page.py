"""The page of one or several evaluations as Markdown: the sections of the HTML page, in the same order."""

from emosllm.evaluation.comparing import SideBySide
from emosllm.evaluation.contents import page_sections, page_title
from emosllm.evaluation.markdown_blocks import escape, section_text


def markdown_page(side: SideBySide, examples: int = 4) -> str:
    """The whole text.

    Args:
        side: the evaluations.
        examples: how many right and wrong answers of each system.
    """
    sections = page_sections(side, examples)
    return "\n\n".join((f"# {escape(page_title(side))}", *map(section_text, sections))) + "\n"
