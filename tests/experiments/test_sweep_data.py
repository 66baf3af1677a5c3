"""Sweeps and studies of published splits that share speakers: taken by name and told, and no leak beside that."""

import json
from dataclasses import replace

import numpy as np
import pytest
import soundfile as sf
from letters import texts

from emosllm.corpora.manifest import write_manifest
from emosllm.errors import UserError
from emosllm.experiments.grid import read_grid
from emosllm.experiments.studies import load_study, study_variants
from emosllm.experiments.sweep import SweepSettings, sweep, sweep_variants
from emosllm.experiments.sweep_data import divide_data, protocol_overrides

TOLD = "Speakers are on two sides of the split: 2 of the tested ones. MELD's official splits have them so"


def official(corpus="meld", count=24, speakers=2):
    """Train, val and test in turn, the same speakers in each."""
    return [replace(u, split=("train", "val", "test")[i % 3]) for i, u in enumerate(texts(count, speakers, corpus))]


@pytest.fixture(scope="module")
def meld(tmp_path_factory):
    path = tmp_path_factory.mktemp("meld") / "meld.csv"
    write_manifest(path, official())
    return path


@pytest.fixture(scope="module")
def plain(reader):
    """The tiny reader, its classes left to the protocol."""
    return tuple(override for override in reader if not override.startswith("labels="))


def variants_of(plain, protocol="meld", *overrides):
    return read_grid("gemma-text", protocol_overrides(protocol, [*plain, *overrides]))[0]


def test_shared_speakers_are_refused_unless_a_protocol_has_them_so(meld, plain, tmp_path):
    seven = ("labels=ekman7",)
    with pytest.raises(UserError, match=r"speaker meld_0 is in train and in test, .* \(only a published --protocol"):
        sweep("gemma-text", (*plain, *seven), [meld], tmp_path / "out", SweepSettings(folds=1))
    with pytest.raises(UserError, match="protocol lssed tests lssed, and the data have meld"):
        sweep("gemma-text", plain, [meld], tmp_path / "out", SweepSettings(protocol="lssed"))
    with pytest.raises(UserError, match=r"MELD: splits: train 8 \(complete: 9989\).*--partial goes on"):
        sweep("gemma-text", plain, [meld], tmp_path / "out", SweepSettings(protocol="meld"))
    assert not (tmp_path / "out").exists()


def test_a_sweep_takes_melds_splits_and_tells_what_is_shared(meld, plain, tmp_path):
    out = tmp_path / "out"
    settings = SweepSettings(protocol="meld", partial=True, choose_weights=True)
    results = sweep("gemma-text", (*plain, "lora.alpha=4,8"), [meld], out, settings)
    assert results.folds == {"official": {"train": 8, "val": 0, "test": 8}}
    assert results.figure == "weighted_f1"
    assert results.title.endswith("(PARTIAL)")
    assert results.notes[:2] == ("Divided as protocol meld has it.", "8 clips of the test split were left alone.")
    assert TOLD in (out / "results.md").read_text()
    assert any(note.startswith(TOLD) for note in json.loads((out / "results.json").read_text())["notes"])
    report = json.loads((out / results.rows[0].report / "report.json").read_text())
    assert report["split"] == "val"
    assert any(doubt.startswith(TOLD) for doubt in report["doubts"])
    for path in out.rglob("run.json"):  # speakers on both sides do not stop the training either
        notes = json.loads(path.read_text())
        assert (notes["train"], notes["val"], notes["recipe"]["labels"]) == (8, 8, "ekman7")
    assert sorted({row.values["lora.alpha"] for row in results.rows}) == ["4", "8"]


def test_a_study_takes_them_too(meld, plain, tmp_path):
    study = load_study("size")
    studied = study_variants(study, "gemma-text", protocol_overrides("meld", plain))
    settings = SweepSettings(protocol="meld", partial=True)
    few = studied.variants[-1:]
    results = sweep_variants(study.title, few, studied.keys, [meld], tmp_path / "out", settings, notes=studied.notes)
    assert results.notes[0].startswith("Source: ")
    assert any(note.startswith(TOLD) for note in results.notes)
    assert results.rows[0].mean is not None


@pytest.mark.parametrize(("side", "other"), [("train", "val"), ("train", "test"), ("val", "test")])
def test_a_recording_on_two_sides_is_refused_all_the_same(plain, tmp_path, side, other):
    rng = np.random.default_rng(0)
    data = [replace(u, audio=tmp_path / f"{u.id}.wav") for u in official()]
    for utterance in data:
        sf.write(utterance.audio, rng.normal(0, 0.1, 800), 16_000)
    variants = variants_of(plain)
    write_manifest(tmp_path / "m.csv", data)
    assert len(divide_data([tmp_path / "m.csv"], variants, protocol="meld", partial=True).folds) == 1
    first, second = (next(u for u in data if u.split == split) for split in (side, other))
    second.audio.write_bytes(first.audio.read_bytes())
    with pytest.raises(
        UserError, match=f"one recording, as {first.id} and as {second.id}, is in {side} and in {other}"
    ):
        divide_data([tmp_path / "m.csv"], variants, protocol="meld", partial=True)


def test_another_protocol_allows_no_shared_speaker(plain, tmp_path):
    write_manifest(tmp_path / "m.csv", official("lssed"))
    with pytest.raises(UserError, match="official: speaker lssed_0 is in train and in val"):
        divide_data([tmp_path / "m.csv"], variants_of(plain, "lssed"), protocol="lssed")
    apart = [replace(u, speaker=f"{u.split} {i % 2}") for i, u in enumerate(official("lssed"))]
    write_manifest(tmp_path / "m.csv", apart)
    divided = divide_data([tmp_path / "m.csv"], variants_of(plain, "lssed"), protocol="lssed")
    assert not divided.shared_speakers
    assert {u.id for u in divided.folds[0].test} == {u.id for u in apart if u.split == "val"}
    assert divided.folds[0].val == ()


def test_validation_drawn_from_training_is_told_and_reported_once(plain, tmp_path):
    data = [replace(u, split="train" if i < 40 else "test") for i, u in enumerate(texts(48, 12, "savee"))]
    write_manifest(tmp_path / "m.csv", data)
    variants = variants_of(plain, "emobox:savee")
    divided = divide_data([tmp_path / "m.csv"], variants, protocol="emobox:savee", partial=True)
    (fold,) = divided.folds
    assert (len(fold.train), len(fold.val), len(fold.test)) == (32, 0, 8)
    assert {u.split for u in fold.test} == {"val"}
    shared = {u.speaker for u in fold.train} & {u.speaker for u in fold.test}
    assert f"Speakers are on two sides of the split: {len(shared)} of the tested ones." in divided.notes
    assert any(note.startswith("EmoBox has no validation list here") for note in divided.notes)
    write_manifest(
        tmp_path / "second.csv", [replace(u, split="test" if i < 8 else "train") for i, u in enumerate(data)]
    )
    with pytest.raises(UserError, match="is tested in fold-1 and in fold-2"):  # drawn twice
        divide_data([tmp_path / "m.csv", tmp_path / "second.csv"], variants, protocol="emobox:savee", partial=True)


def test_what_does_not_go_with_a_protocol_is_refused(meld, plain, turns):
    variants = variants_of(plain)
    with pytest.raises(UserError, match="--folds 5 and --protocol cannot be used together: meld has its own parts"):
        divide_data([meld], variants, 5, "meld")
    with pytest.raises(UserError, match="--partial is for --protocol"):
        divide_data([meld], variants, partial=True)
    with pytest.raises(UserError, match="0 folds: give 1 or more"):
        divide_data([meld], variants, 0)
    with pytest.raises(UserError, match="labels=iemocap4: protocol meld is scored in ekman7; leave labels out"):
        divide_data([meld], variants_of(plain, "meld", "labels=iemocap4"), protocol="meld", partial=True)
    with pytest.raises(UserError, match=r"protocol iemocap-loso has no validation part of iemocap here.*--folds"):
        divide_data([turns], variants_of(plain, "iemocap-loso"), protocol="iemocap-loso", partial=True)
    with pytest.raises(UserError, match="unknown protocol 'mled'"):
        protocol_overrides("mled", plain)
