"""From a folder of a corpus to predictions: prepare, train, evaluate, predict and export, and what they print."""

import csv
import io
import json
import os
import shutil

import pytest
import soundfile as sf
import tiny
from commandline import emosllm

from emosllm.cli import main
from emosllm.corpora.manifest import read_manifest

FIELDS = ["path", "label", "probabilities", "transcript", "error"]
EMOTIONS = ["angry", "happy", "neutral", "sad"]


def json_lines(text):
    return [json.loads(line) for line in text.splitlines()]


def test_prepare_names_its_corpora():
    assert {"ravdess", "emodb", "msp_podcast"} <= set(emosllm("prepare", "list").out.split())


def test_what_prepare_writes_can_be_evaluated(run, tmp_path):
    for number, emotion in enumerate(("01", "04", "05"), start=1):
        folder = tmp_path / "RAVDESS" / f"Actor_{number:02}"
        folder.mkdir(parents=True)
        sf.write(folder / f"03-01-{emotion}-01-01-01-{number:02}.wav", tiny.clip(0.4, seed=number), 16_000)
    manifest = tmp_path / "ravdess.csv"
    answer = emosllm("prepare", "ravdess", tmp_path / "RAVDESS", "--out", manifest)
    assert answer.code == 0
    assert f"{manifest}: 3 utterances of 3 speakers" in answer.err
    assert "the complete corpus has 1440" in answer.err
    assert [u.emotion for u in read_manifest(manifest)] == ["neutral", "sad", "angry"]
    assert emosllm("evaluate", run, "--data", manifest).code == 0


def test_train_goes_through_its_phases_and_says_what_to_type_next(trained):
    run, answer = trained
    assert answer.code == 0
    assert [line.split(":")[0] for line in answer.err.splitlines() if line.startswith("phase")] == [
        "phase p1",
        "phase p2",
        "phase p3",
    ]
    assert answer.err.splitlines()[-1] == f"trained {run}/model; try it: emosllm predict {run} RECORDING"
    assert {"recipe.yaml", "run.json", "model", "phases"} <= {path.name for path in run.iterdir()}


def test_train_resumes_a_run_that_lacks_its_end(run, parts, corpus, tmp_path):
    copy = tmp_path / "run"
    shutil.copytree(run, copy)
    shutil.rmtree(copy / "model")
    shutil.rmtree(copy / "phases" / "3-p3")
    answer = emosllm("train", "emosllm", "--data", corpus, "--out", copy, "--resume", *parts)
    assert answer.code == 0, answer
    assert "phase p1" not in answer.err
    assert "phase p3" in answer.err
    assert (copy / "model" / "model.safetensors").read_bytes() == (run / "model" / "model.safetensors").read_bytes()


def test_evaluate_prints_the_scores_and_keeps_them(run, corpus, tmp_path):
    out = tmp_path / "report"
    answer = emosllm("evaluate", run, "--data", corpus, "--split", "test", "--out", out)
    assert answer.code == 0, answer
    for words in ("UA", "WA", "macro F1", "weighted F1", "WER", "recall", "4 clips"):
        assert words in answer.out
    assert sorted(path.name for path in out.iterdir()) == ["predictions.jsonl", "report.json", "report.md"]
    report = json.loads((out / "report.json").read_text("utf-8"))
    assert 0 <= report["scores"]["ua"] <= 1
    lines = json_lines((out / "predictions.jsonl").read_text("utf-8"))
    assert [line["emotion"] for line in lines] == EMOTIONS
    assert all(set(FIELDS) <= set(line) for line in lines)


def test_evaluate_narrows_to_labels_and_takes_given_transcripts(run, corpus, tmp_path):
    options = ("--split", "test", "--labels", "happy,sad", "--transcripts", "given", "--out", tmp_path / "report")
    answer = emosllm("evaluate", run, "--data", corpus, *options)
    assert answer.code == 0, answer
    lines = json_lines((tmp_path / "report" / "predictions.jsonl").read_text("utf-8"))
    report = json.loads((tmp_path / "report" / "report.json").read_text("utf-8"))
    assert (report["scores"]["n"], report["left_out"]) == (2, {"angry": 1, "neutral": 1})
    assert len(lines) == 4
    assert all(list(line["probabilities"]) == ["happy", "sad"] for line in lines)
    assert all(line["transcript"] == "Kids are talking by the door." for line in lines)


def test_predict_json_is_an_object_a_line(run, clips):
    answer = emosllm("predict", run, *clips, "--format", "json")
    assert (answer.code, answer.err) == (0, "")
    rows = json_lines(answer.out)
    assert [row["path"] for row in rows] == [str(clip) for clip in clips]
    for row in rows:
        assert list(row) == [*FIELDS, "transcript_from", "temperature"]
        assert row["transcript_from"] == "model"
        assert list(row["probabilities"]) == EMOTIONS
        assert sum(row["probabilities"].values()) == pytest.approx(1, abs=1e-3)
        assert row["label"] == max(row["probabilities"], key=row["probabilities"].get)
        assert isinstance(row["transcript"], str)
        assert row["error"] is None


def test_predict_says_the_same_in_csv_and_table(run, clips):
    rows = json_lines(emosllm("predict", run, *clips, "--format", "json").out)
    table = list(csv.DictReader(io.StringIO(emosllm("predict", run, *clips, "--format", "csv").out)))
    assert list(table[0]) == ["path", "label", *EMOTIONS, "transcript", "transcript_from", "error"]
    for row, cells in zip(rows, table, strict=True):
        assert (cells["path"], cells["label"], cells["error"]) == (row["path"], row["label"], "")
        assert {name: float(cells[name]) for name in EMOTIONS} == row["probabilities"]
    screen = emosllm("predict", run, *clips)
    assert screen.code == 0
    assert all(clip.name in screen.out and row["label"] in screen.out for clip, row in zip(clips, rows, strict=True))


def test_predict_takes_a_folder_and_leaves_hidden_and_other_files(run, clips, tmp_path):
    (tmp_path / "deep").mkdir()
    for name in ("b.flac", "deep/a.FLAC", "._b.flac"):
        (tmp_path / name).write_bytes(clips[0].read_bytes())
    (tmp_path / "notes.txt").write_text("no recording")
    rows = json_lines(emosllm("predict", run, tmp_path, "--format", "json").out)
    assert [row["path"] for row in rows] == [str(tmp_path / "b.flac"), str(tmp_path / "deep/a.FLAC")]


@pytest.mark.parametrize("strategy", ["ser", "transcript-in-prompt", "transcript-first"])
def test_predict_asks_by_each_strategy(run, clips, strategy):
    answer = emosllm("predict", run, clips[0], "--strategy", strategy, "--format", "json")
    assert answer.code == 0
    assert (json.loads(answer.out)["transcript"] is None) == (strategy == "ser")


def test_predict_answers_with_the_labels_asked_for(run, clips):
    (row,) = json_lines(emosllm("predict", run, clips[0], "--labels", "sad, Anger", "--format", "json").out)
    assert list(row["probabilities"]) == ["angry", "sad"]


def test_predict_draws_a_picture(run, clips, tmp_path):
    picture = tmp_path / "emotions.png"
    assert emosllm("predict", run, *clips, "--picture", picture).code == 0
    assert picture.read_bytes().startswith(b"\x89PNG")


def test_a_self_contained_export_answers_alike_without_its_backbones(run, clips, parts, tmp_path, monkeypatch):
    whole = tmp_path / "whole"
    answer = emosllm("export", run, "--out", whole)
    assert answer.code == 0
    assert answer.err == f"{whole}: try it: emosllm predict {whole} RECORDING\n"
    before = emosllm("predict", run, *clips, "--format", "json").out

    def gone(*_, **__):
        raise AssertionError("a self-contained checkpoint reads no backbone")

    monkeypatch.setattr("emosllm.models.checkpoints.checkpoint.load_encoder", gone)
    monkeypatch.setattr("emosllm.models.checkpoints.checkpoint.load_llm", gone)
    assert emosllm("predict", whole, *clips, "--format", "json").out == before


def test_an_export_may_replace_an_export(run, tmp_path):
    for _ in range(2):
        assert emosllm("export", run, "--out", tmp_path / "light", "--no-self-contained").code == 0
    assert [path.name for path in tmp_path.iterdir()] == ["light"]


def test_a_name_that_the_terminal_cannot_show_stops_nothing(run, clips, tmp_path, monkeypatch):
    strange = tmp_path / os.fsdecode(b"caf\xe9.flac")
    strange.write_bytes(clips[0].read_bytes())
    terminal = io.TextIOWrapper(io.BytesIO(), encoding="utf-8")
    monkeypatch.setattr("sys.stdout", terminal)
    monkeypatch.setattr("sys.argv", ["emosllm", "predict", str(run), str(strange), "--format", "json"])
    with pytest.raises(SystemExit, match="0"):
        main()
    terminal.seek(0)
    assert json.loads(terminal.read())["path"] == str(strange)
