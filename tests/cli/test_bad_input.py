"""Bad input: one line with the thing, the value and the way out; exit code 2, or a row and code 1; no traceback."""

import csv
import io
import json
import shutil
import sys
import time
import wave
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf
import tiny
from commandline import emosllm, refused, write_rows


def leftovers(folder):
    """What a broken-off write would leave."""
    return [path for path in folder.rglob("*") if path.suffix == ".tmp"]


@pytest.fixture
def model(run, tmp_path):
    """A copy of the trained checkpoint, to be broken."""
    return shutil.copytree(run / "model", tmp_path / "model")


# --- recordings


def long_wav(path):
    """Three hours of silence in a file that takes no room: the header is all there is, the rest is a hole."""
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, 16_000, 0, "NONE", ""))
        file.setnframes(3 * 3600 * 16_000)
        file.writeframesraw(b"")
        file._datawritten = 2 * 3 * 3600 * 16_000
    with path.open("r+b") as file:
        file.truncate(44 + 2 * 3 * 3600 * 16_000)


def cut(path):
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def truncated(path):
    sf.write(path, tiny.clip(0.5), 16_000)
    cut(path)


BAD_RECORDINGS = {
    "missing.wav": (lambda path: None, "does not exist|no such"),
    "empty.wav": (lambda path: path.write_bytes(b""), "empty"),
    "truncated.wav": (truncated, "truncated"),
    "truncated.flac": (truncated, "truncated"),
    "silent.wav": (lambda path: sf.write(path, np.zeros(16_000), 16_000), "silent"),
    "nan.wav": (lambda path: sf.write(path, np.full(16_000, np.nan), 16_000, "FLOAT"), "NaN"),
    "long.wav": (long_wav, "10800.0 s, and this system takes at most 40 s"),
    "short.wav": (lambda path: sf.write(path, tiny.clip(0.05), 16_000), "0.050 s are too short"),
    "notes.wav": (lambda path: path.write_text("not audio at all, only words\n" * 50), "is not audio but text"),
    "noise.mp3": (lambda path: path.write_bytes(np.random.default_rng(0).bytes(4000)), ""),
}


@pytest.mark.parametrize("name", BAD_RECORDINGS)
def test_a_bad_recording_alone_is_a_row_with_its_error_and_code_2(run, tmp_path, name):
    make, words = BAD_RECORDINGS[name]
    make(tmp_path / name)
    answer = emosllm("predict", run, tmp_path / name, "--format", "json")
    assert (answer.code, answer.err) == (2, "")
    row = json.loads(answer.out)
    assert (row["path"], row["label"], row["probabilities"], row["transcript"]) == (
        str(tmp_path / name),
        None,
        {},
        None,
    )
    assert "\n" not in row["error"]
    assert name in row["error"]
    assert any(word.lower() in row["error"].lower() for word in words.split("|")), row["error"]


def test_bad_recordings_leave_the_others_their_rows_in_order(run, clips, tmp_path):
    bad = [tmp_path / name for name in BAD_RECORDINGS if name != "long.wav"]
    for path in bad:
        BAD_RECORDINGS[path.name][0](path)
    files = [clips[0], *bad[:4], clips[1], *bad[4:], clips[2]]
    answer = emosllm("predict", run, *files, "--format", "csv", "--batch-size", "4")
    assert (answer.code, answer.err) == (1, "")
    rows = list(csv.DictReader(io.StringIO(answer.out)))
    assert [row["path"] for row in rows] == [str(file) for file in files]
    assert [row["path"] for row in rows if row["label"]] == [str(clip) for clip in clips]
    assert [row["path"] for row in rows if row["error"]] == [str(path) for path in bad]
    alone = list(csv.DictReader(io.StringIO(emosllm("predict", run, *clips, "--format", "csv").out)))
    assert [row["label"] for row in rows if row["label"]] == [row["label"] for row in alone]


def test_a_bad_recording_shows_in_the_table_and_the_picture(run, clips, tmp_path):
    answer = emosllm("predict", run, clips[0], "nowhere.wav", "--picture", tmp_path / "p.svg")
    assert (answer.code, answer.err) == (1, "")
    assert "nowhere.wav" in answer.out
    assert "</svg>" in (tmp_path / "p.svg").read_text("utf-8")


def test_three_hours_are_refused_by_their_header(run, tmp_path, monkeypatch):
    long_wav(tmp_path / "long.wav")
    assert sf.info(tmp_path / "long.wav").duration == 3 * 3600

    def decoded(*_, **__):
        raise AssertionError("nothing should be decoded")

    monkeypatch.setattr("emosllm.audio.Recording.samples", decoded)
    began = time.process_time()
    answer = emosllm("predict", run, tmp_path / "long.wav", "--format", "json")
    assert answer.code == 2
    assert "cut it, or give start and end in a manifest" in json.loads(answer.out)["error"]
    assert time.process_time() - began < 5


def test_a_stretch_of_a_long_recording_is_welcome(run, tmp_path):
    samples = np.concatenate([tiny.clip(0.5, seed=1), np.zeros(16_000 * 60, np.float32), tiny.clip(0.5, seed=2)])
    sf.write(tmp_path / "long.flac", samples, 16_000)
    rows = [
        {"path": "long.flac", "start": 0, "end": 0.5, "emotion": "sad", "speaker": "a"},
        {"path": "long.flac", "start": 60.5, "end": 61, "emotion": "happy", "speaker": "b"},
    ]
    assert emosllm("evaluate", run, "--data", write_rows(tmp_path / "m.csv", rows)).code == 0


def test_an_unreadable_recording_is_a_row(run, clips, tmp_path, monkeypatch):
    shutil.copy(clips[0], tmp_path / "secret.flac")
    opening = Path.open

    def guarded(path, *arguments, **options):  # as the system would for anybody but root
        if path.name == "secret.flac":
            raise PermissionError(13, "Permission denied", str(path))
        return opening(path, *arguments, **options)

    monkeypatch.setattr(Path, "open", guarded)
    answer = emosllm("predict", run, tmp_path / "secret.flac", "--format", "json")
    assert answer.code == 2
    assert "secret.flac" in json.loads(answer.out)["error"]


@pytest.mark.parametrize("name", ["x" * 400 + ".wav", "two\nlines.wav"])
def test_a_strange_name_is_a_row(run, clips, name):
    answer = emosllm("predict", run, clips[0], name, "--format", "json")
    assert (answer.code, answer.err) == (1, "")
    assert json.loads(answer.out.splitlines()[1])["error"]


def test_a_folder_without_recordings(run, tmp_path):
    (tmp_path / "notes.txt").write_text("words")
    message = refused("predict", run, tmp_path)
    assert f"{tmp_path}: no recording in that folder" in message
    assert ".wav" in message


def test_a_bad_recording_counts_as_wrong_in_evaluate(run, corpus, tmp_path):
    rows = [
        {"path": str(corpus.parent / "00.flac"), "emotion": "angry", "speaker": "a"},
        {"path": "gone.wav", "emotion": "sad", "speaker": "b"},
    ]
    out = tmp_path / "report"
    answer = emosllm("evaluate", run, "--data", write_rows(tmp_path / "m.csv", rows), "--out", out)
    assert answer.code == 1
    lines = [json.loads(line) for line in (out / "predictions.jsonl").read_text("utf-8").splitlines()]
    assert [line["error"] is None for line in lines] == [True, False]
    assert "gone.wav" in lines[1]["error"]
    assert emosllm("evaluate", run, "--data", write_rows(tmp_path / "m.csv", rows[1:])).code == 2


def test_a_bad_recording_stops_training_with_its_name(parts, corpus, tmp_path):
    for number in range(8):
        shutil.copy(corpus.parent / f"{number:02}.flac", tmp_path)
    cut(tmp_path / "03.flac")
    rows = [
        {"path": f"{number:02}.flac", "emotion": "sad", "split": "train", "transcript": "yes"} for number in range(8)
    ]
    manifest = write_rows(tmp_path / "m.csv", rows)
    answer = emosllm("train", "emosllm", "--data", manifest, "--out", tmp_path / "run", *parts)
    assert answer.code == 2
    assert "Traceback" not in answer.err
    assert "03.flac is truncated" in answer.err.splitlines()[-1]
    assert not (tmp_path / "run" / "model").exists()


# --- manifests

GOOD = {"path": "a.wav", "emotion": "sad", "speaker": "x", "split": "train"}
MANIFESTS = {
    "a missing column": ([{"file": "a.wav", "emotion": "sad"}], ["no column 'path'", "found file, emotion"]),
    "an unknown emotion": ([GOOD, {**GOOD, "emotion": "melancholy"}], ["row 3", "'melancholy'", "known are"]),
    "a duplicate id": ([{**GOOD, "id": "1"}, {**GOOD, "id": "1"}], ["row 3", "'1'", "row 2", "distinguish them"]),
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


# --- options


@pytest.mark.parametrize(
    ("labels", "words"),
    [
        ("contempt", ["no contempt", "it can answer angry, happy, neutral, sad"]),
        ("sad,contempt", ["no contempt"]),
        ("glee", ["unknown emotion 'glee'", "known are"]),
        (",", ["--labels ',' names no emotion", "for example"]),
        ("present", ["--labels present", "no labelled data"]),
    ],
)
def test_labels_that_the_model_was_not_trained_for(run, clips, labels, words):
    message = refused("predict", run, clips[0], "--labels", labels)
    assert all(word in message for word in words), message


@pytest.mark.parametrize("device", ["cuda:99", "toaster"])
def test_a_device_that_is_not_there(run, clips, device):
    assert f"device '{device}' cannot be used here; this machine has cpu" in refused(
        "predict", run, clips[0], "--device", device
    )


def test_a_split_that_is_not_there_names_those_that_are(run, corpus):
    message = refused("evaluate", run, "--data", corpus, "--split", "exam")
    assert f"{corpus}: no utterance of split 'exam'" in message
    assert "train 8, val 4, test 4" in message


def test_a_corpus_without_a_reader_lists_the_readers(tmp_path):
    message = refused("prepare", "esd", tmp_path)
    assert "unknown corpus 'esd': there are readers for audformat, crema_d, " in message


@pytest.mark.parametrize("folder", ["", "nowhere"])
def test_a_corpus_that_is_not_in_the_folder(tmp_path, folder):
    message = refused("prepare", "ravdess", tmp_path / folder, "--out", tmp_path / "m.csv")
    assert str(tmp_path / folder) in message
    assert "Actor_01/03-01-06-01-02-01-12.wav" in message
    assert not list(tmp_path.iterdir())


# --- places to write to


@pytest.fixture
def blocked(tmp_path):
    """A place where nobody can write, root included: below a file."""
    (tmp_path / "file").write_text("mine")
    return tmp_path / "file" / "below"


def test_no_verb_can_write_below_a_file(run, corpus, clips, parts, blocked, monkeypatch):
    def asked(*_, **__):
        raise AssertionError("should be known before anything is computed")

    for words in (
        ("export", run, "--out", blocked),
        ("train", "emosllm", "--data", corpus, "--out", blocked, *parts),
    ):
        assert f"cannot write {blocked}" in refused(*words)
    monkeypatch.setattr("emosllm.inference.recogniser.Recogniser.predict", asked)
    assert f"cannot write {blocked}" in refused("evaluate", run, "--data", corpus, "--out", blocked)
    assert f"cannot write {blocked}" in refused("predict", run, clips[0], "--picture", blocked / "p.png")
    assert [path.name for path in blocked.parent.parent.iterdir()] == ["file"]


def test_a_picture_of_an_unknown_kind_is_refused_at_once(run, clips, tmp_path):
    message = refused("predict", run, clips[0], "--picture", tmp_path / "p.bmp")
    assert "pictures end in .png, .svg, .pdf" in message


def test_out_in_use_is_not_overwritten(run, corpus, parts, tmp_path):
    diary = tmp_path / "diary.txt"
    diary.write_text("dear diary")
    for words in (("export", run), ("train", "emosllm", "--data", corpus, *parts)):
        assert str(tmp_path) in refused(*words, "--out", tmp_path)
    assert diary.read_text() == "dear diary"
    assert [path.name for path in tmp_path.iterdir()] == ["diary.txt"]


def test_a_run_is_neither_begun_twice_nor_resumed_as_another(run, corpus, parts, tmp_path):
    train = ("train", "emosllm", "--data", corpus, "--out", run, *parts)
    assert "--resume continues it, another --out begins a new one" in refused(*train)
    assert "begun with another recipe" in refused(*train, "lora.rank=4", "--resume")
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "run.json").write_text("{")
    message = refused("train", "emosllm", "--data", corpus, "--out", tmp_path / "run", "--resume", *parts)
    assert "run.json is damaged" in message


# --- extras that are not installed


@pytest.fixture
def without(monkeypatch):
    """As if a library were not installed."""

    def hide(*libraries):
        for library in libraries:
            for name in [name for name in sys.modules if name == library or name.startswith(f"{library}.")]:
                monkeypatch.delitem(sys.modules, name)
            monkeypatch.setitem(sys.modules, library, None)

    return hide


def test_scoring_without_its_extra_is_refused_at_once(without, run, corpus):
    without("jiwer")
    assert "pip install 'emosllm[eval]'" in refused("evaluate", run, "--data", corpus)


def test_drawing_without_its_extra_is_refused_at_once(without, run, clips, tmp_path):
    without("matplotlib")
    message = refused("predict", run, clips[0], "--picture", tmp_path / "p.png")
    assert "drawing needs matplotlib: pip install 'emosllm[eval]'" in message


def test_cues_without_their_extra_are_refused(without, corpus, parts, tmp_path):
    without("parselmouth")
    answer = emosllm("train", "emosllm", "--data", corpus, "--out", tmp_path / "run", *parts, "prompt.cues=praat")
    assert answer.code == 2
    assert "pip install 'emosllm[cues]'" in answer.err.splitlines()[-1]
    assert "Traceback" not in answer.err
