"""Emotion names: the words of corpora, the merges of label sets, and unknown words."""

import pytest

from emosllm.errors import UserError
from emosllm.evaluation.metrics import score
from emosllm.labels import FINER, LABEL_SETS, LETTERS, UNKNOWN, LabelSet, emotion_name, label_set


@pytest.mark.parametrize(
    ("word", "name"),
    [
        ("Anger", "angry"),
        ("ANG", "angry"),
        ("A", "angry"),
        ("U", "surprise"),
        ("pleasant surprise", "surprise"),
        ("Pleasant-Surprised", "surprise"),
        ("ps", "surprise"),
        ("fearful", "fear"),
        ("joy", "happy"),
        (" sadness ", "sad"),
        ("boredom", "bored"),
        ("exc", "excited"),
        ("calm", "calm"),
    ],
)
def test_words_of_corpora(word, name):
    assert emotion_name(word) == name


@pytest.mark.parametrize("word", ["X", "xxx", "", "no agreement", "Unknown"])
def test_no_label(word):
    assert emotion_name(word) is None


@pytest.mark.parametrize("word", ["hangry", "a", "Z"])
def test_unknown_words_are_refused_with_the_known(word):
    with pytest.raises(UserError) as caught:
        emotion_name(word)
    message = str(caught.value)
    assert repr(word) in message
    assert "known are angry, sad, happy, " in message
    assert ("did you mean angry" in message) == (word == "hangry")
    assert len(message) < 300
    assert "A S H U F D C N O" in message


def test_every_name_and_letter_means_itself():
    assert {emotion_name(name) for name in (*LETTERS, *FINER)} == {*LETTERS, *FINER}
    assert {name: emotion_name(letter) for name, letter in LETTERS.items()} == {name: name for name in LETTERS}
    assert "X" not in LETTERS.values()


@pytest.mark.parametrize("name", LABEL_SETS)
def test_sets_answer_with_their_own_names(name):
    chosen = label_set(name)
    assert [chosen.classify(emotion) for emotion in chosen.names] == list(chosen.names)
    assert chosen.classify(None) is None
    assert {chosen.classify(emotion) for emotion in (*LETTERS, *FINER)} <= {*chosen.names, None}


def test_merges_and_gaps():
    assert label_set("ekman7").classify("calm") == "neutral"
    assert label_set("iemocap4").classify("excited") == "happy"
    assert label_set("iemocap4").classify("fear") is None
    assert label_set("ravdess8").classify("calm") == "calm"
    assert label_set("msp8").classify("other") is None
    assert label_set("msp9").letters == tuple("ASHUFDCNO")


def test_a_part_of_a_set_keeps_its_order_and_merges():
    part = label_set("msp9").only(["neutral", "anger"])
    assert part.names == ("angry", "neutral")
    assert part.classify("calm") == "neutral"
    assert part.classify("sad") is None


def test_a_part_that_the_set_lacks():
    with pytest.raises(UserError, match=r"'iemocap4' has no fear; it can answer angry, happy, neutral, sad"):
        label_set("iemocap4").only(["fear", "sad"])


def test_unknown_set():
    with pytest.raises(UserError, match=r"'ekman5': known are .*ekman6"):
        label_set("ekman5")


def test_a_set_of_unknown_emotions_is_our_mistake():
    with pytest.raises(AssertionError):
        LabelSet("mine", ("angry", "hangry"))
    with pytest.raises(AssertionError):
        LabelSet("mine", ("angry",), {"calm": "neutral"})


def test_unknown_is_an_answer_and_never_what_was_spoken():
    heads = label_set("emotion2vec9")
    assert heads.names[-1] == UNKNOWN
    assert heads.only(["sad", "unknown"]).names == ("sad", UNKNOWN)
    assert heads.classify(UNKNOWN) == UNKNOWN  # only as an answer; no corpus's word maps to it
    assert emotion_name(UNKNOWN) is None
    assert UNKNOWN not in {heads.classify(emotion) for emotion in (*LETTERS, *FINER, None)}
    for merges in ({"calm": UNKNOWN}, {UNKNOWN: "sad"}):
        with pytest.raises(AssertionError):
            LabelSet("mine", ("sad", UNKNOWN), merges)


def test_unknown_is_wrong_and_no_class_of_the_means():
    scores = score(["sad", "sad", "angry"], ["sad", UNKNOWN, "angry"], label_set("emotion2vec9").names)
    assert [one.name for one in scores.per_class] == ["angry", "sad"]
    assert (scores.ua, scores.unanswered) == (0.75, 0)
