"""The command `samples`: from a real repository of audb on this disk, from copies, and without a network."""

import csv
import shutil

import pytest

pytest.importorskip("audb")

import audb
import audb_repository
import numpy as np
import soundfile as sf
from commandline import emosllm, refused

from emosllm.corpora.manifest import read_manifest
from emosllm.corpora.samples import LICENCE_FILE, STEMS

FILES = sorted([*(f"{stem}.wav" for stem in STEMS), LICENCE_FILE, "manifest.csv"])


@pytest.fixture
def copy(tmp_path):
    """A copy of the corpus in its original layout."""
    audb_repository.make_database(tmp_path / "copy")
    return tmp_path / "copy"


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_samples_from_audb(published, tmp_path):
    answer = emosllm("samples", tmp_path / "mine")
    assert answer.code == 0, answer
    assert names(tmp_path / "mine") == FILES
    assert str(tmp_path / "mine" / "12a05Nd.wav") in answer.out
    assert "eight recordings of EMO-DB (CC0 1.0)" in answer.err
    for stem in STEMS:
        written, rate = sf.read(tmp_path / "mine" / f"{stem}.wav", dtype="int16")
        assert rate == 16_000
        assert np.array_equal(written, sf.read(tmp_path / "new" / "wav" / f"{stem}.wav", dtype="int16")[0])


def test_the_manifest_and_the_licence(copy, tmp_path):
    assert emosllm("samples", tmp_path / "mine", "--from", copy).code == 0
    utterances = read_manifest(tmp_path / "mine" / "manifest.csv")
    assert sorted((u.emotion, u.speaker) for u in utterances) == sorted(
        (emotion, f"emodb_{speaker}") for emotion in ("angry", "happy", "neutral", "sad") for speaker in (12, 14)
    )
    assert {(u.language, u.split, u.audio.is_file()) for u in utterances} == {("de", "test", True)}
    assert utterances[0].transcript.startswith("Das schwarze Stück Papier")
    with (tmp_path / "mine" / "manifest.csv").open(encoding="utf-8") as lines:
        assert {row["licence"] for row in csv.DictReader(lines)} == {"CC0-1.0"}
    licence = (tmp_path / "mine" / LICENCE_FILE).read_text("utf-8")
    assert "creativecommons.org/publicdomain/zero/1.0" in licence
    assert "Burkhardt" in licence


@pytest.mark.parametrize("layout", ["flac", "flat", "audformat"])
def test_samples_from_copies_of_the_corpus(layout, copy, tmp_path):
    first, _ = sf.read(copy / "wav" / "12a05Nd.wav", dtype="int16")
    if layout == "flac":
        for path in (copy / "wav").iterdir():
            sf.write(path.with_suffix(".flac"), *sf.read(path, dtype="int16"), subtype="PCM_16")
            path.unlink()
    if layout == "audformat":  # emodb 2.0.0 has laryngograms of the same names beside the recordings
        shutil.copytree(copy / "wav", copy / "laryngo")
    source = copy / "wav" if layout == "flat" else copy
    assert emosllm("samples", tmp_path / "mine", "--from", source).code == 0
    assert names(tmp_path / "mine") == FILES
    assert np.array_equal(first, sf.read(tmp_path / "mine" / "12a05Nd.wav", dtype="int16")[0])


def test_samples_are_written_again_over_samples_only(copy, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert emosllm("samples", "--from", copy).code == 0
    (tmp_path / "samples" / "12a05Nd.wav").write_bytes(b"")
    assert emosllm("samples", "--from", copy).code == 0
    assert names(tmp_path / "samples") == FILES
    assert sf.info(tmp_path / "samples" / "12a05Nd.wav").frames == 4_800
    assert "it holds files but no LICENCE-EMO-DB.txt" in refused("samples", copy, "--from", copy)
    assert (copy / "wav").is_dir()


def test_a_copy_without_a_sample_or_with_a_broken_one(copy, tmp_path):
    (copy / "wav" / "14b02Tc.wav").write_bytes(b"no sound")
    assert "14b02Tc.wav is not audio" in refused("samples", tmp_path / "mine", "--from", copy)
    (copy / "wav" / "14b02Tc.wav").unlink()
    message = refused("samples", tmp_path / "mine", "--from", copy)
    assert f"{copy} has no wav/14b02Tc.wav or .flac: --from needs a copy of EMO-DB" in message
    assert not (tmp_path / "mine").exists()


def test_without_a_network(tmp_path, monkeypatch):
    monkeypatch.setattr("time.sleep", lambda seconds: None)  # between the client's tries
    monkeypatch.setattr(audb.config, "REPOSITORIES", [audb.Repository("audb-public", "127.0.0.1:9", "s3")])
    message = refused("samples", tmp_path / "mine")
    assert message.startswith("emosllm: audb cannot reach its repository audb-public at 127.0.0.1:9: ")
    assert "Connection refused" in message
    assert "--from FOLDER" in message
    assert not (tmp_path / "mine").exists()


def test_without_the_package(tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "audb", None)
    message = refused("samples", tmp_path / "mine")
    assert "pip install 'emosllm[corpora]'" in message
    assert "--from FOLDER" in message
