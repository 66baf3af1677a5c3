"""The page as Markdown and LaTeX: the same figures, and names are escaped."""

import re
from itertools import starmap

import planted
import pytest
from pylatexenc.latex2text import LatexNodes2Text, MacroTextSpec, get_default_latex_context_db
from pylatexenc.latexwalker import (
    LatexEnvironmentNode,
    LatexMacroNode,
    LatexSpecialsNode,
    LatexWalker,
    LatexWalkerParseError,
)

from emosllm.reporting.evaluations import compare_evaluations
from emosllm.reporting.formats.latex import escape, latex
from emosllm.reporting.formats.markdown_page import markdown_page


@pytest.fixture(scope="module")
def compared(tmp_path_factory):
    root = tmp_path_factory.mktemp("runs")
    clips = planted.utterances()
    weak = planted.write_run(root / "weak", clips, planted.answers(clips, 0.5, 1), planted.NASTY, temperature=2.0)
    strong = planted.write_run(root / "strong", clips, planted.answers(clips, 0.8, 2), abstain_below=0.99)
    return compare_evaluations([weak, strong])


def test_markdown_tables_are_whole(compared):
    text = markdown_page(compared)
    text = text[: text.index("### The resolved recipe")]
    tables = re.findall(r"(?:^\|.*\n)+", text, flags=re.MULTILINE)
    assert len(tables) > 10
    for table in tables:
        assert len({len(re.findall(r"(?<!\\)\|", line)) for line in table.splitlines()}) == 1
    assert "<i>" not in text


def test_markdown_holds_the_figures(compared):
    text = markdown_page(compared)
    for evaluation in compared.evaluations:
        interval = evaluation.report.intervals["ua"]
        assert f"{evaluation.report.scores.ua:.3f} [{interval.low:.3f}, {interval.high:.3f}]" in text
        assert f"{evaluation.report.confidence.calibration.ece:.3f}" in text
        assert evaluation.report.provenance.data in text
    for title in ("Differences", "Confusions", "Calibration", "Abstention", "Groups", "Examples", "Raters' votes"):
        assert f"## {title}\n" in text
    assert "UA gap " in text
    assert "Answering only with a confidence of 0.99 or more: 0 of 240 clips, so no figures." in text


def test_latex_has_a_row_for_each_system(compared):
    text = latex(compared)
    rows = [line for line in text.splitlines() if line.endswith(r"\\")][1:]
    assert len(rows) == 2
    for evaluation, row in zip(compared.evaluations, rows, strict=True):
        cells = re.split(r"(?<!\\)&", row.removesuffix(r"\\"))
        assert len(cells) == 5
        assert cells[0].strip() == escape(evaluation.name)
        for cell, name in zip(cells[1:], ("ua", "wa", "macro_f1"), strict=False):
            interval = evaluation.report.intervals[name]
            shown = [float(number) for number in re.findall(r"\d\.\d{3}", cell)]
            assert shown == [
                round(x, 3) for x in (getattr(evaluation.report.scores, name), interval.low, interval.high)
            ]
        assert int(cells[4]) == 240


def test_latex_escapes_what_it_must():
    assert escape("a_b%&#$") == r"a\_b\%\&\#\$"
    assert escape("\\~^{}") == r"\textbackslash{}\textasciitilde{}\textasciicircum{}\{\}"


#: Commands of LaTeX that the parser's own list prints otherwise, or not at all.
TEXT = {"textasciicircum": "^", "textless": "<", "textgreater": ">", "textbar": "|"}


def cells_of(source):
    """The printed cells of a LaTeX table, by a small parser."""
    nodes, _, _ = LatexWalker(source, tolerant_parsing=False).get_latex_nodes()
    (table,) = (node for node in nodes if node.isNodeType(LatexEnvironmentNode))
    assert table.environmentname == "tabular"
    rows, known = [[[]]], get_default_latex_context_db()
    known.add_context_category("escaped", macros=list(starmap(MacroTextSpec, TEXT.items())), prepend=True)
    printed = LatexNodes2Text(latex_context=known)
    for node in table.nodelist:
        if node.isNodeType(LatexMacroNode) and node.macroname == "\\":
            rows.append([[]])
        elif node.isNodeType(LatexSpecialsNode) and node.specials_chars == "&":
            rows[-1].append([])
        elif not (node.isNodeType(LatexMacroNode) and node.macroname.endswith("rule")):
            rows[-1][-1].append(node)
    columns = re.search(r"\\begin\{tabular\}\{(\w+)\}", source)[1]
    shown = [[printed.nodelist_to_text(cell).strip() for cell in row] for row in rows]
    assert {len(row) for row in shown if any(row)} == {len(columns)}
    return [row for row in shown if any(row)]


def test_latex_is_parsed_to_the_expected_cells(compared):
    head, *rows = cells_of(latex(compared))
    assert head == ["System", "UA", "WA", "macro F1", "clips"]
    for evaluation, row in zip(compared.evaluations, rows, strict=True):
        assert row[0] == evaluation.name  # every character, including those with a meaning in LaTeX
        interval = evaluation.report.intervals["ua"]
        assert row[1] == f"{evaluation.report.scores.ua:.3f} [{interval.low:.3f}, {interval.high:.3f}]"
        assert row[4] == "240"


@pytest.mark.parametrize("broken", ["a_{b", "a} b", r"\begin{x} a"])
def test_the_parser_refuses_what_latex_would(compared, broken):
    with pytest.raises(LatexWalkerParseError):
        cells_of(latex(compared).replace("system", broken))
