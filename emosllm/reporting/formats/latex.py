r"""Evaluations as rows of a LaTeX table in booktabs style, ready for `\input`.

The document needs only `\usepackage{booktabs}`. Not supported: figures other than UA, WA and macro F1.
"""

from emosllm.reporting.blocks import Cell, Number, Table
from emosllm.reporting.evaluations import ComparedEvaluations
from emosllm.reporting.report_text import interval_note
from emosllm.reporting.section_list import LATEX_COLUMNS, Format, build_sections

_SPECIAL = {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    **{character: f"\\{character}" for character in "&%$#_{}"},
}


def latex(compared: ComparedEvaluations) -> str:
    """A table with a row for each system: UA, WA, macro F1 with their intervals, and the clips."""
    notes = dict.fromkeys(
        f"% {' '.join(f'{each.name}: {interval_note(each.report)}'.split())}" for each in compared.evaluations
    )
    sections = build_sections(compared, Format.LATEX)
    tables = [_tabular(block) for section in sections for block in section.blocks if isinstance(block, Table)]
    return "\n".join((*notes, *tables, ""))


def _tabular(table: Table) -> str:
    """The columns of a table that LaTeX shows; figures are aligned to the left, for their intervals."""
    shown = [0, *(column for column, head in enumerate(table.head) if head in LATEX_COLUMNS)]
    rows = [[row[column] for column in shown] for row in table.rows]
    columns = "".join("r" if isinstance(cell, int) else "l" for cell in rows[0])
    lines = (" & ".join(map(_cell, row)) + r" \\" for row in rows)
    head = " & ".join(escape(table.head[column]) for column in shown) + r" \\"
    begin = rf"\begin{{tabular}}{{{columns}}}"
    return "\n".join((begin, r"\toprule", head, r"\midrule", *lines, r"\bottomrule", r"\end{tabular}"))


def escape(text: str) -> str:
    """Escape the special characters of LaTeX."""
    return "".join(_SPECIAL.get(character, character) for character in " ".join(text.split()))


def _cell(cell: Cell) -> str:
    r"""`0.523 {\footnotesize [0.481, 0.567]}`; without braces LaTeX may read `[` as the preceding command's option."""
    if not isinstance(cell, Number):
        return escape(str(cell))
    ends = cell.interval_text.replace("−", "$-$")
    return cell.text.replace("–", "--") + (rf" {{\footnotesize [{ends[1:-1]}]}}" if ends else "")
