"""What people are told: of temperatures, of runs that were finished, of what a folder holds."""

import json
import os
import shutil
import subprocess
import sys

import pytest
import soundfile as sf
import tiny
from commandline import emosllm, refused

from emosllm.inference.stored_calibration import CALIBRATION, StoredCalibration, write_calibration
from emosllm.recipe import load_recipe
from emosllm.sinks.timeline_output import TimelineOutput

FITTED = StoredCalibration(
    1.625, "val.csv", "ab", "val", ("angry", "happy", "neutral", "sad"), "ser", "own", 40, 1.4, 1.2, 0.3, 0.1
)
NOTE = "probabilities are at temperature 1.625, fitted on 40 clips of val.csv (val)"


@pytest.fixture(scope="module")
def warm(run, tmp_path_factory):
    """The trained system with a temperature beside its weights."""
    folder = shutil.copytree(run / "model", tmp_path_factory.mktemp("warm") / "model")
    write_calibration(FITTED, folder / CALIBRATION)
    return folder


def test_predict_says_once_that_a_stored_temperature_is_applied(run, warm, clips, tmp_path):
    table = emosllm("predict", warm, *clips)
    assert " ".join(table.out.split()).count(NOTE) == 1
    assert "temperature" not in emosllm("predict", run, *clips).out
    rows = [json.loads(line) for line in emosllm("predict", warm, *clips, "--format", "json").out.splitlines()]
    assert [row["temperature"] for row in rows] == [1.625] * len(clips)
    assert json.loads(emosllm("predict", run, clips[0], "--format", "json").out)["temperature"] == 1.0
    written = emosllm("predict", warm, *clips, "--out", tmp_path / "rows.csv")
    assert (written.code, written.err.count(NOTE)) == (0, 1)


def test_listen_and_timelines_say_it_too(warm, tmp_path, clips, monkeypatch):
    pytest.importorskip("silero_vad")
    sf.write(tmp_path / "talk.wav", tiny.clip(3.0), 16_000)
    heard = emosllm("listen", warm, "--from", tmp_path / "talk.wav")
    assert (heard.code, heard.err.count(NOTE)) == (0, 1)
    monkeypatch.setattr(TimelineOutput, "_show", lambda *_: None)
    assert NOTE in " ".join(emosllm("predict", warm, tmp_path / "talk.wav", "--timeline").out.split())
    assert NOTE not in emosllm("predict", warm, tmp_path / "talk.wav", "--timeline", "--format", "json").out


def test_a_finished_run_that_is_resumed_says_so_and_where_its_system_lies(run, parts, corpus):
    before = (run / "model" / "model.safetensors").stat()
    answer = emosllm("train", "emosllm", "--data", corpus, "--out", run, "--resume", *parts)
    assert answer.code == 0
    said = f"{run} was finished before, and nothing was done; its system is {run}/model; try it: emosllm predict {run}"
    assert answer.err == f"{said} RECORDING\n"
    assert (run / "model" / "model.safetensors").stat().st_mtime_ns == before.st_mtime_ns
    whole = emosllm("train", "emosllm", "--data", corpus, "--out", run, "--resume", "--self-contained", *parts)
    assert f"emosllm export {run} --out FOLDER adds the backbones" in whole.err
    other = refused("train", "emosllm", "--data", corpus, "--out", run, "--resume", *parts, "lora.rank=3")
    assert "was begun with another recipe" in other


def test_info_of_a_run_tells_recipe_weights_data_figures_and_hours(run):
    notes = json.loads((run / "run.json").read_text("utf-8"))
    answer = emosllm("info", run)
    assert (answer.code, answer.err) == (0, "")
    seconds = sum(phase["seconds"] for phase in notes["phases"].values())
    for words in (
        f"checkpoint: {run / 'model'}, ",
        "with the backbones' names",
        "recipe: emosllm; answers angry, happy, neutral, sad",
        f"trained: on 8 utterances, chosen by 4; data {notes['data']}, seed {notes['seed']}",
        f"took: {seconds:.1f} s on {notes['hardware']['machine']}",
        f"phase p3: loss {notes['phases']['p3']['loss']:.3f}",
        f"validation ua {notes['phases']['p3']['eval_ua']:.3f}",
        f"torch {notes['versions']['torch']}",
    ):
        assert words in answer.out, words
    found = json.loads(emosllm("info", run, "--format", "json").out)
    assert found["trained"]["finished"]
    assert found["trained"]["training"]["phases"] == notes["phases"]
    counts = found["parameters"]["parts"]
    assert counts["mapper"]["trainable"] == counts["mapper"]["total"] > 0
    recipe = load_recipe(run / "recipe.yaml")
    assert found["name"] == recipe.name


def test_info_of_a_checkpoint_needs_none_of_its_backbones(run, warm, tmp_path):
    folder = shutil.copytree(warm, tmp_path / "model")
    config = json.loads((folder / "config.json").read_text("utf-8"))
    config["recipe"] |= {"llm": {"model": "/gone/for/good"}, "encoder": {"model": "/gone/too"}}
    (folder / "config.json").write_text(json.dumps(config), "utf-8")
    found = json.loads(emosllm("info", folder, "--format", "json").out)
    with_backbones = json.loads(emosllm("info", run, "--format", "json").out)
    assert found["parameters"]["total"] == with_backbones["parameters"]["total"]
    assert found["trained"]["calibration"]["temperature"] == 1.625
    text = emosllm("info", folder).out
    assert f"calibrated: {NOTE}" in text
    assert "trained: no run is stored beside the checkpoint" in text


def test_info_of_a_run_that_was_stopped_names_what_is_done(run, tmp_path):
    copy = shutil.copytree(run, tmp_path / "run")
    shutil.rmtree(copy / "model")
    notes = json.loads((copy / "run.json").read_text("utf-8"))
    del notes["phases"]["p3"]
    (copy / "run.json").write_text(json.dumps(notes), "utf-8")
    answer = emosllm("info", copy)
    assert answer.code == 0
    assert "not finished: phases done: p1, p2, of p1, p2, p3" in answer.out
    assert not json.loads(emosllm("info", copy, "--format", "json").out)["trained"]["finished"]
    (copy / "run.json").write_text("{}", "utf-8")
    assert "run.json is damaged" in refused("info", copy)


def test_mistakes_of_info(run, tmp_path):
    assert "is trained, so 'lora.rank=3' cannot change it" in refused("info", run, "lora.rank=3")
    assert "no config.json in that folder" in refused("info", tmp_path)
    assert "(did you mean nano?)" in refused("info", "nanno")


@pytest.mark.parametrize("forbidden", [False, True])
@pytest.mark.parametrize("wanted", [True, False])
def test_weights_are_loaded_in_python_without_a_bar_and_the_setting_stays(run, wanted, forbidden):
    """In a process of its own: what transformers and the hub show is a setting of the process, or the environment's."""
    environment = {name: value for name, value in os.environ.items() if name != "HF_HUB_DISABLE_PROGRESS_BARS"}
    code = (
        "from transformers.utils import logging\n"
        "from huggingface_hub.utils import are_progress_bars_disabled\n"
        f"logging.enable_progress_bar() if {wanted} else logging.disable_progress_bar()\n"
        "before = logging.is_progress_bar_enabled(), are_progress_bars_disabled()\n"
        f"import emosllm; emosllm.load({str(run)!r})\n"
        "after = logging.is_progress_bar_enabled(), are_progress_bars_disabled()\n"
        f"assert before == after == ({wanted}, {forbidden or not wanted})\n"
    )
    if forbidden:
        environment["HF_HUB_DISABLE_PROGRESS_BARS"] = "1"
    words = [sys.executable, "-c", code]
    done = subprocess.run(words, capture_output=True, text=True, check=False, env=environment)
    assert (done.returncode, done.stdout) == (0, ""), done.stderr
    assert "Loading weights" not in done.stderr
