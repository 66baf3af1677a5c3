"""Bad manifests, recipes and checkpoints: one line with the file, the fault and the way out, and exit code 2."""

import json
import shutil

import pytest
from commandline import cut, emosllm, refused, write_rows


def leftovers(folder):
    """What a broken-off write would leave."""
    return [path for path in folder.rglob("*") if path.suffix == ".tmp"]


@pytest.fixture
def model(run, tmp_path):
    """A copy of the trained checkpoint, to be broken."""
    return shutil.copytree(run / "model", tmp_path / "model")


# --- manifests

GOOD = {"path": "a.wav", "emotion": "sad", "speaker": "x", "split": "train"}
MANIFESTS = {
    "a missing column": ([{"file": "a.wav", "emotion": "sad"}], ["no column 'path'", "found file, emotion"]),
    "an unknown emotion": ([GOOD, {**GOOD, "emotion": "melancholy"}], ["row 3", "'melancholy'", "known are"]),
    "a duplicate id": (
        [{**GOOD, "id": "1"}, {**GOOD, "id": "1"}],
        ["row 3", "'1'", "row 2", "different ids"],
    ),
    "a path outside": ([{**GOOD, "path": "../../etc/passwd"}], ["row 2", "../../etc/passwd", "outside"]),
    "an unknown split": ([{**GOOD, "split": "practice"}], ["row 2", "'practice'", "known are train"]),
    "times in disorder": ([{**GOOD, "start": 2, "end": 1}], ["row 2", "end 1 s is not after start 2 s"]),
}


@pytest.mark.parametrize("fault", MANIFESTS)
@pytest.mark.parametrize("verb", ["evaluate", "train"])
def test_a_bad_manifest_is_named_with_its_row(verb, fault, run, parts, tmp_path):
    rows, words = MANIFESTS[fault]
    manifest = write_rows(tmp_path / "manifest.csv", rows)
    if verb == "train":
        message = refused("train", "emosllm", "--data", manifest, "--out", tmp_path / "run", *parts)
    else:
        message = refused("evaluate", run, "--data", manifest, "--out", tmp_path / "report")
    assert str(manifest) in message
    assert all(word in message for word in words), message
    assert sorted(path.name for path in tmp_path.iterdir()) == ["manifest.csv"]


@pytest.mark.parametrize(
    ("name", "content"), [("m.csv", b""), ("m.csv", b"\xff\xfe\x00"), ("m.jsonl", b"{"), ("m.xls", b"")]
)
def test_what_is_no_manifest_at_all(run, tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    assert str(tmp_path / name) in refused("evaluate", run, "--data", tmp_path / name)


def test_a_manifest_that_is_not_there(run):
    assert "nowhere.csv: No such file or directory; check its path" in refused("evaluate", run, "--data", "nowhere.csv")


def test_a_manifest_without_anything_to_train_on(parts, tmp_path):
    manifest = write_rows(tmp_path / "m.csv", [{**GOOD, "split": "test"}])
    message = refused("train", "emosllm", "--data", manifest, "--out", tmp_path / "run", *parts)
    assert "no utterance of the split 'train'" in message
    assert "{'test': 1}" in message


def test_recordings_that_are_not_there_are_found_before_training(parts, tmp_path):
    manifest = write_rows(tmp_path / "m.csv", [GOOD])
    message = refused("train", "emosllm", "--data", manifest, "--out", tmp_path / "run", *parts)
    assert f"the first is {tmp_path / 'a.wav'}" in message
    assert not (tmp_path / "run").exists()


# --- recipes

OVERRIDES = {
    "lora.rnk=3": ["unknown key 'lora.rnk'", "known here: rank, alpha, dropout, targets"],
    "phases.p3.eopchs=3": ["unknown key 'phases.p3.eopchs'", "epochs"],
    "lora.rank=many": ["lora.rank", "'many'"],
    "lora.rank=0": ["lora.rank", "greater than or equal to 1"],
    "lora.rank": ["'lora.rank' is not key=value", "lora.rank=16"],
    "lora.rank={": ["'lora.rank={'", "not YAML"],
    "labels=emotions": ["unknown label set 'emotions'", "msp9"],
    "mapper.heads=5": ["mapper.heads 5", "not a multiple"],
    "inference.strategy=guess": ["inference.strategy", "'transcript-first'", "'guess'"],
    "encoder.model=some/where": ["some/where: no Config there", "hf download some/where"],
    "encoder.model=/some/where/else": ["/some/where/else: no Config there", "give a folder"],
    "llm.model=builtin:nope": ["no builtin model 'builtin:nope'", "known are"],
}


@pytest.mark.parametrize("override", OVERRIDES)
def test_a_bad_override_is_named_with_what_is_known(override):
    message = refused("info", "emosllm", override)
    assert all(word in message for word in OVERRIDES[override]), message


RECIPES = {
    "typo.yaml": ("include: emosllm\nlora: {rnk: 2}", ["typo.yaml", "unknown key 'lora.rnk'"]),
    "value.yaml": ("include: emosllm\nlora: {rank: two}", ["value.yaml", "lora.rank", "'two'"]),
    "broken.yaml": ("include: emosllm\nlora: {rank: [", ["broken.yaml is not YAML: line 2: "]),
    "tab.yaml": ("include: emosllm\nlora:\n\trank: 2", ["tab.yaml is not YAML: line 3: "]),
    "list.yaml": ("- 1\n- 2", ["list.yaml is not a mapping"]),
    "empty.yaml": ("", ["empty.yaml is not a mapping"]),
    "circle.yaml": ("include: circle.yaml", ["includes itself"]),
    "base.yaml": ("include: nowhere", ["no recipe 'nowhere'", "known are aa-sllm, ", "emosllm-12m5"]),
    "part.yaml": ("name: mine", ["part.yaml", "'title' is missing"]),
    "count.yaml": ("include: emosllm\ntrainable: 5", ["count.yaml", "states 5 trained weights", "22424320"]),
    "prompts.yaml": ("include: emosllm\nprompt: {templates: nope}", ["no prompts 'nope'", "known are default"]),
}


@pytest.mark.parametrize("name", RECIPES)
def test_a_bad_recipe_file_is_refused_by_check(name, tmp_path, monkeypatch):
    text, words = RECIPES[name]
    monkeypatch.chdir(tmp_path)
    (tmp_path / name).write_text(text, "utf-8")
    message = refused("recipes", "check", name)
    assert all(word in message for word in words), message
    assert str(tmp_path) not in message or name == "circle.yaml"


def test_an_unknown_recipe_lists_the_known_ones():
    message = refused("info", "emosslm")
    assert "no recipe 'emosslm' (did you mean emosllm or emosllm-12m5?): known are aa-sllm, " in message
    assert all(f" {name}, " in message for name in ("emosllm", "emosllm-12m5", "nano"))


def test_prompts_that_are_not_there_are_found_before_the_run_has_a_folder(corpus, parts, tmp_path):
    out = tmp_path / "run"
    assert "'nope'" in refused("train", "emosllm", "--data", corpus, "--out", out, *parts, "prompt.templates=nope")
    assert not out.exists()


# --- checkpoints


def edit(path, **values):
    path.write_text(json.dumps(json.loads(path.read_text("utf-8")) | values), "utf-8")


def rank_3(model):
    recipe = json.loads((model / "config.json").read_text("utf-8"))["recipe"]
    edit(model / "config.json", recipe=recipe | {"lora": recipe["lora"] | {"rank": 3}})


def without_backbone(model):
    recipe = json.loads((model / "config.json").read_text("utf-8"))["recipe"]
    edit(model / "config.json", recipe=recipe | {"llm": {"model": "/gone/for/good"}})


CHECKPOINTS = {
    "truncated": (lambda model: cut(model / "model.safetensors"), ["the weights cannot be read"]),
    "empty": (lambda model: (model / "model.safetensors").write_bytes(b""), ["the weights cannot be read"]),
    "noise": (lambda model: (model / "model.safetensors").write_bytes(b"\x07" * 999), ["the weights cannot be read"]),
    "no weights": (lambda model: (model / "model.safetensors").unlink(), ["model.safetensors is missing"]),
    "another shape": (rank_3, ["has the shape [2, ", "expected [3, "]),
    "no config": (lambda model: (model / "config.json").unlink(), ["no config.json in that folder"]),
    "half a config": (lambda model: cut(model / "config.json"), ["config.json cannot be read"]),
    "config no JSON": (lambda model: (model / "config.json").write_text("hello"), ["config.json cannot be read"]),
    "config no object": (lambda model: (model / "config.json").write_text("[1]"), ["config.json cannot be read"]),
    "another kind": (
        lambda model: edit(model / "config.json", model_type="bert"),
        ["kind 'bert'", "not one of emosllm"],
    ),
    "no recipe": (lambda model: edit(model / "config.json", recipe={}), ["recipe of", "'name' is missing"]),
    "no backbone": (without_backbone, ["/gone/for/good: no ModelForCausalLM there"]),
    **{
        f"{how} {file}": (break_it, [file])
        for file in ("processor_config.json", "tokenizer.json")
        for how, break_it in {
            "no": lambda model, file=file: (model / file).unlink(),
            "half": lambda model, file=file: cut(model / file),
            "hollow": lambda model, file=file: (model / file).write_text("{}"),
        }.items()
    },
    "half a chat template": (lambda model: cut(model / "chat_template.jinja"), ["chat template cannot be used"]),
}


@pytest.mark.parametrize("fault", CHECKPOINTS)
def test_a_broken_checkpoint_is_named_with_its_fault(fault, model, clips):
    break_it, words = CHECKPOINTS[fault]
    break_it(model)
    message = refused("predict", model, clips[0])
    assert str(model) in message or fault == "no backbone"
    assert all(word in message for word in words), message
    assert refused("export", model, "--out", model.parent / "whole") == message
    assert not (model.parent / "whole").exists()
    assert not leftovers(model.parent)


def test_a_broken_self_contained_checkpoint_is_named(run, clips, tmp_path):
    whole = tmp_path / "whole"
    assert emosllm("export", run, "--out", whole).code == 0
    edit(whole / "config.json", encoder_config={"model_type": "nope"})
    assert str(whole) in refused("predict", whole, clips[0])
    edit(whole / "config.json", encoder_config=None)
    assert str(whole) in refused("predict", whole, clips[0])


def test_a_model_that_is_nowhere(clips):
    assert "nowhere: no such folder, system or hub id" in refused("predict", "nowhere", clips[0])


@pytest.mark.parametrize("verb", ["predict", "evaluate", "serve"])
def test_an_unknown_system_is_told_the_systems_the_recipes_and_what_is_like_it(verb, corpus, clips):
    rest = {"predict": (clips[0],), "evaluate": ("--data", corpus), "serve": ("--no-page",)}[verb]
    message = refused(verb, "nanno", *rest)
    assert "(did you mean nano?)" in message
    assert "trained systems here are nano, recipes are aa-sllm, " in message
    assert all(f" {name}, " in message for name in ("emo2vec-gemma", "gemma-text", "qwen-audio-chat"))
    assert "nano-llm" not in message  # a part, and no system
    assert all(word not in message for word in ("http", "huggingface", "snapshot", "Error"))
    assert "`hf download some/thing`" in refused(verb, "some/thing", *rest)


def test_a_folder_that_is_no_model(clips, corpus):
    assert "no config.json in that folder" in refused("predict", corpus.parent, clips[0])
