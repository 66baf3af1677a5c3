"""A bulk run: the answers of `predict`, in order, bad files as rows; nothing lost and nothing twice after a kill."""

import csv
import json
import os
import signal
import subprocess
import sys
import time
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf
import tiny
from commandline import emosllm as command
from commandline import refused, write_rows

from emosllm.corpora.manifest import read_manifest
from emosllm.inference.clips import ClipReader
from emosllm.inference.loader import stored_calibration
from emosllm.inference.rows import RecognitionOptions, recognise
from emosllm.inference.transcripts import TranscriptSources
from emosllm.sinks import result_file
from emosllm.sinks.result_file import ResultFile
from emosllm.utterance import Prediction

ROOT = Path(__file__).parents[2]
CORPUS = read_manifest(ROOT / "demo" / "corpus" / "manifest.csv")


@pytest.fixture
def manifest(tmp_path):
    """Forty recordings of the demonstration; three of them cannot be read."""
    (tmp_path / "noise.wav").write_text("not audio " * 99)
    paths = [utterance.audio for utterance in CORPUS[::2]][:40]
    paths[7], paths[20], paths[39] = tmp_path / "noise.wav", tmp_path / "gone.wav", tmp_path / "gone too.wav"
    rows = [{"path": str(path), "id": f"row {n}", "transcript": "The door is open."} for n, path in enumerate(paths)]
    return write_rows(tmp_path / "manifest.csv", rows)


def run_bulk(recogniser, utterances, out, sources=None, batch_size=8):
    """Recognise the utterances into a file; the sink that received the rows."""
    options = RecognitionOptions(batch_size, sources or TranscriptSources())
    with ResultFile(out, utterances, recogniser, "nano", options) as sink:
        for row in recognise(recogniser, recogniser.reader().read(utterances[sink.earlier :], 2), options):
            sink.write(row)
    return sink


def json_rows(path):
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


def test_the_rows_are_predicts_answers_in_order(nano, manifest, tmp_path):
    utterances = read_manifest(manifest)
    tally = run_bulk(nano, utterances, tmp_path / "r.jsonl", TranscriptSources(listed=True))
    assert (tally.rows, tally.failed, tally.earlier) == (40, 3, 0)
    for row, said in zip(json_rows(tmp_path / "r.jsonl"), nano.predict(utterances, transcripts="given"), strict=True):
        assert row["path"] == said.path
        assert (row["label"], row["transcript"], row["error"]) == (said.label, said.transcript, said.error)
        assert row["probabilities"] == pytest.approx(dict(said.probabilities), abs=2e-3)
        assert row["transcript_from"] == ("given" if said.label else None)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["manifest.csv", "noise.wav", "r.jsonl"]


def test_each_format_holds_the_same(manifest, tmp_path):
    pq = pytest.importorskip("pyarrow.parquet")
    for ending in ("jsonl", "csv", "parquet"):
        answer = command(
            "predict", "nano", "--data", manifest, "--out", tmp_path / f"r.{ending}", "--transcripts", "given"
        )
        assert (answer.code, answer.out) == (1, "")
        summary, calibrated = answer.err.splitlines()
        assert summary == f"{tmp_path}/r.{ending}: 40 rows, 3 of them with an error"
        assert calibrated == stored_calibration("nano").note
    rows = json_rows(tmp_path / "r.jsonl")
    with (tmp_path / "r.csv").open(newline="") as file:
        table = list(csv.DictReader(file))
    typed = pq.read_table(tmp_path / "r.parquet").to_pylist()
    assert list(typed[0]) == list(table[0])
    for row, cells, values in zip(rows, table, typed, strict=True):
        for name in ("id", "path", "label", "transcript", "transcript_from", "error"):
            assert (cells[name] or None) == values[name] == row[name]
        for name, odds in row["probabilities"].items():
            assert float(cells[name]) == values[name] == odds
    assert {row["transcript_from"] for row in rows} == {"given", None}


def test_where_nobody_knows_the_words_there_is_no_column_for_them(nano, tmp_path):
    pq = pytest.importorskip("pyarrow.parquet")
    for ending in ("csv", "parquet"):
        run_bulk(nano, CORPUS[:2], tmp_path / f"r.{ending}")
    head = (tmp_path / "r.csv").read_text("utf-8").splitlines()[0].split(",")
    assert head == ["id", "path", "start", "end", "label", "confidence", *nano.labels.names, "error"]
    assert pq.read_table(tmp_path / "r.parquet").column_names == head


SCRIPT = """
import sys
import torch
torch.set_num_threads(1)
from emosllm.sinks import result_file
from emosllm.cli import main
result_file._ROWS = 3
sys.argv = ["emosllm", "predict", "nano", "--data", {manifest!r}, "--out", {out!r}, "--batch-size", "2"]
main()
"""


def begin(manifest, out):
    script = SCRIPT.format(manifest=str(manifest), out=str(out))
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    return subprocess.Popen(
        [sys.executable, "-c", script], env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def kill_after(manifest, out, parts):
    """Start a run and kill it when it has kept so many parts."""
    process = begin(manifest, out)
    folder = out.with_name(out.name + ".parts")
    end = time.monotonic() + 60
    while time.monotonic() < end and process.poll() is None and len(list(folder.glob("0*.jsonl"))) < parts:
        time.sleep(0.005)
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    assert process.returncode == -signal.SIGKILL
    assert not out.exists()
    return len(list(folder.glob("0*.jsonl")))


def test_a_run_that_was_killed_ends_with_every_row_once(nano, manifest, tmp_path):
    out = tmp_path / "r.jsonl"
    kept = 3 * kill_after(manifest, out, 2)
    assert 6 <= kept < 40
    answer = command("predict", "nano", "--data", manifest, "--out", out, "--batch-size", 2)
    assert answer.code == 1
    assert answer.err.splitlines()[0] == f"{out}: 40 rows, 3 of them with an error; {kept} were there from before"
    utterances = read_manifest(manifest)
    rows = json_rows(out)
    assert [row["id"] for row in rows] == [utterance.id for utterance in utterances]
    run_bulk(nano, utterances, tmp_path / "whole.jsonl", TranscriptSources(listed=True), batch_size=2)
    for row, whole in zip(rows, json_rows(tmp_path / "whole.jsonl"), strict=True):
        assert row["probabilities"] == pytest.approx(whole["probabilities"], abs=2e-3)
        assert {k: v for k, v in row.items() if k not in ("probabilities", "confidence")} == {
            k: v for k, v in whole.items() if k not in ("probabilities", "confidence")
        }
    assert not out.with_name("r.jsonl.parts").exists()


def test_a_kill_while_the_result_is_written_costs_nothing(nano, manifest, tmp_path, monkeypatch):
    utterances, out = read_manifest(manifest), tmp_path / "r.csv"

    def killed(*_, **__):
        raise KeyboardInterrupt

    with monkeypatch.context() as broken:
        broken.setattr(result_file, "write_results", killed)
        with pytest.raises(KeyboardInterrupt):
            run_bulk(nano, utterances, out)
    assert not out.exists()
    monkeypatch.setattr(type(nano), "recognise", lambda *_, **__: iter(()))
    assert run_bulk(nano, utterances, out).earlier == 40
    assert out.exists()


def test_an_interruption_loses_no_finished_row(nano, manifest, tmp_path, capsys):
    utterances, out = read_manifest(manifest), tmp_path / "r.csv"
    options = RecognitionOptions(2)

    def interrupted():
        with ResultFile(out, utterances, nano, "nano", options) as sink:
            for row in recognise(nano, nano.reader().read(utterances), options):
                if sink.rows == 10:
                    raise KeyboardInterrupt
                sink.write(row)

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert capsys.readouterr().err == f"{out}: finished rows are kept; the same command continues\n"
    assert run_bulk(nano, utterances, out).earlier == 10
    assert len(out.read_text().splitlines()) == 41


def test_another_model_or_manifest_does_not_go_on_with_it(manifest, tmp_path, monkeypatch):
    out = tmp_path / "r.jsonl"
    with monkeypatch.context() as broken:
        broken.setattr(result_file, "write_results", lambda *_, **__: sys.exit(9))
        assert command("predict", "nano", "--data", manifest, "--out", out).code == 9
    other = write_rows(tmp_path / "other.csv", [{"path": str(CORPUS[0].audio)}])
    assert "was begun with another data" in refused("predict", "nano", "--data", other, "--out", out)
    message = refused("predict", "nano", "--data", manifest, "--out", out, "--labels", "sad,angry")
    assert "was begun with another choice of labels" in message


class Silent:
    """A recogniser that answers at once, so that what the run itself keeps can be measured."""

    class labels:
        names = ("sad", "angry")

    class processor:
        longest, takes_audio, takes_transcript = 30.0, True, False

        @staticmethod
        def check_length(samples, name):
            assert len(samples) <= 30 * 16_000

    strategy, answer, adaptation, note = "ser", "score", None, None

    def check_transcripts(self, given):
        pass

    def reader(self):
        return ClipReader(self.processor)

    def recognise(self, clips, batch_size):
        for clip in clips:
            assert isinstance(clip.samples, np.ndarray)
            yield clip, self.predict(clip)

    def predict(self, clip):
        return Prediction(clip.name, "sad", {"sad": 0.75, "angry": 0.25}, "words " * 10)


def peak_of(folder, count):
    """Bytes that a run over so many recordings takes at most, beyond its manifest."""
    utterances = [CORPUS[0].__class__(f"{n}", folder / "clip.wav") for n in range(count)]
    for utterance in utterances:
        str(utterance.audio)  # a path remembers its text, which is the manifest's memory
    tracemalloc.start()
    run_bulk(Silent(), utterances, folder / f"{count}.csv")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert sum(1 for _ in (folder / f"{count}.csv").open()) == count + 1
    return peak


def test_ten_times_the_recordings_take_no_more_memory(tmp_path, monkeypatch):
    monkeypatch.setattr(result_file, "_ROWS", 32)
    sf.write(tmp_path / "clip.wav", tiny.clip(0.2), 16_000)
    peak_of(tmp_path, 10)  # what is imported on the way
    few, many = peak_of(tmp_path, 150), peak_of(tmp_path, 1500)
    assert many < few + 300_000  # a row that is kept takes 1,500 bytes: 2 MB


def test_results_that_cannot_be_written_are_known_at_once(manifest, tmp_path):
    assert "results end in .parquet, .jsonl, .csv" in refused(
        "predict", "nano", "--data", manifest, "--out", tmp_path / "r.xlsx"
    )
    (tmp_path / "r.csv").write_text("mine")
    assert "it exists already" in refused("predict", "nano", "--data", manifest, "--out", tmp_path / "r.csv")
    (tmp_path / "file").write_text("")
    below = tmp_path / "file" / "r.csv"
    assert f"cannot write {below.parent}" in refused("predict", "nano", "--data", manifest, "--out", below)
    assert (tmp_path / "r.csv").read_text() == "mine"


@pytest.mark.parametrize("ending", ["csv", "jsonl", "parquet"])
def test_free_answers_keep_their_words(tmp_path, ending):
    class Free(Silent):
        answer = "generate"

        def predict(self, clip):
            return Prediction(clip.name, "sad", said="Rather sad, I think.")

    sf.write(tmp_path / "clip.wav", tiny.clip(0.2), 16_000)
    utterances = [CORPUS[0].__class__("0", tmp_path / "clip.wav")]
    out = tmp_path / f"r.{ending}"
    run_bulk(Free(), utterances, out)
    if ending == "parquet":
        (row,) = pytest.importorskip("pyarrow.parquet").read_table(out).to_pylist()
    elif ending == "csv":
        (row,) = csv.DictReader(out.read_text().splitlines())
    else:
        (row,) = json_rows(out)
    assert (row["label"], row["said"], str(row["unnamed"])) == ("sad", "Rather sad, I think.", "False")
