"""Folds test every clip once, share no speaker and have similar classes. Data that cannot be divided are refused."""

from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from letters import texts

from emosllm.errors import UserError
from emosllm.experiments.data.folds import cross_validation, leave_one_out, own_splits
from emosllm.experiments.data.manifests import read_manifests
from emosllm.labels import LABEL_SETS

FOUR = LABEL_SETS["iemocap4"]


def ids(side):
    return {utterance.id for utterance in side}


@given(st.integers(2, 6), st.integers(0, 1000), st.sampled_from([0, 6, 9]))
@settings(max_examples=25, deadline=None)
def test_each_clip_is_tested_once_and_each_speaker_is_on_one_side(k, seed, speakers):
    data = texts(72, speakers)
    folds = cross_validation(data, FOUR, k, seed)
    assert [fold.name for fold in folds] == [f"fold-{n}" for n in range(1, k + 1)]
    assert sorted(u.id for fold in folds for u in fold.test) == sorted(ids(data))
    for fold in folds:
        assert ids(fold.train) == ids(data) - ids(fold.test)
        assert fold.val == ()
        assert not ({u.speaker for u in fold.train} & {u.speaker for u in fold.test} - {None})
    assert cross_validation(data, FOUR, k, seed) == folds


def test_classes_are_alike_without_speakers():
    folds = cross_validation(texts(80, speakers=0), FOUR, 5)
    assert all(set(Counter(u.emotion for u in fold.test).values()) == {4} for fold in folds)


def test_another_seed_divides_otherwise():
    data = texts(80, speakers=0)
    assert cross_validation(data, FOUR, 5, 0) != cross_validation(data, FOUR, 5, 1)


def test_segments_of_one_file_stay_together():
    data = [replace(u, audio=Path(f"{i // 8}.wav"), start=i % 8, end=i % 8 + 1) for i, u in enumerate(texts(48, 0))]
    for fold in cross_validation(data, FOUR, 3):
        assert not {u.audio for u in fold.train} & {u.audio for u in fold.test}


def test_what_has_no_class_is_learned_from_unless_its_speaker_is_tested():
    data = texts(24, 6)
    silent = [replace(data[0], id="by-0", emotion=None), replace(data[0], id="by-nobody", emotion=None, speaker=None)]
    for fold in cross_validation([*data, *silent], FOUR, 3):
        assert "by-nobody" in ids(fold.train)
        tested = data[0].speaker in {u.speaker for u in fold.test}
        assert ("by-0" in ids(fold.train)) is not tested
        assert not {"by-0", "by-nobody"} & ids(fold.test)


def test_one_session_is_left_out_with_all_that_was_said_in_it():
    data = [replace(u, session=f"s{i // 8}") for i, u in enumerate(texts(24, 6))]
    data.append(replace(data[0], id="unlabelled", emotion=None, speaker="letters_9"))
    folds = leave_one_out(data, FOUR, "session")
    assert [fold.name for fold in folds] == ["fold-s0", "fold-s1", "fold-s2"]
    for fold in folds:
        left = fold.name.removeprefix("fold-")
        assert {u.session for u in fold.test} == {left}
        assert left not in {u.session for u in fold.train}
    assert ["unlabelled" in ids(fold.train) for fold in folds] == [False, True, True]


def test_the_manifests_own_splits():
    data = [replace(u, split=("train", "val", "test", None)[i // 6]) for i, u in enumerate(texts(24, 6))]
    fold = own_splits(data, FOUR)
    assert [len(side) for side in (fold.train, fold.val, fold.test)] == [6, 6, 6]
    reported = own_splits(data, FOUR, test="val")
    assert [len(side) for side in (reported.train, reported.val, reported.test)] == [6, 0, 6]
    with pytest.raises(UserError, match=r"no utterance of split 'test'.*train 6"):
        own_splits(data[:6], FOUR)


def test_the_hash_changes_with_any_side():
    fold = cross_validation(texts(24, 6), FOUR, 3)[0]
    other = replace(fold, train=fold.train[1:])
    moved = replace(fold, train=fold.train[1:], val=fold.train[:1])
    assert len({fold.digest, other.digest, moved.digest, replace(fold, name="x").digest}) == 3


@pytest.mark.parametrize(
    ("data", "k", "words"),
    [
        (texts(24, 2), 3, "2 speakers or recordings .* cannot make 3 folds"),
        (texts(24, 6), 1, "1 folds: cross-validation needs 2"),
        (texts(4, 0), 3, "every class has fewer than 3"),
        ([replace(u, emotion="bored") for u in texts(24, 6)], 3, "0 speakers or recordings"),
    ],
)
def test_what_can_not_be_divided_is_refused(data, k, words):
    with pytest.raises(UserError, match=words):
        cross_validation(data, FOUR, k)


def test_nothing_to_leave_out_is_refused():
    with pytest.raises(UserError, match="the data have 0 sessions"):
        leave_one_out(texts(), FOUR, "session")


def test_manifests_together_have_each_id_once(tmp_path):
    one, other = tmp_path / "one.csv", tmp_path / "other.csv"
    one.write_text("id,transcript,corpus\n1,hello,a\n2,there,a\n")
    other.write_text("id,transcript,corpus\n1,hello,b\n3,there,b\n")
    assert [u.id for u in read_manifests([one, other])] == ["a:1", "2", "b:1", "3"]
    other.write_text("id,transcript,corpus\n1,hello,a\n")
    with pytest.raises(UserError, match="clip '1' of a is in 2 of the manifests"):
        read_manifests([one, other])
