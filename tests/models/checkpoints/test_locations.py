"""The folder of models serves all recipes: models are found by name, and their location is reported."""

import json
import shutil

import pytest
import tiny

from emosllm import cli
from emosllm.errors import UserError
from emosllm.models.backbones import load_encoder, load_llm
from emosllm.models.checkpoints.locations import describe_place, locate


@pytest.fixture
def models(tmp_path, monkeypatch):
    """A folder of models with one model in each supported layout."""
    folder = tmp_path / "models"
    for name in ("whisper-base", "owner/Kept", "owner--Listed", "talker"):
        (folder / name).mkdir(parents=True)
        (folder / name / "config.json").write_text("{}")
    (folder / "talker" / "talker.Q4_1.gguf").touch()
    monkeypatch.setenv("EMOSLLM_MODELS", str(folder))
    return folder


@pytest.mark.parametrize(
    ("reference", "place"),
    [
        ("openai/whisper-base", "whisper-base"),
        ("openai/Whisper-Base", "whisper-base"),
        ("whisper-base", "whisper-base"),
        ("owner/Kept", "owner/Kept"),
        ("owner/Listed", "owner--Listed"),
        ("openai/whisper-large-v3", None),
        ("/somewhere/whisper-base", None),
        ("./whisper-base", None),
        ("a/b/whisper-base", None),
    ],
)
def test_a_name_is_looked_up_in_the_folder_of_models(models, reference, place):
    assert locate(reference) == (reference if place is None else str(models / place))
    assert describe_place(reference) == ("not here" if place is None else str(models / place))


def test_a_gguf_lies_beside_the_model_it_was_made_from(models):
    assert locate("maker/Talker-GGUF", "talker.Q4_1.gguf") == str(models / "talker")
    assert locate("maker/Talker-GGUF", "talker.Q8_0.gguf") == "maker/Talker-GGUF"
    assert locate("maker/Talker-GGUF") == str(models / "talker")


def test_a_folder_of_that_very_path_comes_first(models, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "whisper-base").mkdir()
    assert locate("whisper-base") == "whisper-base"


def test_builtins_are_never_looked_up(models):
    (models / "nano-llm").mkdir()
    (models / "nano-llm" / "config.json").write_text("{}")
    assert "builtin" in locate("builtin:nano-llm")
    assert describe_place("builtin:nano-llm") == "builtin"


def test_without_a_folder_names_are_the_hubs(monkeypatch):
    monkeypatch.delenv("EMOSLLM_MODELS", raising=False)
    assert locate("openai/whisper-base") == "openai/whisper-base"


def test_a_folder_that_is_none_is_one_line(monkeypatch):
    monkeypatch.setenv("EMOSLLM_MODELS", "/nowhere/models")
    with pytest.raises(UserError, match=r"EMOSLLM_MODELS=/nowhere/models: no such folder; give .*, or unset"):
        locate("openai/whisper-base")


def test_models_load_from_there_and_info_says_so(tmp_path, monkeypatch, capsys):
    ears, mouth = tiny.folders(tmp_path / "parts")
    folder = tmp_path / "models"
    shutil.copytree(ears, folder / "some-ears")
    shutil.copytree(mouth, folder / "some-mouth")
    monkeypatch.setenv("EMOSLLM_MODELS", "")
    names = ("encoder.model=owner/some-ears", "llm.model=owner/Some-Mouth")
    words = ["emosllm", "--models", str(folder), "info", "emosllm", *names, *tiny.TINY]
    monkeypatch.setattr("sys.argv", [*words, "--format", "json"])
    with pytest.raises(SystemExit) as stop:
        cli.main()
    assert not stop.value.code
    found = json.loads(capsys.readouterr().out)
    assert found["places"] == {
        "owner/some-ears": str(folder / "some-ears"),
        "owner/Some-Mouth": str(folder / "some-mouth"),
    }
    monkeypatch.setattr("sys.argv", words)
    with pytest.raises(SystemExit):
        cli.main()
    assert f"found: owner/Some-Mouth: {folder / 'some-mouth'}" in capsys.readouterr().out
    assert load_encoder("owner/some-ears").config.hidden_size == 32
    assert load_llm("owner/Some-Mouth").config.hidden_size == 48
