"""UA, WA, F1 and WER equal scikit-learn's figures and counts by hand."""

import warnings
from dataclasses import fields
from typing import get_args

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import accuracy_score, balanced_accuracy_score, confusion_matrix, f1_score

from emosllm.errors import UserError
from emosllm.evaluation.metrics import METRICS, Scores, normalise_transcript, score, word_error_rate
from emosllm.recipe_parts import Metric

LABELS = ("angry", "happy", "neutral", "sad")
PAIRS = st.lists(st.tuples(st.sampled_from(LABELS), st.sampled_from([*LABELS, None, "bored", ""])), min_size=1)


@settings(max_examples=150, deadline=None)
@given(PAIRS)
def test_every_figure_is_scikit_learns(pairs):
    reference = [true for true, _ in pairs]
    predicted = [answer for _, answer in pairs]
    plain = [answer if answer in LABELS else "none" for answer in predicted]
    present = sorted(set(reference))
    scores = score(reference, predicted, LABELS)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # scikit-learn warns about answers that no reference has
        assert scores.ua == pytest.approx(balanced_accuracy_score(reference, plain))
    assert scores.wa == pytest.approx(accuracy_score(reference, plain))
    for kind, figure in (("macro", scores.macro_f1), ("weighted", scores.weighted_f1)):
        assert figure == pytest.approx(f1_score(reference, plain, labels=present, average=kind, zero_division=0))
    each = f1_score(reference, plain, labels=present, average=None, zero_division=0)
    assert [entry.f1 for entry in scores.per_class] == pytest.approx(list(each))
    assert [entry.name for entry in scores.per_class] == present
    expected = confusion_matrix(reference, plain, labels=[*LABELS, "none"])[:-1]
    assert np.array_equal(scores.confusion, expected)
    assert scores.n == len(pairs) == sum(map(sum, scores.confusion))
    assert scores.unanswered == plain.count("none")


def test_the_choices_of_a_recipe_are_the_metrics_and_each_is_a_score():
    assert set(get_args(Metric)) == set(METRICS) <= {field.name for field in fields(Scores)}


def test_by_hand():
    scores = score(["sad", "sad", "sad", "angry"], ["sad", "angry", None, "angry"], ("angry", "sad", "other"))
    assert (scores.n, scores.unanswered) == (4, 1)
    assert scores.wa == 0.5
    assert scores.ua == pytest.approx((1 + 1 / 3) / 2)
    angry, sad = scores.per_class
    assert (angry.name, angry.recall, angry.precision, angry.support) == ("angry", 1.0, 0.5, 1)
    assert (sad.name, sad.precision, sad.support) == ("sad", 1.0, 3)
    assert sad.f1 == pytest.approx(0.5)
    assert scores.confusion == ((1, 0, 0, 0), (1, 1, 0, 1), (0, 0, 0, 0))


def test_an_absent_class_does_not_lower_the_figures():
    few = score(["sad", "angry"], ["sad", "angry"], ("angry", "sad"))
    many = score(["sad", "angry"], ["sad", "angry"], ("angry", "sad", "contempt", "other"))
    assert few.ua == many.ua == few.macro_f1 == many.macro_f1 == 1


def test_no_answer_at_all_is_zero_and_not_an_error():
    scores = score(["sad", "angry"], [None, None], LABELS)
    assert (scores.wa, scores.ua, scores.macro_f1, scores.weighted_f1, scores.unanswered) == (0, 0, 0, 0, 2)


@pytest.mark.parametrize(
    ("reference", "predicted", "message"),
    [
        (["sad"], [], "1 references but 0 answers"),
        ([], [], "nothing to score"),
        (["sad", "fear"], ["sad", "sad"], "fear is not among the labels angry"),
    ],
)
def test_mistakes(reference, predicted, message):
    with pytest.raises(UserError, match=message):
        score(reference, predicted, LABELS)


def test_without_scikit_learn_the_way_out_is_named(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "sklearn.metrics", None)
    with pytest.raises(UserError, match=r"pip install 'emosllm\[eval\]'"):
        score(["sad"], ["sad"], LABELS)


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("Kids, are TALKING by the door!", "kids are talking by the door"),
        ("Don’t `quote' the dogs' tails", "don't quote the dogs tails"),
        ("well-known—yes\tand\u00a0no", "well known yes and no"),
        ("ﬁne Ａ ＡＢＣ", "fine a abc"),
        ("Über die Straße", "über die straße"),
        ("Cafe\u0301", "café"),
        ("हिन्दी में", "हिन्दी में"),
        ("zero\u200bwidth", "zerowidth"),
        ("costs $5.", "costs 5"),
        ("snake_case", "snake case"),
        ("H\u0331", "\u1e96"),
        ("e\u200b\u0301", "é"),
        (" … ", ""),
        ("", ""),
    ],
)
def test_normalising(text, plain):
    assert normalise_transcript(text) == plain


@settings(max_examples=200, deadline=None)
@given(st.text())
def test_normalising_twice_changes_nothing(text):
    once = normalise_transcript(text)
    assert once == " ".join(once.split())
    assert set(once) & set('.,;:!?"()[]-_') == set()
    assert normalise_transcript(once) == once


def test_wer_by_hand():
    # One substitution, one deletion, one insertion; seven words.
    said = ["Kids are talking", "by the door, now.", "…"]
    heard = ["kids were talking", "by the the door", "left out"]
    assert word_error_rate(said, heard) == pytest.approx(3 / 7)


def test_an_empty_transcript_is_all_words_deleted():
    assert word_error_rate(["a b", "c d"], ["", "c d"]) == 0.5
    assert word_error_rate(["a b", "c d"], [None, "?!"]) == 1.0


def test_wer_can_exceed_one_and_needs_a_word():
    assert word_error_rate(["a"], ["b c d"]) == 3.0
    assert word_error_rate(["", "–"], ["b", None]) is None
    assert word_error_rate([], []) is None
    with pytest.raises(UserError, match="1 transcripts but 0"):
        word_error_rate(["a"], [])
