"""MELD in miniature and its real tables; sound from clips, through a program that stands in for ffmpeg."""

import shutil
import sys

import pytest
from refusals import corpus_refusal

from emosllm.corpora import CARDS, read_corpus
from emosllm.corpora.card import differences
from emosllm.corpora.readers import meld

HEADER = "Sr No.,Utterance,Speaker,Emotion,Sentiment,Dialogue_ID,Utterance_ID,Season,Episode,StartTime,EndTime\n"
ROWS = (
    '1,"Oh my God, he’s lost it.",Phoebe,sadness,negative,0,0,4,7,"00:20:57,256","00:21:00,049"\n'
    '2,What?,The Interviewer,surprise,negative,0,1,4,7,"00:21:01,927","00:21:03,261"\n'
)
BROKEN_ROW = '3,"Oh, no-no-no",Ross,neutral,neutral,125,3,4,18,"00:02:42,287","00:02:48,021"\n'


def tables(**more):
    return {
        "train_sent_emo.csv": HEADER + ROWS + BROKEN_ROW,
        "dev_sent_emo.csv": HEADER + ROWS,
        "test_sent_emo.csv": HEADER + ROWS,
        **more,
    }


def test_the_tables_are_enough_for_reading(lay):
    utterances = read_corpus("meld", lay(**tables()))
    assert [utterance.id for utterance in utterances] == [
        "train_dia0_utt0",
        "train_dia0_utt1",
        "train_dia125_utt3",
        "dev_dia0_utt0",
        "dev_dia0_utt1",
        "test_dia0_utt0",
        "test_dia0_utt1",
    ]
    assert [utterance.split for utterance in utterances] == ["train"] * 3 + ["val"] * 2 + ["test"] * 2
    first, second = utterances[:2]
    assert (first.transcript, first.emotion) == ("Oh my God, he’s lost it.", "sad")
    assert (first.speaker, first.gender, first.audio) == ("meld_Phoebe", "female", None)
    assert (second.speaker, second.gender, second.emotion) == ("meld_The Interviewer", None, "surprise")


def test_extracted_sound_beside_the_clips(lay):
    root = lay(
        "train/train_splits/dia0_utt0.mp4",
        "train/train_splits/dia0_utt0.wav",
        "train/train_splits/dia125_utt3.wav",
        "dev_splits_complete/dia0_utt0.flac",
        "output_repeated_splits_test/dia0_utt0.wav",
        "output_repeated_splits_test/final_videos_testdia0_utt1.wav",
        **tables(),
    )
    sounds = {utterance.id: utterance.audio for utterance in read_corpus("meld", root)}
    assert sounds["train_dia0_utt0"] == root / "train/train_splits/dia0_utt0.wav"
    assert sounds["dev_dia0_utt0"] == root / "dev_splits_complete/dia0_utt0.flac"
    assert sounds["test_dia0_utt0"] == root / "output_repeated_splits_test/dia0_utt0.wav"
    assert sounds["train_dia125_utt3"] is None  # broken as published
    assert sounds["test_dia0_utt1"] is None


FFMPEG = """\
import pathlib, sys
source, target = (pathlib.Path(sys.argv[at].removeprefix("file:")) for at in (sys.argv.index("-i") + 1, -1))
if not source.read_text():
    sys.exit("moov atom not found")
target.write_text("sound of " + source.read_text())
with open(str(pathlib.Path(__file__).parent / "calls"), "a") as calls:
    calls.write(source.name + chr(10))
"""


@pytest.fixture
def ffmpeg(tmp_path, monkeypatch):
    """A program of that name that writes what it read, and fails on an empty clip."""
    folder = tmp_path / "bin"
    folder.mkdir()
    (folder / "program.py").write_text(FFMPEG)
    (folder / "ffmpeg").write_text(f'#!/bin/sh\nexec {sys.executable} {folder}/program.py "$@"\n')
    (folder / "ffmpeg").chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")
    return folder


def test_sound_is_extracted_once_into_the_folder_that_is_named(lay, ffmpeg, tmp_path, capsys):
    clips = {
        "corpus/train/train_splits/dia0_utt0.mp4": "one",
        "corpus/train/train_splits/dia0_utt1.mp4": "",
        "corpus/train/train_splits/dia125_utt3.mp4": "broken",
        "corpus/dev_splits_complete/dia0_utt0.mp4": "two",
    }
    root = lay(**{f"corpus/{name}": text for name, text in tables().items()}, **clips) / "corpus"
    for _ in range(2):
        found = {u.id: u.audio for u in read_corpus("meld", root, {"audio": str(tmp_path / "sound")})}
        assert found["train_dia0_utt0"] == tmp_path / "sound/train/dia0_utt0.flac"
        assert found["train_dia0_utt0"].read_text() == "sound of one"
        assert found["dev_dia0_utt0"].read_text() == "sound of two"
        assert found["train_dia125_utt3"] is None
        unread = found["train_dia0_utt1"]
        assert not unread.exists()  # listed as missing by whoever prepares the manifest
    assert "dia0_utt1.mp4: ffmpeg cannot read it: moov atom not found" in capsys.readouterr().err
    assert sorted((ffmpeg / "calls").read_text().split()) == ["dia0_utt0.mp4", "dia0_utt0.mp4"]
    assert not [path for path in (tmp_path / "sound").rglob("*") if path.name.endswith(".tmp")]


def test_clips_without_a_named_folder_stay_as_they_are(lay):
    root = lay("train/train_splits/dia0_utt0.mp4", **tables())
    assert all(utterance.audio is None for utterance in read_corpus("meld", root))
    assert {path.suffix for path in root.rglob("*.*")} == {".mp4", ".csv"}


def test_no_ffmpeg(lay, monkeypatch, tmp_path):
    root = lay("train/train_splits/dia0_utt0.mp4", **tables())
    monkeypatch.setenv("PATH", str(tmp_path / "nothing"))
    message = corpus_refusal("meld", root, audio=str(tmp_path / "sound"))
    assert "there is no ffmpeg to extract the audio of 1 clips" in message
    assert "install it" in message


@pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="ffmpeg is not here")
def test_real_ffmpeg(lay, tmp_path):
    import subprocess

    import numpy as np
    import soundfile

    root = lay(**tables())
    clip = root / "train/train_splits/dia0_utt0.mp4"
    clip.parent.mkdir(parents=True)
    tone = "sine=frequency=440:sample_rate=44100:duration=1"
    subprocess.run(["ffmpeg", "-v", "error", "-f", "lavfi", "-i", tone, "-c:a", "aac", str(clip)], check=True)
    found = {u.id: u.audio for u in meld.read(root, tmp_path / "sound")}
    samples, rate = soundfile.read(found["train_dia0_utt0"])
    assert (rate, samples.ndim) == (16000, 1)
    assert abs(len(samples) / rate - 1) < 0.1
    spectrum = np.abs(np.fft.rfft(samples))
    assert abs(spectrum.argmax() * rate / len(samples) - 440) < 5


@pytest.mark.parametrize(
    ("table", "words"),
    [
        (HEADER.replace("Emotion", "Feeling") + ROWS, ["train_sent_emo.csv has no column 'Emotion'", "Feeling"]),
        (HEADER + ROWS.replace("surprise", "shock"), ["train_sent_emo.csv, row 3", "unknown emotion 'shock'"]),
        (HEADER + ROWS + ROWS, ["row 4", "'train_dia0_utt0' is already in row 2"]),
    ],
)
def test_broken_tables(lay, table, words):
    message = corpus_refusal("meld", lay(**{"train_sent_emo.csv": table}))
    for word in words:
        assert word in message


def test_the_real_tables(shared):
    utterances = read_corpus("meld", shared / "text/meld")
    assert [sum(u.split == split for u in utterances) for split in ("train", "val", "test")] == [9989, 1109, 0]
    told = differences(CARDS["meld"], utterances)
    assert "MELD: splits: test 0 (complete: 2610); scores will not compare" in told
    assert {u.id for u in utterances} >= meld.BROKEN
