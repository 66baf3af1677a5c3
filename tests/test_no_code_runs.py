"""No file runs code: code is planted in each kind of file, which is then opened as a user would open it."""

import datetime
import json
import os
import pickle
import re
import runpy
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import emotion2vec_folder
import jinja2
import pytest
import soundfile as sf
import tiny
import tiny_whisper
import torch
import yaml
from commandline import emosllm, refused, write_rows
from refusals import refusal

from emosllm.experiments.studies import load_study
from emosllm.inference.asr import load_asr
from emosllm.inference.loader import load
from emosllm.models.backbones import load_encoder, load_feature_extractor, load_llm, load_tokenizer
from emosllm.models.build import build_model, build_processor
from emosllm.models.published.tensors import read_tensors
from emosllm.prompting.prompt_template import load_templates

ROOT = Path(__file__).parents[1]


@pytest.fixture
def ran(tmp_path, monkeypatch) -> Iterator[Path]:
    """The folder that planted code would make. A question on standard input fails the test too."""
    monkeypatch.setattr("builtins.input", lambda *text: pytest.fail(f"asked {text}"))
    yield tmp_path / "RAN"
    assert not (tmp_path / "RAN").exists()


def works(ran: Path) -> None:
    """Assert that a plant was run, so that the test would notice it, and remove its trace."""
    ran.rmdir()


class Malice:
    """An object whose unpickling makes a folder."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


def tagged(ran: Path) -> str:
    text = f"!!python/object/apply:os.mkdir [{json.dumps(str(ran))}]"
    yaml.unsafe_load(text)
    works(ran)
    return text


TAG = "could not determine a constructor for the tag 'tag:yaml.org,2002:python/object/apply:os.mkdir'"


def test_yaml_of_every_kind(ran, tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text(f"include: nano\ntitle: {tagged(ran)}\n")
    assert f"mine.yaml is not YAML: line 2: {TAG}" in refused("info", path)
    assert f"mine.yaml is not YAML: line 2: {TAG}" in refused("recipes", "check", path)
    assert f"is not YAML: line 1: {TAG}" in refused("recipes", "show", "nano", f"title={tagged(ran)}")
    assert "mine.yaml are not YAML: line 2: could not determine" in refusal(load_templates, str(path))
    assert "mine.yaml is not YAML: line 2: could not determine" in refusal(load_study, str(path))


def test_a_manifest(ran, tmp_path):
    sf.write(tmp_path / "clip.wav", tiny.clip(0.5), 16_000)
    code = f"__import__('os').mkdir({str(ran)!r})"
    row = {"path": "clip.wav", "emotion": "sad", "split": "test"}
    for column in ("emotion", "votes", "start", "valence"):
        manifest = write_rows(tmp_path / "m.csv", [{**row, column: code}])
        assert "m.csv" in refused("evaluate", "nano", "--data", manifest, "--split", "test", "--out", tmp_path / "r")


def test_an_audformat_database(ran, tmp_path):
    audformat = pytest.importorskip("audformat")
    root, out = tmp_path / "db", tmp_path / "m.csv"
    database = audformat.Database("db", expires=datetime.date(2030, 1, 1))
    database["files"] = audformat.Table(audformat.filewise_index(["a.wav"]))
    database.schemes["emotion"] = audformat.Scheme("str", labels=["anger"])
    database["files"]["emotion"] = audformat.Column(scheme_id="emotion")
    database["files"]["emotion"].set(["anger"])
    database.save(str(root))
    (root / "db.files.pkl").write_bytes(pickle.dumps(Malice(ran)))  # audformat prefers it to the other files
    sf.write(root / "a.wav", tiny.clip(0.5), 16_000)
    assert emosllm("prepare", "audformat", root, "--out", out).code == 0  # the table was read, without its pickle
    assert "a.wav" in out.read_text()
    for path in (*root.glob("db.files.parquet"), *root.glob("db.files.csv")):
        path.unlink()
    message = refused("prepare", "audformat", root, "--out", tmp_path / "n.csv")
    assert "db.files.pkl is a pickle, which can run code when opened" in message
    (root / "db.yaml").write_text(f"name: db\nsource: {tagged(ran)}\n")
    assert TAG in refused("prepare", "audformat", root, "--out", tmp_path / "n.csv")


def test_weights_of_torch(ran, tmp_path):
    folder = emotion2vec_folder.folder(tmp_path / "e2v", {"model": emotion2vec_folder.state(), "args": Malice(ran)})
    torch.load(folder / "model.pt", weights_only=False)
    works(ran)
    assert re.search(r"model\.pt: holds \w+\.mkdir, which is code and not a weight", refusal(load_encoder, str(folder)))
    (tmp_path / "bin").mkdir()
    torch.save({"weight": Malice(ran)}, tmp_path / "bin" / "pytorch_model.bin")
    assert "the weights cannot be read" in refusal(lambda: list(read_tensors(tmp_path / "bin")))
    whisper = tiny_whisper.save(tmp_path / "whisper")
    (whisper / "model.safetensors").unlink()
    torch.save({"weight": Malice(ran)}, whisper / "pytorch_model.bin")
    assert "its weights are damaged, or hold code, which is never run" in refusal(load_asr, str(whisper))


@pytest.mark.parametrize("auto_map", [None, {"AutoTokenizer": 7}])
def test_a_malformed_auto_map(tmp_path, auto_map):
    _, folder = tiny.folders(tmp_path)
    path = folder / "tokenizer_config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "auto_map": auto_map, "tokenizer_class": "Unknown"}))
    assert "no Tokenizer there" in refusal(load_tokenizer, str(folder))


@pytest.mark.parametrize("name", ["model.safetensors", "llm.gguf"])
def test_a_pickle_with_the_name_of_another_format(ran, tmp_path, name):
    _, folder = tiny.folders(tmp_path)
    (folder / name).write_bytes(pickle.dumps(Malice(ran)))
    file = name if name.endswith("gguf") else None
    assert re.search(
        "the weights cannot be read|no LLM can be read", refusal(load_llm, str(folder), torch.float32, file)
    )


def planted(folder: Path, ran: Path, file: str, **values: object) -> Path:
    """Put modelling code into a folder, name it in a config, and assert that it works where it is run."""
    code = folder / "code_of_a_stranger.py"
    lines = [f"import os\nos.mkdir({str(ran)!r})"]
    lines += [f"class {name}: pass" for name in ("Config", "Model", "Tokenizer", "Extractor", "Processor")]
    code.write_text("\n".join(lines))
    runpy.run_path(str(code))
    works(ran)
    (folder / "custom_generate").mkdir(exist_ok=True)
    (folder / "custom_generate" / "generate.py").write_text(code.read_text() + "\ndef generate(model): pass")
    module = "code_of_a_stranger"
    maps = {
        "AutoConfig": f"{module}.Config",
        "AutoModel": f"{module}.Model",
        "AutoModelForCausalLM": f"{module}.Model",
        "AutoModelForSpeechSeq2Seq": f"{module}.Model",
        "AutoTokenizer": [f"{module}.Tokenizer", f"{module}.Tokenizer"],
        "AutoFeatureExtractor": f"{module}.Extractor",
        "AutoProcessor": f"{module}.Processor",
    }
    path = folder / file
    path.write_text(json.dumps({**json.loads(path.read_text()), "auto_map": maps, **values}))
    return folder


FILES = ("config.json", "tokenizer_config.json", "preprocessor_config.json", "generation_config.json")
NEEDS = "needs Python code of its own (auto_map in a config file); such code is never run"


def test_backbones_load_without_the_code_beside_them(ran, tmp_path):
    ears, mouth = tiny.folders(tmp_path)
    planted(ears, ran, "config.json")
    planted(mouth, ran, "config.json")
    for load_part, folder in (
        (load_encoder, ears),
        (load_feature_extractor, ears),
        (load_llm, mouth),
        (load_tokenizer, mouth),
    ):
        assert load_part(str(folder)).__module__.partition(".")[0] in {"transformers", "tokenizers"}


def test_backbones_that_cannot_do_without_their_code(ran, tmp_path):
    ears, mouth = tiny.folders(tmp_path)
    planted(ears, ran, "config.json", model_type="of-a-stranger")
    planted(mouth, ran, "config.json", model_type="of-a-stranger")
    assert NEEDS in refusal(load_encoder, str(ears))
    assert NEEDS in refusal(load_llm, str(mouth))
    assert NEEDS in refusal(load_asr, str(mouth))


def test_a_tokenizer_and_a_feature_extractor_of_a_stranger(ran, tmp_path):
    ears, mouth = tiny.folders(tmp_path)
    planted(mouth, ran, "tokenizer_config.json", tokenizer_class="StrangersTokenizer")
    planted(ears, ran, "preprocessor_config.json", feature_extractor_type="StrangersExtractor")
    assert NEEDS in refusal(load_tokenizer, str(mouth))
    assert NEEDS in refusal(load_feature_extractor, str(ears))


def test_a_speech_recogniser(ran, tmp_path):
    folder = tiny_whisper.save(tmp_path / "whisper")
    for file in FILES:
        if (folder / file).exists():
            planted(folder, ran, file)
    assert isinstance(load_asr(str(folder))([tiny.clip(0.5)])[0], str)


@pytest.mark.parametrize("key", ["attn_implementation", "_attn_implementation", "experts_implementation"])
def test_kernels_of_the_hub(ran, tmp_path, key):
    _, mouth = tiny.folders(tmp_path)
    path = mouth / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), key: "stranger/kernel"}))
    assert "_implementation is 'stranger/kernel', which is code of the hub" in refusal(load_llm, str(mouth))
    assert "which is code of the hub" in refusal(load_asr, str(mouth))


@pytest.fixture(scope="module")
def saved(tmp_path_factory) -> Path:
    """A checkpoint of ours."""
    recipe = tiny.recipe(tmp_path_factory.mktemp("parts"))
    folder = tmp_path_factory.mktemp("saved") / "model"
    build_model(recipe).save_pretrained(folder)
    build_processor(recipe).save_pretrained(folder)
    return folder


@pytest.mark.parametrize("file", ["config.json", "tokenizer_config.json", "preprocessor_config.json"])
def test_a_checkpoint_of_ours_with_code_beside_it(ran, saved, tmp_path, file):
    folder = planted(Path(shutil.copytree(saved, tmp_path / "model")), ran, file)
    assert load(folder).model is not None  # loaded without that code


def test_a_checkpoint_that_cannot_do_without_its_code(ran, saved, tmp_path):
    folder = planted(Path(shutil.copytree(saved, tmp_path / "model")), ran, "config.json", model_type="of-a-stranger")
    assert NEEDS in refusal(load, folder)


def test_a_kernel_in_a_checkpoint_of_ours(ran, saved, tmp_path):
    folder = Path(shutil.copytree(saved, tmp_path / "model"))
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "attn_implementation": "stranger/kernel"}))
    assert "which is code of the hub" in refusal(load, folder)
    part = {**config, "self_contained": True, "llm_config": {**config["llm_config"], "attn_implementation": "a/kernel"}}
    (folder / "config.json").write_text(json.dumps(part))
    assert re.search("config.json cannot be read .*which is code of the hub", refusal(load, folder))


def test_a_chat_template(ran, saved, tmp_path):
    folder = Path(shutil.copytree(saved, tmp_path / "model"))
    code = f"cycler.__init__.__globals__.os.mkdir({str(ran)!r})"
    jinja2.Environment().from_string(f"{{{{ {code} }}}}").render()
    works(ran)
    template = folder / "chat_template.jinja"
    template.write_text(f"{{{{ {code} }}}}{template.read_text()}")
    assert re.search("the chat template cannot be used|the processor cannot be read", refusal(load, folder))


def test_nobody_is_asked_on_a_closed_standard_input(ran, saved, tmp_path):
    folder = planted(Path(shutil.copytree(saved, tmp_path / "model")), ran, "config.json", model_type="of-a-stranger")
    sf.write(tmp_path / "clip.wav", tiny.clip(0.5), 16_000)
    script = "import os; os.close(0); from emosllm.cli import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", script, "predict", str(folder), str(tmp_path / "clip.wav")],
        capture_output=True,
        text=True,
        timeout=120,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.count("\n") == 1
    assert "needs Python code of its own" in done.stderr
