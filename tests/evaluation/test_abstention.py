"""The risk-coverage curve against counts by hand and by brute force; abstention removes labels and nothing else."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emosllm.errors import UserError
from emosllm.evaluation.abstention import abstain_below, abstention_scores, risk_coverage
from emosllm.evaluation.metrics import score
from emosllm.utterance import Prediction

LABELS = ("angry", "happy", "sad")


def test_the_curve_by_hand():
    # In descending confidence: right, wrong, right, wrong.
    curve = risk_coverage(["sad"] * 4, ["sad", "angry", "sad", "angry"], [0.9, 0.8, 0.7, 0.6])
    assert curve.thresholds == (0.9, 0.8, 0.7, 0.6)
    assert curve.coverage == (0.25, 0.5, 0.75, 1)
    assert curve.risk == pytest.approx((0, 1 / 2, 1 / 3, 1 / 2))
    assert curve.aurc == pytest.approx((0 + 1 / 2 + 1 / 3 + 1 / 2) / 4)
    assert curve.aurc_best == pytest.approx((0 + 0 + 1 / 3 + 2 / 4) / 4)
    assert curve.aurc_random == 0.5


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.booleans(), st.sampled_from([0.1, 0.5, 0.9, None])), min_size=1, max_size=6))
def test_ties_are_the_mean_over_all_their_orders(clips):
    right, sure = zip(*clips, strict=True)
    curve = risk_coverage(["sad"] * len(clips), ["sad" if r else "angry" for r in right], sure)
    key = [-1 if s is None else s for s in sure]
    areas = []
    for order in itertools.permutations(range(len(clips))):
        if all(key[a] >= key[b] for a, b in itertools.pairwise(order)):
            wrong = np.cumsum([not right[i] for i in order])
            areas.append(np.mean(wrong / np.arange(1, len(clips) + 1)))
    assert curve.aurc == pytest.approx(np.mean(areas))
    assert curve.aurc_best <= curve.aurc + 1e-12
    assert curve.coverage[-1] == 1
    assert curve.risk[-1] == pytest.approx(curve.aurc_random)


def test_informative_confidence_has_a_lower_aurc_than_random():
    rng = np.random.default_rng(0)
    sure = rng.random(2000)
    right = rng.random(2000) < sure
    answers = ["sad" if r else "angry" for r in right]
    knows = risk_coverage(["sad"] * 2000, answers, sure.tolist())
    guesses = risk_coverage(["sad"] * 2000, answers, rng.random(2000).tolist())
    assert knows.aurc < 0.6 * guesses.aurc
    assert guesses.aurc == pytest.approx(guesses.aurc_random, abs=0.05)


def test_scores_above_a_threshold():
    reference, predicted = ["sad", "sad", "angry", "happy"], ["sad", "angry", "angry", None]
    sure = [0.9, 0.4, 0.5, None]
    half = abstention_scores(reference, predicted, sure, LABELS, 0.5)
    assert (half.n, half.covered, half.coverage) == (4, 2, 0.5)
    assert half.scores == score(["sad", "angry"], ["sad", "angry"], LABELS)
    everything = abstention_scores(reference, predicted, sure, LABELS, 0)
    assert everything.coverage == 0.75  # a clip without an answer stays without one at every threshold
    nothing = abstention_scores(reference, predicted, sure, LABELS, 1)
    assert (nothing.covered, nothing.scores) == (0, None)
    curve = risk_coverage(reference, predicted, sure)
    assert (curve.coverage[-1], curve.risk[-1]) == (1, 0.5)


def test_abstaining_keeps_all_but_the_label():
    unsure = Prediction("x", "sad", {"sad": 0.4, "angry": 0.3, "happy": 0.3}, "words")
    held = abstain_below(unsure, 0.41)
    assert (held.label, held.error, held.confidence) == (None, None, None)
    assert (held.path, held.probabilities, held.transcript) == ("x", unsure.probabilities, "words")
    assert abstain_below(unsure, 0.4) is unsure
    failed = Prediction("x", error="broken")
    assert abstain_below(failed, 0.9) is failed
    for threshold in (-0.1, 1.1, float("nan")):
        with pytest.raises(UserError, match="a confidence between 0 and 1"):
            abstain_below(failed, threshold)


def test_mistakes():
    with pytest.raises(UserError, match="there are no clips"):
        risk_coverage([], [], [])
    with pytest.raises(UserError, match="1 references, 2 answers and 1 confidences"):
        risk_coverage(["sad"], ["sad", "sad"], [0.5])
    for sure in (1.5, float("nan"), -0.2):
        with pytest.raises(UserError, match="a number between 0 and 1 is needed"):
            risk_coverage(["sad"], ["sad"], [sure])
    with pytest.raises(UserError, match=r"threshold 2: a confidence"):
        abstention_scores(["sad"], ["sad"], [0.5], LABELS, 2)
