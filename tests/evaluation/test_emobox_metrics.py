"""Our figures equal EmoBox's where its definitions agree with ours, and differ as stated elsewhere.

EmoBox (EmoBox/EmoEval.py) calls scikit-learn with its defaults: accuracy for WA, balanced accuracy for UA, F1 `micro`
and `macro`. Its macro F1 is over the classes of reference and answers together; ours over those of the reference. It
knows no missing answer and no weighted F1.
"""

import warnings

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import accuracy_score, balanced_accuracy_score, f1_score

from emosllm.evaluation.metrics import score

LABELS = ("angry", "happy", "neutral", "sad")
PAIRS = st.lists(st.tuples(st.sampled_from(LABELS), st.sampled_from(LABELS)), min_size=1, max_size=60)


def emobox(reference, predicted):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of answers that no reference has
        ua = balanced_accuracy_score(reference, predicted)
    return {
        "WA": accuracy_score(reference, predicted),
        "UA": ua,
        "MicroF1": f1_score(reference, predicted, average="micro"),
        "MacroF1": f1_score(reference, predicted, average="macro", zero_division=0),
    }


@settings(max_examples=80, deadline=None)
@given(PAIRS)
def test_ua_and_wa_are_equal_and_f1_without_absent_classes(pairs):
    reference, predicted = zip(*pairs, strict=True)
    ours, theirs = score(reference, predicted, LABELS), emobox(reference, predicted)
    assert ours.wa == pytest.approx(theirs["WA"])
    assert ours.ua == pytest.approx(theirs["UA"])
    assert ours.wa == pytest.approx(theirs["MicroF1"])  # which is why we give no micro F1
    spoken, called = set(reference), set(predicted)
    # In their mean, a class that is answered and does not occur in the reference counts with an F1 of 0.
    assert ours.macro_f1 * len(spoken) / len(spoken | called) == pytest.approx(theirs["MacroF1"])
    if called <= spoken:
        assert ours.macro_f1 == pytest.approx(theirs["MacroF1"])


def test_where_they_differ():
    reference, predicted = ["sad", "sad", "angry"], ["sad", "happy", "angry"]
    assert score(reference, predicted, LABELS).macro_f1 == pytest.approx((2 / 3 + 1) / 2)
    assert emobox(reference, predicted)["MacroF1"] == pytest.approx((2 / 3 + 1 + 0) / 3)


def test_a_missing_answer_counts_here_as_a_wrong_class_counts_there():
    reference, predicted = ["sad", "sad", "angry"], ["sad", None, "angry"]
    ours, theirs = score(reference, predicted, LABELS), emobox(reference, ["sad", "neutral", "angry"])
    assert (ours.wa, ours.ua) == pytest.approx((theirs["WA"], theirs["UA"]))
