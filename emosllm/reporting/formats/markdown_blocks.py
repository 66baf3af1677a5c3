"""Sections as Markdown: tables with padding, so that the source is legible, and no plots."""

from collections.abc import Iterable, Sequence

from emosllm.reporting.blocks import Cell, Example, Examples, Listing, Number, Picture, Section, Share, Table


def section_text(section: Section, level: int = 2) -> str:
    """A section with its heading."""
    parts = ["#" * level + " " + escape(section.title)]
    parts += [escape(line) for line in section.text]
    for block in section.blocks:
        if not isinstance(block, Picture):
            parts.append(_block(block, level + 1))
    if section.notes:
        parts.append("\n".join(f"- {escape(line)}" for line in section.notes))
    return "\n\n".join(parts)


def table_text(head: Sequence[object], rows: Iterable[Sequence[object]]) -> str:
    """A table; the first column is aligned to the left, the others to the right."""
    cells = [[escape(str(cell)) for cell in row] for row in (head, *rows)]
    widths = [max(3, *(len(row[column]) for row in cells)) for column in range(len(head))]
    lines = [
        [row[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True))]
        for row in cells
    ]
    ruler = [":" + "-" * (widths[0] - 1), *("-" * (width - 1) + ":" for width in widths[1:])]
    return "\n".join("| " + " | ".join(row) + " |" for row in (lines[0], ruler, *lines[1:]))


def escape(text: str) -> str:
    """Escape text for a cell, since a bar or a line end in a name would break the table."""
    return " ".join(text.split()).replace("|", r"\|").replace("_", r"\_").replace("<", "&lt;")


def _block(block: Table | Examples | Listing, level: int) -> str:
    if isinstance(block, Listing):
        fence = "~~~"
        while fence in block.text:
            fence += "~"
        return f"{'#' * level} {escape(block.title)}\n\n{fence}yaml\n{block.text.rstrip()}\n{fence}"
    if isinstance(block, Examples):
        return f"{'#' * level} {escape(block.title)}\n\n" + "\n".join(map(_example, block.examples))
    parts = [f"{'#' * level} {escape(block.title)}"] if block.title else []
    if block.as_lines:
        parts.append("\n".join(_line(name, value) for name, value in block.lines))
    else:
        parts.append(table_text(block.head, [[_cell(cell) for cell in row] for row in block.rows]))
    return "\n\n".join([*parts, escape(block.note)] if block.note else parts)


def _line(name: str, value: Cell) -> str:
    # The notes of a section begin with hyphens: another bullet keeps both lists apart.
    if not isinstance(value, Number):
        return f"* {escape(f'{name}: {value}')}"
    text = escape(f"{name} {value.whole_text}")
    return f"* **{text}**" if value.main else f"* {text}"


def _cell(cell: Cell) -> str:
    if isinstance(cell, Number):
        return cell.whole_text
    if isinstance(cell, Share):
        text = f"{cell.share:.0%} ({cell.count})" if cell.count else "0"
        return f"**{text}**" if cell.right else text
    return str(cell)


def _example(example: Example) -> str:
    sure = ", ".join(f"{name} {probability:.2f}" for name, probability in example.probabilities)
    words = f": “{example.transcript}”" if example.transcript else ""
    said = f"; it said “{example.said}”" if example.said is not None else ""
    return "- " + escape(f"{example.id}{words}: spoken {example.reference}, answered {example.label} ({sure}){said}")
