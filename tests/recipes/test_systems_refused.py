"""Mistakes with the table's rows are errors of one line with the thing and the remedy."""

import json
import re
import shutil

import published_tiny
import pytest
import tiny
from commandline import emosllm, refused, write_rows
from refusals import refusal
from safetensors.torch import load_file, save_file

from emosllm.errors import UserError
from emosllm.models.build import build_model, build_processor
from emosllm.prompting.prompt_template import check_templates
from emosllm.recipe import load_recipe

BIAS = "multi_modal_projector.linear.bias"


@pytest.fixture(scope="module")
def qwen2(tmp_path_factory):
    return published_tiny.qwen2_audio(tmp_path_factory.mktemp("qwen2") / "model")


def pointing(place, name="qwen2-audio", *more):
    return load_recipe(
        name, (*(f"{part}.model={place}" for part in ("encoder", "mapper", "llm")), "training.precision=float32", *more)
    )


def build(recipe):
    return build_model(recipe), build_processor(recipe)


def test_it_is_built_if_all_is_well(qwen2):
    recipe = pointing(qwen2)
    build_model(recipe)
    assert "<|audio_bos|>" in build_processor(recipe).build_conversation("ser").user


def changed(qwen2, folder, change):
    shutil.copytree(qwen2, folder)
    tensors = load_file(folder / "model.safetensors")
    change(tensors)
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    return folder


@pytest.mark.parametrize(
    ("change", "match"),
    [
        (lambda t: t.pop(BIAS), r"lacks output\.bias.*fetch the published files again"),
        (lambda t: t.update(stray=t[BIAS].clone()), r"it has unknown stray"),
        (
            lambda t: t.update(
                {"multi_modal_projector.linear.bias": t["multi_modal_projector.linear.bias"][:3].clone()}
            ),
            r"it has misshapen multi_modal_projector\.linear\.bias \(3,\)",
        ),
    ],
)
def test_missing_surplus_and_misshapen_keys(qwen2, tmp_path, change, match):
    assert re.search(match, refusal(build, pointing(changed(qwen2, tmp_path / "broken", change))))


def test_a_model_of_another_kind(qwen2, tmp_path):
    ears, mouth = tiny.folders(tmp_path)
    for part, words in (
        (f"encoder.model={mouth}", "'llama' is not a known speech encoder; known are "),
        (f"mapper.model={ears}", "this model has no mapper of its own; give a folder"),
        (f"llm.model={ears}", "no ModelForCausalLM there"),
    ):
        assert words in refusal(build, pointing(qwen2, "qwen2-audio", part))
    published = load_recipe(
        "emotion2vec", (f"encoder.model={ears}", f"head.model={qwen2}", "training.precision=float32")
    )
    assert "has no head; it has encoder, mapper, llm" in refusal(build, published)


def test_a_tokenizer_without_the_needed_tokens(qwen2, tmp_path):
    folder = tmp_path / "other"
    shutil.copytree(qwen2, folder)
    tiny.tokenizer().save_pretrained(folder)
    (folder / "tokenizer_config.json").write_text(json.dumps({"eos_token": "<|end|>", "pad_token": "<pad>"}))
    message = refusal(build, pointing(folder))
    assert "the tokenizer has no <|audio_bos|>, which the prompts contain; take the model's own" in message


@pytest.mark.parametrize(
    ("name", "override", "match"),
    [
        ("head-wavlm", "llm={model: x}", "answers through an llm or through a head: give one of the two"),
        ("gemma-text", "llm=null", "answers through an llm or through a head: give one of the two"),
        ("head-wavlm", "encoder=null", "a head reads an encoder's frames"),
        ("head-wavlm", "head.heads=7", "head.width 1024 is not a multiple of head.heads 7"),
        ("whisper-gemma", "mapper=null", "encoder and mapper go together"),
        ("gemma-text", "prompt.transcript=false", "without an encoder the llm must read something"),
        ("gemma-text", "phases.ser.learns=[mapper]", "phases.ser.learns: mapper, and this system has none"),
        ("gemma-text", "phases.ser.tasks={joint: 1}", "phases.ser.tasks: every task but ser needs an encoder and"),
        ("head-wavlm", "phases.ser.loss=tokens", "phases.ser.loss: a head has no tokens; set it to classes"),
        ("whisper-gemma", "phases.ser.loss=tokens", "phase.class_weights 'balanced' need phase.loss 'classes'"),
        ("emosllm", "phases.p3.loss=classes", "phase.loss 'classes' compares emotions only; tasks are joint"),
        ("gemma-text", "inference.strategy=transcript-first", "needs a system that transcribes; use ser"),
        ("head-wavlm", "inference.answer=generate", "inference.answer 'generate' needs an llm"),
        ("gemma-text", "inference.fallback=surprise", "inference.fallback 'surprise' is not a class of ekman6"),
        ("emotion2vec", "head.layers=1", "head.model: published heads are linear on the mean"),
        ("whisper-gemma", "mapper.queries=3", "unknown key 'mapper.queries'; known here: kind, ends, model"),
        ("gemma-text", "prompt.cues=librosa", "cues are measured on recordings, and this system has no encoder"),
        ("emosllm", "lora.mapper=true", "lora.mapper: a qp mapper is trained whole"),
        ("gemma-text", "lora.mapper=true", "lora.mapper: this system has no mapper"),
    ],
)
def test_parts_that_do_not_go_together(name, override, match):
    assert match in refused("info", name, override)


def test_a_text_beyond_the_llms_positions_is_named_before_anything_is_trained(tmp_path):
    _, mouth = tiny.folders(tmp_path, llm_name="gemma", system_role=False)
    rows = [
        {"path": "", "id": f"text {index}", "emotion": emotion, "split": "train", "transcript": "No. " * length}
        for index, (emotion, length) in enumerate((("angry", 3), ("sad", 3000), ("angry", 5)))
    ]
    parts = (f"llm.model={mouth}", "lora={rank: 2, alpha: 4}", "training.precision=float32")
    run = tmp_path / "run"
    manifest = write_rows(tmp_path / "manifest.csv", rows)
    line = emosllm("train", "gemma-text", "--data", manifest, "--out", run, *parts).err.splitlines()[-1]
    assert "text 1: a row of" in line
    assert "reads at most 2048" in line


def test_prompts_without_words_for_what_is_wanted():
    line = refused("recipes", "check", "gemma-text", "emosllm", "nope")
    assert "no recipe 'nope'" in line
    recipe = load_recipe("gemma-text", ["prompt.gender=true"])
    with pytest.raises(UserError, match=r"prompts gemma-text: gender_hint missing, which recipe gemma-text needs; add"):
        check_templates(recipe)
    recipe = load_recipe("emosllm", ["labels=emotion2vec9"])
    with pytest.raises(UserError, match=r"prompts default: words\.unknown missing"):
        check_templates(recipe)
