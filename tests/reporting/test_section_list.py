"""One list of sections drives all formats: same order, same figures, and a file for each section."""

import io
import re

import planted
import pytest
from rich.console import Console

from emosllm.reporting.blocks import Number, Table
from emosllm.reporting.evaluations import compare_evaluations
from emosllm.reporting.formats.html_page import render_page
from emosllm.reporting.formats.latex import latex
from emosllm.reporting.formats.markdown_page import markdown_page, markdown_report
from emosllm.reporting.formats.terminal import print_report
from emosllm.reporting.section_list import SECTIONS, Format, build_sections


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    clips = planted.utterances()
    folder = tmp_path_factory.mktemp("runs") / "alone"
    return compare_evaluations([planted.write_run(folder, clips, planted.answers(clips, 0.7, 1), temperature=1.5)])


def printed(report):
    console = Console(width=100, file=io.StringIO())
    print_report(report, console)
    return console.file.getvalue()


def test_every_format_has_its_sections_in_the_order_of_the_list(alone):
    report = alone.evaluations[0].report
    titles = [section.title for section in build_sections(alone)]
    assert re.findall(r"^## (.*)$", markdown_page(alone), flags=re.MULTILINE) == titles
    assert re.findall(r"<h2>(.*)</h2>", render_page(alone).replace("&#39;", "'")) == titles
    in_report = re.findall(r"^## (.*)$", markdown_report(report), flags=re.MULTILINE)
    assert in_report == [title for title in titles if title != "Examples"]
    on_screen = [line.strip() for line in printed(report).splitlines() if line.strip() in titles]
    assert on_screen == [section.title for section in build_sections(alone, Format.TERMINAL)]
    assert on_screen == ["Figures", "Corpora", "Classes", "Confusions"]


def test_every_format_shows_the_same_figures(alone):
    (section,) = build_sections(alone, Format.LATEX)
    (table,) = section.blocks
    figures = [value for _, value in table.lines if isinstance(value, Number)]
    assert len(figures) == 5  # UA, WA, both F1s and the ECE
    report = alone.evaluations[0].report
    for text in (markdown_page(alone), markdown_report(report), printed(report)):
        assert all(figure.whole_text in text for figure in figures)
    assert all(figure.interval_text in render_page(alone) for figure in figures)
    assert all(figure.interval_text in latex(alone) for figure in figures[:3])


def test_lines_are_the_only_row_or_the_only_column():
    assert Table(("", "a", "b"), (("x", 1, 2),), as_lines=True).lines == (("a", 1), ("b", 2))
    assert Table(("", "x"), (("a", 1), ("b", 2)), as_lines=True).lines == (("a", 1), ("b", 2))


def test_a_section_has_the_name_of_its_file():
    for listed in SECTIONS:
        assert listed.build.__module__.rpartition(".")[2] == listed.build.__name__
