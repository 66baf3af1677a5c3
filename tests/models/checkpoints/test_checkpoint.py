"""A saved and loaded model gives the same answers, and a damaged checkpoint is an error of one line."""

import inspect
import json
import re
import shutil
from pathlib import Path
from types import SimpleNamespace

import huggingface_hub
import pytest
import tiny
import torch
from refusals import refusal
from safetensors.torch import load_file, save_file
from transformers import AutoConfig, AutoModel, AutoProcessor, BertConfig
from transformers.utils import hub

from emosllm.errors import UserError
from emosllm.models.build import build_model, build_processor
from emosllm.models.checkpoints import checkpoint
from emosllm.models.checkpoints import hub as checkpoint_hub
from emosllm.models.llms.lora import lora_layers, merge_lora
from emosllm.models.speech_llm import SpeechLLM, SpeechLLMConfig
from emosllm.prompting.processor import Sample, SpeechProcessor


@pytest.fixture(scope="module")
def system(tmp_path_factory):
    """A model with changed trained weights, and a batch to compare answers on."""
    root = tmp_path_factory.mktemp("system")
    recipe = tiny.recipe(root)
    model = build_model(recipe).eval()
    for layer in lora_layers(model.llm):
        torch.nn.init.normal_(layer.lora_B["default"].weight, std=0.1)
    processor = build_processor(recipe)
    sample = Sample(processor.build_conversation("joint", transcript="Well well.", emotion="sad"), tiny.clip(0.5))
    return SimpleNamespace(model=model, batch=processor([sample]), processor=processor)


@pytest.fixture(scope="module", params=[False, True], ids=["by name", "self-contained"])
def saved(request, system, tmp_path_factory):
    folder = tmp_path_factory.mktemp("saved") / "model"
    system.model.save_pretrained(folder, self_contained=request.param)
    return folder


@pytest.fixture
def broken(system, tmp_path):
    system.model.save_pretrained(tmp_path / "model")
    return tmp_path / "model"


def same_answers(model, system):
    with torch.no_grad():
        return torch.equal(model(**system.batch).loss, system.model(**system.batch).loss)


def checkpoint_refusal(folder):
    message = refusal(SpeechLLM.from_pretrained, folder)
    assert str(folder) in message
    return message


def test_a_round_trip_gives_the_same_answers(system, saved):
    loaded = SpeechLLM.from_pretrained(saved)
    assert not loaded.training
    assert loaded.recipe == system.model.recipe
    assert same_answers(loaded, system)


def test_a_second_round_trip_writes_the_same_files(saved, tmp_path):
    again = SpeechLLM.from_pretrained(saved)
    again.save_pretrained(tmp_path, self_contained=again.config.self_contained)
    assert load_file(tmp_path / "model.safetensors").keys() == load_file(saved / "model.safetensors").keys()
    assert json.loads((tmp_path / "config.json").read_text()) == json.loads((saved / "config.json").read_text())


def test_it_holds_what_was_trained_or_everything(system, saved):
    held = set(load_file(saved / "model.safetensors"))
    trained = {name for name, p in system.model.named_parameters() if p.requires_grad}
    if json.loads((saved / "config.json").read_text())["self_contained"]:
        assert held >= {name for name, _ in system.model.named_parameters()}  # tied weights once
    else:
        assert held == trained
    assert {path.name for path in saved.iterdir()} == {"config.json", "model.safetensors"}


@pytest.mark.parametrize("names", [("whisper", "gemma2"), ("wavlm-base", "qwen3"), ("wav2vec2-bert", "mistral")])
def test_self_contained_it_needs_nothing_else(tmp_path, names):
    encoder, llm = names
    recipe = tiny.recipe(tmp_path / "hub", encoder_name=encoder, llm_name=llm)
    model, processor = build_model(recipe).eval(), build_processor(recipe)
    batch = processor([Sample(processor.build_conversation("asr", transcript="Yes."), tiny.clip(0.5))])
    model.save_pretrained(tmp_path / "model", self_contained=True)
    with torch.no_grad():
        expected = model(**batch).loss
        shutil.rmtree(tmp_path / "hub")
        assert torch.equal(SpeechLLM.from_pretrained(tmp_path / "model")(**batch).loss, expected)


def test_large_models_are_saved_in_shards(system, tmp_path):
    system.model.save_pretrained(tmp_path, self_contained=True, max_shard_size="100KB")
    assert len(list(tmp_path.glob("*.safetensors"))) > 1
    assert same_answers(SpeechLLM.from_pretrained(tmp_path), system)
    next(tmp_path.glob("model-00002-*.safetensors")).unlink()
    assert re.search("model-00002-.* is missing, so the checkpoint is not complete", checkpoint_refusal(tmp_path))


def test_the_auto_classes_know_it(system, saved):
    assert isinstance(AutoConfig.from_pretrained(saved), SpeechLLMConfig)
    loaded = AutoModel.from_pretrained(saved)
    assert isinstance(loaded, SpeechLLM)
    assert same_answers(loaded, system)


def test_the_auto_class_finds_the_processor_beside_it(system, tmp_path):
    system.model.save_pretrained(tmp_path)
    system.processor.save_pretrained(tmp_path)
    loaded = AutoProcessor.from_pretrained(tmp_path)
    assert isinstance(loaded, SpeechProcessor)
    assert loaded.settings == system.processor.settings


def test_a_hub_id_loads_as_its_folder_does(system, saved, monkeypatch):
    def snapshot_download(repo_id, **options):
        inspect.signature(huggingface_hub.snapshot_download).bind(repo_id, **options)
        assert (repo_id, options["revision"]) == ("someone/emosllm", "v1")
        return str(saved)

    monkeypatch.setattr(checkpoint_hub, "snapshot_download", snapshot_download)
    assert same_answers(SpeechLLM.from_pretrained("someone/emosllm", revision="v1"), system)
    config = AutoConfig.from_pretrained(saved)
    assert same_answers(AutoModel.from_pretrained("someone/emosllm", config=config, revision="v1"), system)


def test_what_learns_is_float32_whatever_the_backbones_are(system, tmp_path):
    recipe = tiny.recipe(tmp_path / "hub", "emosllm", "training.precision=bfloat16")
    built = build_model(recipe)
    built.save_pretrained(tmp_path / "model")
    for model in (built, SpeechLLM.from_pretrained(tmp_path / "model")):
        kinds = {name: p.dtype for name, p in model.named_parameters()}
        assert {kinds[name] for name in model.trained_names()} == {torch.float32}
        assert {kind for name, kind in kinds.items() if name not in model.trained_names()} == {torch.bfloat16}
        loss = model(**system.batch).loss
        loss.backward()
        assert loss.dtype == torch.float32
        assert loss.isfinite()


def test_merged_adapters_are_not_added_twice(system, tmp_path):
    model = SpeechLLM.from_pretrained(save(system, tmp_path / "a"))
    merge_lora(model.llm)
    with pytest.raises(UserError, match="merged"):
        model.save_pretrained(tmp_path / "b", self_contained=True)
    assert not (tmp_path / "b").exists()
    model.save_pretrained(tmp_path / "c")  # only the adapters themselves: nothing is added
    assert same_answers(SpeechLLM.from_pretrained(tmp_path / "c"), system)


def save(system, folder):
    system.model.save_pretrained(folder)
    return folder


def test_other_processes_write_nothing(system, tmp_path):
    system.model.save_pretrained(tmp_path / "model", is_main_process=False)
    assert not (tmp_path / "model").exists()


# Uploads.


@pytest.fixture
def uploaded(tmp_path, monkeypatch):
    """Replace the hub's upload; maps `repo` to the uploaded folder."""
    root = tmp_path / "hub"

    def create_repo(repo_id, **_):
        (root / repo_id).mkdir(parents=True, exist_ok=True)
        return SimpleNamespace(repo_id=repo_id)

    def upload_folder(*, repo_id, folder_path, **options):
        inspect.signature(huggingface_hub.upload_folder).bind(repo_id=repo_id, folder_path=folder_path, **options)
        shutil.copytree(folder_path, root / repo_id, dirs_exist_ok=True)

    def create_commit(repo_id, operations, **_):
        for operation in operations:
            shutil.copy(operation.path_or_fileobj, root / repo_id / operation.path_in_repo)

    api = SimpleNamespace(create_repo=create_repo, create_commit=create_commit)
    monkeypatch.setattr(hub, "hf_api", lambda: api)
    card = SimpleNamespace(save=lambda path: Path(path).write_text("---\n---\n"))
    monkeypatch.setattr(hub, "create_and_tag_model_card", lambda *_, **__: card)
    monkeypatch.setattr(checkpoint, "create_repo", create_repo)
    monkeypatch.setattr(checkpoint, "upload_folder", upload_folder)
    return root


def test_push_to_hub_uploads_what_loads_again(system, uploaded):
    system.model.push_to_hub("someone/emosllm")
    assert same_answers(SpeechLLM.from_pretrained(uploaded / "someone/emosllm"), system)


def test_saving_with_push_to_hub_uploads_the_same(system, uploaded, tmp_path):
    options = {"push_to_hub": True, "repo_id": "someone/other", "token": "t", "commit_message": "c", "private": True}
    system.model.save_pretrained(tmp_path / "model", **options)
    assert same_answers(SpeechLLM.from_pretrained(uploaded / "someone/other"), system)


# Damage.


@pytest.mark.parametrize(
    "damage",
    [
        lambda whole: b"not weights at all, but long enough to be a header",
        lambda whole: whole[:-100],
        lambda whole: b"",
    ],
    ids=["overwritten", "truncated", "empty"],
)
def test_a_damaged_file_is_refused(broken, damage):
    path = broken / "model.safetensors"
    path.write_bytes(damage(path.read_bytes()))
    assert re.search("the weights cannot be read .*; fetch or save the checkpoint again", checkpoint_refusal(broken))


def test_missing_weights_are_refused(broken):
    (broken / "model.safetensors").unlink()
    assert "model.safetensors is missing, so the checkpoint is not complete" in checkpoint_refusal(broken)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (
            lambda tensors: tensors.pop("mapper.queries"),
            "the weights do not match config.json: lacks mapper.queries",
        ),
        (lambda tensors: tensors.update({"mapper.more": torch.zeros(1)}), "has mapper.more"),
        (
            lambda tensors: tensors.update({"mapper.queries": torch.zeros(5, 16)}),
            "mapper.queries has the shape [5, 16], expected [4, 16]: a checkpoint of another model",
        ),
    ],
    ids=["missing", "surplus", "another shape"],
)
def test_a_tensor_that_does_not_fit_is_named(broken, change, words):
    tensors = load_file(broken / "model.safetensors")
    change(tensors)
    save_file(tensors, broken / "model.safetensors")
    assert words in checkpoint_refusal(broken)


def test_a_broken_config_is_refused(broken):
    (broken / "config.json").write_text('{"model_type": "emosllm", ')
    assert "config.json cannot be read" in checkpoint_refusal(broken)


def test_a_config_without_a_recipe_is_refused(broken):
    (broken / "config.json").write_text('{"model_type": "emosllm"}')
    assert re.search("recipe of .*: 'name' is missing", checkpoint_refusal(broken))


def test_a_recipe_of_another_time_is_refused_with_the_known_keys(broken):
    config = json.loads((broken / "config.json").read_text())
    config["recipe"]["mapper"]["depth"] = 3
    (broken / "config.json").write_text(json.dumps(config))
    assert "unknown key 'mapper.depth'; known here: kind, queries" in checkpoint_refusal(broken)


def test_another_kind_of_checkpoint_is_refused(tmp_path):
    BertConfig().save_pretrained(tmp_path)
    assert "a checkpoint of kind 'bert', not one of emosllm" in checkpoint_refusal(tmp_path)


def test_a_folder_without_a_checkpoint_is_refused(tmp_path):
    assert "no config.json in that folder, so it holds no checkpoint" in checkpoint_refusal(tmp_path)


def test_a_missing_folder_is_refused(tmp_path):
    message = checkpoint_refusal(tmp_path / "nowhere" / "at all")
    assert "no such folder, system or hub id: trained systems here are" in message


def test_a_backbone_that_moved_away_is_named(system, broken):
    config = json.loads((broken / "config.json").read_text())
    config["recipe"]["llm"]["model"] = "/somewhere/else"
    (broken / "config.json").write_text(json.dumps(config))
    with pytest.raises(UserError, match=r"^/somewhere/else: no ModelForCausalLM there"):
        SpeechLLM.from_pretrained(broken)
