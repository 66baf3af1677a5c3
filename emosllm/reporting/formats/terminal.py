"""A report on the terminal: rich tables that fit 100 columns with nine classes.

Class names are cut to three letters (`ang`, `neu`) over the cells of a confusion matrix. No information is in colour
alone: it is also bold, a number or a bar, since terminals and colour vision differ. Not supported: plots and examples.
"""

from collections.abc import Sequence

from rich import box
from rich import table as rich_table
from rich.console import Console
from rich.padding import Padding
from rich.text import Text

from emosllm.evaluation.report import Report
from emosllm.reporting.blocks import Cell, Number, Share, Table
from emosllm.reporting.evaluations import without_answers
from emosllm.reporting.report_text import report_subject
from emosllm.reporting.screen import bar, short_names, shorten
from emosllm.reporting.section_list import Format, build_sections

_NAME = 30  # cells of the name of a row


def print_report(report: Report, console: Console) -> None:
    """Print the sections for the terminal, and after them their notes, which are then the last lines on the screen."""
    sections = build_sections(without_answers(report), Format.TERMINAL)
    console.print(Text(report_subject(report), style="bold"))
    for section in sections:
        console.print()
        console.print(Text(section.title, style="bold"))
        for line in section.text:
            console.print(Text(line, style="dim"))
        for block in section.blocks:
            if isinstance(block, Table):
                console.print(_lines(block) if block.as_lines else _grid(block))
    for section in sections:
        for note in section.notes:
            console.print(Text(note, style="dim"))


def _lines(table: Table) -> Padding:
    """A name and its value in each line."""
    lines = rich_table.Table(box=None, padding=(0, 2, 0, 0), show_header=False)
    for name, value in table.lines:
        style = "bold" if isinstance(value, Number) and value.main else ""
        lines.add_row(Text(shorten(name, _NAME), style=style), _cell(value, style))
    return Padding(lines, (1, 0))


def _grid(table: Table) -> rich_table.Table:
    grid = rich_table.Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
    first, *others = _heads(table)
    grid.add_column(first, no_wrap=True)
    for head in others:
        grid.add_column(head, justify="right", no_wrap=True)
    for name, *cells in table.rows:
        grid.add_row(Text(shorten(str(name), _NAME)), *map(_cell, cells))
    return grid


def _heads(table: Table) -> Sequence[str]:
    """The titles of the columns; those of classes in a confusion matrix are short, since nine must fit."""
    labels = [head for head, cell in zip(table.head, table.rows[0], strict=True) if _is_class(head, cell)]
    short = dict(zip(labels, short_names(labels), strict=True))
    return [short.get(head, head) for head in table.head]


def _is_class(head: str, cell: Cell) -> bool:
    return isinstance(cell, Share) and " " not in head


def _cell(cell: Cell, style: str = "") -> Text:
    if isinstance(cell, Share):
        return Text(str(cell.count or "·"), style="bold" if cell.right else "" if cell.count else "dim")
    if not isinstance(cell, Number):
        return Text(str(cell))
    text = Text(cell.whole_text, style=style)
    if cell.bar and cell.interval is None and cell.value is not None:
        text.append(f"  {bar(cell.value)}", style="cyan")
    return text
