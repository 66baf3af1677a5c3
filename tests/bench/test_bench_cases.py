"""Every benchmark case at its smallest size: both implementations agree, and the saved operations are counted."""

import math
import re
from collections import Counter
from functools import partial
from pathlib import Path

import pytest
import torch
import typer
from typer.testing import CliRunner

from bench.__main__ import main
from bench.cases import CASES, training
from bench.cases.recognition import parsed
from bench.curves import AXES, order
from bench.measure import Round, alternate, operations
from bench.pages import PAGE, draw, fill, write_pages
from bench.results import share_of_limit, table, throughput
from bench.sizes import SCALES, Setting
from bench.systems import speech_system, tokenizer
from emosllm.models.backbones import load_config
from emosllm.models.description import describe
from emosllm.models.kernels import packed_linear
from emosllm.recipe import load_recipe

ROOT = Path(__file__).parents[2]
SMALL = Setting("small", threads=1)
STARTED = {"import", "help"}  # processes that import every library: slow, and without a model


@pytest.mark.parametrize("name", sorted(set(CASES) - STARTED - {"cues-librosa"}))
def test_both_ways_agree(name: str) -> None:
    pair = CASES[name].prepare(SMALL)
    compared = pair.compare(pair.plain(), pair.ours())  # raises an AssertionError if the results differ
    assert all(math.isfinite(value) for value in compared.values())


@pytest.mark.parametrize("name", ["phase-1", "phases-2-3"])
def test_a_step_that_differs_is_noticed(name: str) -> None:
    pair = CASES[name].prepare(SMALL)
    plain, ours = pair.plain(), pair.ours()
    with pytest.raises(AssertionError, match="gradients differ"):
        pair.compare(plain, training.TrainingStep(ours.loss, ours.gradient * 1.01))
    with pytest.raises(AssertionError, match="losses differ"):
        pair.compare(plain, training.TrainingStep(ours.loss * 1.001, ours.gradient))


def test_prompts_are_as_long_as_the_published_ones() -> None:
    facts = [CASES[name].prepare(Setting("small", batch=8)).facts for name in ("phase-1", "phases-2-3")]
    assert all(abs(found["prefix_tokens"] - 320) <= 16 for found in facts)
    assert abs(sum(found["other_tokens"] for found in facts) / 2 - 104) <= 8
    assert all(found["audio_vectors"] == 32 for found in facts)


@pytest.mark.parametrize(
    ("name", "most"), [("phase-1", 0.25), ("phases-2-3", 0.45), ("text-only", 0.5), ("one-clip", 0.45), ("batch", 0.45)]
)
def test_operations_are_saved(name: str, most: float) -> None:
    pair = CASES[name].prepare(Setting("small", threads=1, batch=8))
    pair.ours()
    assert operations(pair.ours) <= most * operations(pair.plain)


@pytest.mark.parametrize("name", ["phase-1", "phases-2-3", "one-clip", "transcript-emotion"])
def test_tokens_are_read_once_and_logits_are_made_of_answers_only(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A frozen LLM reads the prefix once a run; a trained LLM reads it once a batch."""
    read: list[int] = []
    asked: list[int] = []
    made = {"phase-1": "asr", "phases-2-3": "joint"}

    def watch(model: torch.nn.Module, *rest: object, **more: object) -> tuple[torch.nn.Module, object]:
        model, processor = speech_system(model, *rest, **more)
        layer = model.llm.get_decoder().layers[0]
        layer.register_forward_hook(lambda _, inputs, __: read.append(inputs[0].shape[0] * inputs[0].shape[1]))
        model.llm.get_output_embeddings().register_forward_hook(
            lambda _, inputs, __: asked.append(inputs[0].shape[:-1].numel())
        )
        return model, processor

    module = "training" if name in made else "recognition"
    monkeypatch.setattr(f"bench.cases.{module}.speech_system", watch)
    pair = CASES[name].prepare(SMALL)
    prefix = pair.facts["prefix_tokens"]
    for _ in range(2):
        pair.ours()
    assert Counter(read)[prefix] == (2 if name == "phases-2-3" else 1)
    assert max(read) < prefix * pair.samples or pair.samples == 1
    # Scoring labels reads only their rows of the output layer; generated tokens need the whole layer once each.
    assert set(asked) == {"one-clip": set(), "transcript-emotion": {1}}.get(name, {pair.facts.get("answer_tokens")})


def test_rounds_alternate_and_what_is_compared_is_kept() -> None:
    pair = CASES["phase-1"].prepare(SMALL)
    timing = alternate(pair, 3, torch.float32, "cpu")
    assert len(timing.plain) == len(timing.ours) == 15  # short runs are repeated
    assert len(timing.rounds) == 3
    assert all(one.rate > 0 and one.reading is None for one in timing.rounds)
    assert timing.ratio > 0
    assert timing.compared["loss"] > 0


def test_ours_is_set_against_the_machine_as_each_round_met_it() -> None:
    fast, slow = Round(1.0, 100.0, 20.0), Round(4.0, 20.0, 10.0)
    found = share_of_limit([fast, slow, slow], 60.0, 16.0)
    assert found["of_the_limit"] == pytest.approx(0.75)  # 3 of 4 seconds, where the first round had 0.6 of 1
    assert found["of_the_roof"] == pytest.approx(0.75)  # the weights take 1.6 of these 4, and 0.8 of the first's 1
    assert share_of_limit([fast], 60.0, 16.0)["of_the_roof"] == pytest.approx(0.8)
    assert "of_the_roof" not in share_of_limit([Round(1.0, 100.0, None)], 60.0, None)


def test_generated_answers_are_parsed() -> None:
    _, processor = speech_system(SMALL, 1)
    assert parsed(processor, ["| Emotion: A |", "| ASR: a word | Emotion: S |"]) == ["angry", "sad"]


def test_letters_are_single_tokens() -> None:
    assert all(len(tokenizer()(f" {letter}")["input_ids"]) == 1 for letter in "ASHUFDCNO")


def test_a_table_has_a_row_a_result() -> None:
    result = {"what": "a step", "crowded": True, "plain": {"seconds": [2.0, 4.0]}, "ours": {"seconds": [1.0]}}
    lines = table([result | {"times_as_fast": 3.0, "settings": {"layers": 8, "batch": 1}}]).splitlines()
    assert lines[2] == "| a step: 8 layers, 1 clip (under load) | 3 s | 1 s | 3.00 |  |  |  |  |  |"


def test_growth_is_measured_against_what_is_expected() -> None:
    assert order((1, 2, 4), [3.0, 6.0, 12.0]) == pytest.approx(1)
    batch = next(axis for axis in AXES if axis.name == "clips of a training batch")
    costs = []
    for value in batch.values:
        pair = batch.prepare(SMALL, value)
        pair.ours()
        costs.append(float(operations(pair.ours)))
    assert order(batch.values, costs) == pytest.approx(1, abs=0.1)


def test_pages_take_the_figures_and_keep_the_rest(tmp_path: Path) -> None:
    page = "before\n<!-- bench:cases -->\nold\n<!-- /bench:cases -->\nafter\n"
    assert fill(page, {"cases": "new\n"}) == page.replace("old", "new")
    points = [{"value": n, "plain": {"seconds": 2.0 * n}, "ours": {"seconds": 1.0 * n}} for n in (1, 2)]
    draw([{"axis": "clips", "points": points}], tmp_path / "curves.svg")
    assert (tmp_path / "curves.svg").stat().st_size > 1000


def test_samples_and_tokens_a_second_are_those_of_whole_rows() -> None:
    facts = {"samples": 4, "prefix_tokens": 300, "audio_vectors": 32, "other_tokens": 68}
    result = {"settings": facts, "plain": {"seconds": [8.0]}, "ours": {"seconds": [2.0, 1.0, 4.0]}}
    a_second = throughput(result)["a_second"]
    assert a_second == {"plain": {"samples": 0.5, "tokens": 200.0}, "ours": {"samples": 2.0, "tokens": 800.0}}


def test_layers_laid_out_for_the_processor_count_as_any_other() -> None:
    layer = torch.nn.Linear(64, 48, bias=False).to(torch.bfloat16).requires_grad_(False)
    if not packed_linear._is_supported():
        pytest.skip("oneDNN multiplies no bfloat16 on this processor")
    inputs = torch.randn(2, 5, 64, dtype=torch.bfloat16)
    with torch.inference_mode():
        assert operations(lambda: packed_linear.PackedLinear(layer)(inputs)) == operations(lambda: layer(inputs)) > 0


def test_one_clip_reads_each_weight_of_the_llm_once() -> None:
    facts = CASES["one-clip-llm"].prepare(SMALL).facts
    model, _ = speech_system(SMALL, SMALL.sizes.layers_single_clip)
    layers = sum(
        weight.nbytes for name, weight in model.llm.named_parameters() if ".layers." in name and "lora" not in name
    )
    assert facts["weight_bytes"] == layers + sum(weight.nbytes for weight in model.mapper.parameters())


def test_a_gpu_runs_the_published_size(monkeypatch: pytest.MonkeyPatch) -> None:
    wanted: list[Setting] = []
    monkeypatch.setattr("bench.__main__.measure", lambda case, setting: wanted.append(setting) or {})
    monkeypatch.setattr("bench.__main__.table", lambda results: "")
    monkeypatch.setattr(torch, "set_num_threads", lambda threads: None)
    run = partial(CliRunner().invoke, app())
    assert run(["phase-1"]).exit_code == 0
    refused = run(["phase-1", "--device", "cuda"])
    if not torch.cuda.is_available():
        assert refused.exit_code == 2
        monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert run(["phase-1", "--device", "cuda"]).exit_code == 0
    assert [(setting.scale, setting.device) for setting in wanted][-1] == ("published", "cuda")
    assert wanted[0].scale == "full"
    sizes = SCALES["published"]
    shape = load_config("meta-llama/Llama-3.2-3B-Instruct", "llm")
    assert not sizes.llm
    assert sizes.layers == sizes.layers_single_clip == shape.num_hidden_layers
    assert describe(load_recipe("emosllm")).total > 3.5e9


def app() -> typer.Typer:
    made = typer.Typer()
    made.command()(main)
    return made


def test_the_page_on_performance_is_what_the_kept_results_give(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = (ROOT / PAGE).read_text(encoding="utf-8")
    (tmp_path / PAGE).parent.mkdir()
    (tmp_path / PAGE).write_text(re.sub(r"(<!-- bench:\w+ -->\n).*?(<!-- /)", r"\1\2", text, flags=re.DOTALL))
    monkeypatch.chdir(tmp_path)
    write_pages(ROOT / "bench" / "results", list(CASES))
    assert (tmp_path / PAGE).read_text(encoding="utf-8") == text
    assert "<!-- bench:" not in (ROOT / "README.md").read_text(encoding="utf-8")
