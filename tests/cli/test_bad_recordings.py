"""Bad recordings: a row with the error and code 1, or one line and exit code 2; no traceback."""

import csv
import io
import json
import shutil
import time
import wave
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf
import tiny
from commandline import cut, emosllm, refused, write_rows


def long_wav(path):
    """Three hours of silence in a file that takes no room: the header is all there is, the rest is a hole."""
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, 16_000, 0, "NONE", ""))
        file.setnframes(3 * 3600 * 16_000)
        file.writeframesraw(b"")
        file._datawritten = 2 * 3 * 3600 * 16_000
    with path.open("r+b") as file:
        file.truncate(44 + 2 * 3 * 3600 * 16_000)


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
