"""The command `report`: write evaluations as an HTML page, Markdown or a LaTeX table."""

import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from emosllm.errors import UserError


class PageFormat(StrEnum):
    """Formats of `emosllm report`."""

    html = "html"
    markdown = "markdown"
    latex = "latex"


_ENDINGS = {".html": PageFormat.html, ".htm": PageFormat.html, ".md": PageFormat.markdown, ".tex": PageFormat.latex}


def report(
    runs: Annotated[list[Path], typer.Argument(metavar="RUN...", help="Folders of `evaluate`, `sweep` or `study`.")],
    out: Annotated[Path | None, typer.Option(help="Write the report to this file; by default text is printed.")] = None,
    format: Annotated[
        PageFormat | None, typer.Option(help="Format of the report; by default chosen by the file's ending.")
    ] = None,
    audio: Annotated[bool, typer.Option("--audio", help="Include the audio of the examples in the page.")] = False,
    examples: Annotated[
        int, typer.Option(min=0, max=50, help="Number of examples: the most confident right and wrong answers.")
    ] = 4,
) -> None:
    """Write one page of evaluations: figures with intervals, tables, curves, examples, and settings.

    Example: `emosllm report reports/nano reports/mine --out report.html`

    Several evaluations of the same clips are compared with the first: McNemar's test and the paired bootstrap. The
    folder of a protocol, a sweep or a study gives its systems, over all folds. The page is one self-contained
    file. Markdown has the same content as text. LaTeX is a table with one row per system.
    """
    from emosllm.files import write_atomically
    from emosllm.reporting.evaluations import compare_evaluations

    chosen = format or (_ENDINGS.get(out.suffix.lower()) if out is not None else PageFormat.markdown)
    if chosen is None:
        raise UserError(f"cannot choose a format by the ending of {out}: give --format {', '.join(PageFormat)}")
    if chosen is PageFormat.html and out is None:
        raise UserError("a page is written to a file: give --out report.html")
    if audio and chosen is not PageFormat.html:
        raise UserError(f"--audio: {chosen.value} cannot contain audio; write a page with --out report.html")
    found = compare_evaluations(runs)
    if chosen is PageFormat.html:
        from emosllm.reporting.formats.html_page import render_page

        text = render_page(found, examples=examples, audio=audio)
    elif chosen is PageFormat.latex:
        from emosllm.reporting.formats.latex import latex

        text = latex(found)
    else:
        from emosllm.reporting.formats.markdown_page import markdown_page

        text = markdown_page(found, examples=examples)
    if out is None:
        print(text, end="")
    else:
        write_atomically(out, text)
        print(f"{out}: written", file=sys.stderr)
