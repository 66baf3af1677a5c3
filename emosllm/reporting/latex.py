r"""Evaluations as rows of a LaTeX table in booktabs style, ready for `\input`.

The document needs only `\usepackage{booktabs}`. Its figures are those of `METRICS` that are marked `in_latex`.
"""

from emosllm.evaluation.metrics import METRICS
from emosllm.reporting.blocks import Number
from emosllm.reporting.evaluations import ComparedEvaluations

_FIGURES = {name: metric.title for name, metric in METRICS.items() if metric.in_latex}
_SPECIAL = {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    **{character: f"\\{character}" for character in "&%$#_{}"},
}


def latex(side: ComparedEvaluations) -> str:
    """A table with a row for each system: UA, WA, macro F1 with their intervals, and the clips."""
    head = " & ".join(("System", *_FIGURES.values(), "clips"))
    rows = []
    for run in side.runs:
        figures = [_figure(run.figure(f"scores/{name}", f"intervals/{name}")) for name in _FIGURES]
        rows.append(" & ".join((escape(run.name), *figures, str(run.report.scores.n))) + r" \\")
    notes = dict.fromkeys(f"% {' '.join(f'{run.name}: {run.report.interval_note}'.split())}" for run in side.runs)
    return "\n".join(
        (
            *notes,
            rf"\begin{{tabular}}{{l{'l' * len(_FIGURES)}r}}",
            r"\toprule",
            head + r" \\",
            r"\midrule",
            *rows,
            r"\bottomrule",
            r"\end{tabular}",
            "",
        )
    )


def escape(text: str) -> str:
    """Escape the special characters of LaTeX."""
    return "".join(_SPECIAL.get(character, character) for character in " ".join(text.split()))


def _figure(number: Number) -> str:
    r"""`0.523 {\footnotesize [0.481, 0.567]}`; without braces LaTeX may read `[` as the preceding command's option."""
    ends = number.interval_text.replace("−", "$-$")
    return number.text.replace("–", "--") + (rf" {{\footnotesize [{ends[1:-1]}]}}" if ends else "")
