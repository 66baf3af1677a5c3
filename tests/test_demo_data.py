"""The bundled synthetic speech agrees with its manifest, is small, balanced, and split by speaker."""

import csv
import math
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import soundfile

from emosllm.labels import LABEL_SETS, emotion_name
from emosllm.prompting.cues import measure_all

DEMO = Path(__file__).parent.parent / "demo"
CORPUS = DEMO / "corpus"
SPEAKERS = {"train": 9, "val": 4, "test": 4}
COLUMNS = ["path", "speaker", "emotion", "transcript", "language", "gender", "corpus", "split", "duration"]


@pytest.fixture(scope="module")
def rows() -> list[dict[str, str]]:
    with (CORPUS / "manifest.csv").open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_manifest_and_files_are_the_same_clips(rows: list[dict[str, str]]):
    assert list(rows[0]) == COLUMNS
    assert sorted(row["path"] for row in rows) == sorted(f"clips/{path.name}" for path in (CORPUS / "clips").iterdir())
    for row in rows:
        info = soundfile.info(CORPUS / row["path"])
        assert (info.format, info.subtype, info.samplerate, info.channels) == ("FLAC", "PCM_16", 16_000, 1)
        assert info.duration == pytest.approx(float(row["duration"]), abs=0.001)
        assert 0.5 < info.duration < 2.0


def test_everything_is_called_synthetic(rows: list[dict[str, str]]):
    assert all("synthetic" in row["path"] and row["speaker"].startswith("synthetic_") for row in rows)
    assert {row["corpus"] for row in rows} == {"synthetic"}
    assert all(path.name.startswith("synthetic_") for path in (DEMO / "recordings").iterdir())


def test_no_speaker_is_on_two_sides(rows: list[dict[str, str]]):
    sides = {split: {row["speaker"] for row in rows if row["split"] == split} for split in ("train", "val", "test")}
    assert {split: len(speakers) for split, speakers in sides.items()} == SPEAKERS
    assert len(set.union(*sides.values())) == sum(SPEAKERS.values())
    for split in sides:
        assert {row["gender"] for row in rows if row["split"] == split} == {"female", "male"}


def test_classes_are_balanced_and_texts_do_not_reveal_them(rows: list[dict[str, str]]):
    emotions = set(LABEL_SETS["iemocap4"].names)
    assert {row["emotion"] for row in rows} == emotions
    assert set(Counter((row["speaker"], row["emotion"], row["transcript"]) for row in rows).values()) == {1}
    said = {(row["speaker"], row["transcript"]) for row in rows}
    assert len(rows) == len(said) * len(emotions)  # every speaker of a sentence says it in every emotion
    assert Counter(row["split"] for row in rows)["test"] >= 12


def test_classes_differ_in_every_voice(rows: list[dict[str, str]]):
    pytest.importorskip("parselmouth")
    clips = [soundfile.read(CORPUS / row["path"], dtype="float32")[0] for row in rows]
    pitch, seconds = {}, {}
    for row, cues in zip(rows, measure_all("praat", clips), strict=True):
        key = (row["speaker"], row["transcript"])
        pitch.setdefault(key, {})[row["emotion"]] = cues["pitch"]
        seconds.setdefault(key, {})[row["emotion"]] = float(row["duration"])
    for key in pitch:
        assert pitch[key]["sad"] < pitch[key]["neutral"] < pitch[key]["happy"], key
        assert pitch[key]["angry"] < pitch[key]["happy"], key
        assert seconds[key]["angry"] < seconds[key]["neutral"] < seconds[key]["sad"], key


def test_recordings_are_a_handful_of_short_clips_named_by_emotion():
    paths = sorted((DEMO / "recordings").iterdir())
    assert len(paths) == 6
    for path in paths:
        assert emotion_name(path.stem.split("_")[1]) == path.stem.split("_")[1]
        samples, rate = soundfile.read(path)
        assert rate == 16_000
        assert 1.5 < len(samples) / rate < 3.5
        assert 0.05 < np.abs(samples).max() <= 0.51


def test_it_stays_small():
    assert sum(path.stat().st_size for path in DEMO.rglob("*") if path.is_file()) < 1.8e6


@pytest.mark.skipif(shutil.which("espeak-ng") is None, reason="espeak-ng makes the clips; only their makers need it")
def test_the_script_makes_the_same_clips_again(tmp_path: Path):
    command = [sys.executable, "-m", "demo.make_recordings", "--out", tmp_path]
    subprocess.run(command, check=True, timeout=120, cwd=DEMO.parent)
    for path in sorted((DEMO / "recordings").iterdir()):
        ours, _ = soundfile.read(path)
        again, _ = soundfile.read(tmp_path / "recordings" / path.name)
        # The output of another version of espeak-ng may differ slightly; the files here are from 1.51.
        assert math.isclose(len(ours), len(again), rel_tol=0.1)
    assert len(list((tmp_path / "corpus" / "clips").iterdir())) == len(list((CORPUS / "clips").iterdir()))


def test_without_espeak_the_script_says_what_to_install(tmp_path: Path):
    command = [sys.executable, "-m", "demo.make_recordings", "--out", tmp_path]
    done = subprocess.run(
        command, env={"PATH": str(tmp_path)}, capture_output=True, text=True, timeout=120, cwd=DEMO.parent
    )
    assert done.returncode == 2
    assert done.stderr == "espeak-ng is not installed: apt-get install espeak-ng\n"
    assert not list(tmp_path.iterdir())
