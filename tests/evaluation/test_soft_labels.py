"""Votes become shares as stated, and divergences equal scipy's and sums by hand."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import entropy

from emosllm.errors import UserError
from emosllm.evaluation.soft_labels import SMOOTHING, soft_label, soft_scores
from emosllm.labels import label_set

FOUR = label_set("iemocap4")
COUNTS = st.lists(st.integers(0, 5), min_size=4, max_size=4).filter(any)
WEIGHTS = st.lists(st.floats(0.01, 1), min_size=4, max_size=4)


def named(shares):
    return dict(zip(FOUR.names, shares, strict=True))


def test_votes_merge_drop_and_divide():
    made = soft_label({"angry": 2, "excited": 1, "happy": 1, "fear": 3, "disgust": 0}, FOUR)
    assert made.shares == {"angry": 0.5, "happy": 0.5, "neutral": 0, "sad": 0}
    assert (made.votes, made.dropped) == (4, {"fear": 3})
    assert made.majority == ("angry", "happy")
    assert soft_label({"angry": 3, "sad": 1}, FOUR).majority == ("angry",)
    assert soft_label({"fear": 3}, FOUR) is None
    assert soft_label({}, FOUR) is None
    for count in (-1, math.nan, math.inf):
        with pytest.raises(UserError, match="votes for angry: a number from 0"):
            soft_label({"angry": count}, FOUR)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(COUNTS, WEIGHTS), min_size=1, max_size=5))
def test_figures_are_scipys(clips):
    shares = [np.array(counts) / sum(counts) for counts, _ in clips]
    given_ = [np.array(weights) / sum(weights) for _, weights in clips]
    found = soft_scores(
        [soft_label(named(counts), FOUR) for counts, _ in clips], [named(q) for q in given_], FOUR.names
    )
    smooth = [(q + SMOOTHING) / (q + SMOOTHING).sum() for q in given_]
    assert found.kl == pytest.approx(np.mean([entropy(p, q) for p, q in zip(shares, smooth, strict=True)]))
    cross = [-(p * np.log(q)).sum() for p, q in zip(shares, smooth, strict=True)]
    assert found.cross_entropy == pytest.approx(np.mean(cross))
    middle = [(p + q) / 2 for p, q in zip(shares, given_, strict=True)]
    js = [(entropy(p, m, 2) + entropy(q, m, 2)) / 2 for p, q, m in zip(shares, given_, middle, strict=True)]
    assert found.jensen_shannon == pytest.approx(np.mean(js), abs=1e-9)
    assert 0 <= found.jensen_shannon <= 1 + 1e-9
    best = [q.argmax() for q in given_]
    assert found.agreement == pytest.approx(np.mean([p[i] for p, i in zip(shares, best, strict=True)]))
    assert found.accuracy == pytest.approx(np.mean([p[i] == p.max() for p, i in zip(shares, best, strict=True)]))


def test_equal_and_opposite():
    sad = soft_label({"sad": 3}, FOUR)
    equal = soft_scores([sad], [named([0, 0, 0, 1])], FOUR.names)
    assert (equal.jensen_shannon, equal.accuracy, equal.agreement) == (0, 1, 1)
    assert equal.kl == pytest.approx(-math.log((1 + SMOOTHING) / (1 + 4 * SMOOTHING)))
    opposite = soft_scores([sad], [named([1, 0, 0, 0])], FOUR.names)
    assert (opposite.jensen_shannon, opposite.accuracy, opposite.agreement) == (pytest.approx(1), 0, 0)
    assert math.isfinite(opposite.kl)


def test_any_of_several_majorities_is_right_and_what_is_missing_is_counted():
    tie = soft_label({"sad": 2, "angry": 2, "neutral": 1, "fear": 1}, FOUR)
    found = soft_scores(
        [tie, tie, tie, tie, None],
        [
            named([0.4, 0.2, 0.2, 0.2]),
            named([0.1, 0.1, 0.1, 0.7]),
            named([0.2, 0.2, 0.4, 0.2]),
            {},
            named([1, 0, 0, 0]),
        ],
        FOUR.names,
    )
    assert (found.n, found.left_out, found.unanswered, found.ties) == (4, 1, 1, 4)
    assert found.accuracy == 2 / 4
    assert found.agreement == pytest.approx((0.4 + 0.4 + 0.2) / 4)
    assert found.dropped == {"fear": 4}
    silent = soft_scores([tie], [{}], FOUR.names)
    assert (silent.accuracy, silent.jensen_shannon, silent.kl, silent.cross_entropy) == (0, None, None, None)


def test_mistakes():
    sad = soft_label({"sad": 1}, FOUR)
    with pytest.raises(UserError, match="no clip has votes"):
        soft_scores([None], [named([1, 0, 0, 0])], FOUR.names)
    with pytest.raises(UserError, match="1 clips with votes but 0 answers"):
        soft_scores([sad], [], FOUR.names)
    with pytest.raises(UserError, match="not a distribution"):
        soft_scores([sad], [named([0.5, 0, 0, 0])], FOUR.names)
