"""The paper table: valid commands, figures that equal those of the files, and a page that is up to date."""

import json
import re
from pathlib import Path

import pytest
import torch
from pydantic import ValidationError

from bench.measure import operations
from emosllm.errors import UserError
from emosllm.models.build import build_model
from emosllm.recipe import load_recipe
from papers.commands import read_command
from papers.operations import ANSWER_TOKENS, ROW_TOKENS, llm_operations
from papers.our_figures import find_our_figure, with_interval
from papers.page import PAGE, blocks, fill
from papers.requirements import hours_text, requirements_of
from papers.rows import RESULTS, Corpus, Counterpart, Row, ShownStudy, read_corpora, read_papers, read_shown_studies

ROOT = Path(__file__).parents[2]
PAPERS = read_papers(ROOT)
ROWS = [row for paper in PAPERS.values() for row in paper.rows]
SHOWN = read_shown_studies(ROOT)
COMMANDS = sorted({text for row in ROWS for text in row.commands} | {study.command for study in SHOWN.values()})
COUNTERPARTS = [row.ours for row in ROWS if row.ours is not None]


def test_the_page_is_written_from_rows_and_results() -> None:
    page = (ROOT / PAGE).read_text(encoding="utf-8")
    assert fill(page, blocks(ROOT)) == page, "make results writes it anew"


@pytest.mark.parametrize("text", COMMANDS)
def test_each_command_is_one_that_the_command_line_takes(text: str) -> None:
    assert read_command(text).verb in text


@pytest.mark.parametrize(
    "text",
    [
        "emosllm evaluate no-such-recipe --protocol emospeech --data a.csv",
        "emosllm evaluate gemma-text --protocol no-such-protocol --data a.csv",
        "emosllm evaluate gemma-text --protocol emospeech --data a.csv lora.rang=8",
        "emosllm study no-such-study nano --data a.csv --out b",
        "emosllm no-such-verb nano",
        "python -m emosllm",
    ],
)
def test_a_command_that_would_be_refused_is_refused(text: str) -> None:
    with pytest.raises(UserError):
        read_command(text)


@pytest.mark.parametrize("where", COUNTERPARTS, ids=repr)
def test_each_counterpart_is_where_its_row_says(where: Counterpart) -> None:
    found = find_our_figure(ROOT, where)
    assert any(letter.isdigit() for letter in found.value)
    assert (ROOT / found.source).is_file()
    if where.test is not None:
        path, _, name = where.test.partition("::")
        assert f"def {name}(" in (ROOT / path).read_text(encoding="utf-8")


def test_a_figure_of_ours_is_its_files() -> None:
    where = Counterpart(file="study-strategy.json", row="inference.strategy=ser")
    held = json.loads((ROOT / RESULTS / "study-strategy.json").read_text(encoding="utf-8"))
    assert find_our_figure(ROOT, where).value == f"{with_interval(held['rows'][0])} UA, 331 clips of val"
    with pytest.raises(UserError, match="no figure of 'nothing'"):
        find_our_figure(ROOT, where.model_copy(update={"row": "nothing"}))
    with pytest.raises(UserError, match="is missing: run the study"):
        find_our_figure(ROOT, Counterpart(file="nowhere.json"))


@pytest.mark.parametrize("more", [{}, {"without": "why", "ours": {"file": "a.json"}}])
def test_a_row_has_a_counterpart_or_says_why_not(more: dict) -> None:
    with pytest.raises(ValidationError, match="ours, or without"):
        Row.model_validate({"where": "table 1", "what": "it", "figure": "1", **more})


def test_studies_are_of_the_package_and_their_files_are_whole() -> None:
    for name, study in SHOWN.items():
        held = json.loads((ROOT / RESULTS / study.file).read_text(encoding="utf-8"))
        assert held["rows"], name
        assert not any(row["failed"] for row in held["rows"]), name
        assert len(held["rows"]) == len(read_command(study.command).compared or [None]), name


@pytest.mark.parametrize("study", SHOWN.values(), ids=SHOWN)
def test_figures_in_what_a_study_shows_are_of_its_file(study: ShownStudy) -> None:
    rows = json.loads((ROOT / RESULTS / study.file).read_text(encoding="utf-8"))["rows"]
    held = {
        f"{run[name]:.3f}" for row in rows for run in row["runs"] for name in ("ua", "wa", "macro_f1", "weighted_f1")
    }
    said = re.findall(r"\b0\.\d{3}\b", study.shows + study.does_not)
    assert {*said} <= {*held, f"{1 / 7:.3f}"}  # and chance


@pytest.mark.parametrize("trained_parts", [{"mapper"}, {"mapper", "lora"}])
def test_the_llms_operations_are_what_pytorch_counts(trained_parts: set[str]) -> None:
    recipe = load_recipe("nano")
    system = build_model(recipe)
    for name, weight in system.llm.named_parameters():
        weight.requires_grad_("lora" in trained_parts and "lora_" in name)
    row = torch.randn(1, ROW_TOKENS + 16, 192, requires_grad=True)

    def step() -> None:
        system.llm(inputs_embeds=row, logits_to_keep=ANSWER_TOKENS, use_cache=False).logits.sum().backward()

    assert llm_operations(system, recipe, 16, trained_parts, prefix=0) == pytest.approx(operations(step), rel=0.1)


def test_needs_grow_with_the_data_and_the_folds() -> None:
    recipe, corpus = load_recipe("nano"), Corpus(title="", licence="", clips={"ser": 1000}, seconds=3, source="")
    once = requirements_of(recipe, corpus, 1)
    more = requirements_of(recipe, corpus.model_copy(update={"clips": {"ser": 3000}}), 1)
    assert more.hours == pytest.approx(3 * once.hours)
    assert requirements_of(recipe, corpus, 5).hours == pytest.approx(4 * once.hours)  # five times four fifths
    assert requirements_of(recipe, corpus, 1, trained=False).hours == 0
    assert (once.trained, once.weights) == (357444, 19871492)


@pytest.mark.parametrize(("hours", "text"), [(0.001, "1 min"), (0.5, "30 min"), (2.34, "2.3 h"), (123.4, "120 h")])
def test_hours_have_two_figures(hours: float, text: str) -> None:
    assert hours_text(hours) == text


def test_every_corpus_of_the_tables_is_known() -> None:
    corpora = read_corpora(ROOT)
    assert {paper.corpus for paper in PAPERS.values()} | {row.corpus for row in ROWS if row.corpus} <= corpora.keys()
