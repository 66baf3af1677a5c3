"""Folds with planted leakage are refused, one test for each kind; clean folds pass."""

from dataclasses import replace

import numpy as np
import pytest
import soundfile as sf
from letters import texts

from emosllm.errors import UserError
from emosllm.experiments.data import leakage
from emosllm.experiments.data.folds import Fold, cross_validation
from emosllm.experiments.data.leakage import check_folds
from emosllm.labels import LABEL_SETS


def clean():
    """One fold with three parts, each with speakers of its own."""
    data = texts(48, 12)
    return Fold("fold-1", tuple(data[:32]), tuple(data[32:40]), tuple(data[40:]))


@pytest.fixture
def sounds(tmp_path):
    """The same fold with recordings of equal length and therefore equal size."""
    rng = np.random.default_rng(0)
    sides = []
    for side in (clean().train, clean().val, clean().test):
        for utterance in side:
            sf.write(tmp_path / f"{utterance.id}.wav", rng.normal(0, 0.1, 800), 16_000)
        sides.append(tuple(replace(u, audio=tmp_path / f"{u.id}.wav") for u in side))
    return Fold("fold-1", *sides)


def test_clean_folds_pass_without_a_word(sounds):
    assert check_folds([clean()]) == []
    assert check_folds([sounds]) == []
    assert check_folds(cross_validation(texts(48, 12), LABEL_SETS["iemocap4"], 4)) == []


@pytest.mark.parametrize(("one", "other"), [("train", "test"), ("train", "val"), ("val", "test")])
def test_a_speaker_on_two_sides(one, other):
    fold = clean()
    first, second = getattr(fold, one), getattr(fold, other)
    planted = replace(fold, **{other: (*second[:-1], replace(second[-1], speaker=first[0].speaker))})
    with pytest.raises(UserError, match=f"fold-1: speaker {first[0].speaker} is in {one} and in {other}"):
        check_folds([planted])


def test_speakers_shared_by_a_published_split_are_noted():
    fold = clean()
    planted = replace(fold, test=(*fold.test, replace(fold.test[0], id="more", speaker=fold.train[0].speaker)))
    (note,) = check_folds([planted], "The authors have it so.")
    assert note == "Speakers are on two sides of the split: 1 of the tested ones. The authors have it so."


def test_the_validation_set_is_the_test_set():
    with pytest.raises(UserError, match="the validation set is the test set"):
        check_folds([replace(clean(), val=clean().test)])


def test_the_validation_set_overlaps_the_test_set():
    fold = clean()
    with pytest.raises(UserError, match=r"1 clips of the validation set are in the test set, such as letters-0047"):
        check_folds([replace(fold, val=(*fold.val, fold.test[-1]))])


def test_a_clip_on_two_sides():
    fold = clean()
    with pytest.raises(UserError, match="clip letters-0047 is in train and in test"):
        check_folds([replace(fold, train=(*fold.train, fold.test[-1]))], "Even where speakers may.")


def test_the_same_recording_under_another_name(sounds, tmp_path):
    copy = tmp_path / "nobody-would-know.wav"
    copy.write_bytes(sounds.test[3].audio.read_bytes())
    planted = replace(sounds, train=(*sounds.train, replace(sounds.train[0], id="copy", audio=copy)))
    with pytest.raises(UserError, match="one recording, as copy and as letters-0043, is in train and in test"):
        check_folds([planted])


def test_the_same_recording_in_memory():
    samples = np.ones(800, np.float32)
    fold = clean()
    planted = replace(
        fold,
        train=(*fold.train, replace(fold.train[0], id="one", audio=samples)),
        test=(*fold.test, replace(fold.test[0], id="other", audio=samples.copy())),
    )
    with pytest.raises(UserError, match="one recording, as one and as other,"):
        check_folds([planted])


def test_segments_of_one_file_that_overlap_and_that_do_not(sounds):
    whole = sounds.train[0]
    early = replace(whole, id="early", start=0.0, end=0.02)
    late = replace(sounds.test[0], id="late", audio=whole.audio, start=0.02, end=0.05)
    train = (early, *sounds.train[1:])
    assert check_folds([replace(sounds, train=train, test=(*sounds.test, late))]) == []
    with pytest.raises(UserError, match="one recording, as early and as late"):
        check_folds([replace(sounds, train=train, test=(*sounds.test, replace(late, start=0.015)))])


def test_corpora_that_hold_each_other_are_not_mixed():
    fold = clean()
    renamed = [tuple(replace(u, corpus=name) for u in side) for name, side in
               (("meacorpus", fold.train), ("meacorpus", fold.val), ("emospeech", fold.test))]  # fmt: skip
    with pytest.raises(UserError, match="emospeech and meacorpus must not be used together"):
        check_folds([Fold("fold-1", *renamed)])


def test_a_clip_that_is_tested_twice():
    folds = cross_validation(texts(48, 12), LABEL_SETS["iemocap4"], 4)
    fold = folds[1]
    taken = folds[0].test[0]
    speaker = [u for u in fold.train if u.speaker == taken.speaker]
    moved = replace(fold, train=tuple(u for u in fold.train if u not in speaker), test=(*fold.test, taken))
    with pytest.raises(UserError, match=f"clip {taken.id} is tested in fold-1 and in fold-2"):
        check_folds([folds[0], moved])


def test_unknown_speakers_are_noted():
    nobody = [replace(u, speaker=None) for u in texts(48, 12)]
    folds = cross_validation(nobody, LABEL_SETS["iemocap4"], 4)
    assert check_folds(folds) == [
        "The test clips name no speakers, so no check for speakers on two sides was possible."
    ]
    fold = clean()
    some = replace(fold, test=(*fold.test[:-1], replace(fold.test[-1], speaker=None)))
    assert check_folds([some]) == ["1 of 8 test clips name no speaker, so their speakers may be on two sides."]


def test_contents_distinguish_files_of_one_size_and_read_no_others(tmp_path, monkeypatch):
    long = bytes(70_000)
    files = {"a": b"12", "b": b"21", "c": b"123", "d": long + b"1", "e": long + b"2", "f": long + b"1"}
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
    opened, read = [], leakage._hash_beginning
    monkeypatch.setattr(leakage, "_hash_beginning", lambda path: opened.append(path.name) or read(path))
    clips = [replace(u, id=name, audio=tmp_path / name) for u, name in zip(texts(6), files, strict=True)]
    clips += [replace(clips[0], id="again"), replace(clips[0], id="gone", audio=tmp_path / "gone")]
    names = leakage.contents_of(clips)
    assert names["d"] == names["f"]
    assert names["a"] == names["again"]
    assert len({names[each] for each in "abcde"}) == 5
    assert sorted(opened) == ["a", "b", "d", "e", "f"]  # nothing has the size of c
