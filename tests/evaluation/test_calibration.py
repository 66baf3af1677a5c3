"""Planted temperatures are recovered, calibrated data have no error, and all figures equal an independent reference."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import brier_score_loss, log_loss

from emosllm.errors import UserError
from emosllm.evaluation.calibration import (
    FLOOR,
    apply_temperature,
    calibrate,
    fit_temperature,
    probability_matrix,
)
from emosllm.utterance import Prediction

LABELS = ("angry", "happy", "neutral", "sad")


def softmax(logits):
    shares = np.exp(logits - logits.max(axis=1, keepdims=True))
    return shares / shares.sum(axis=1, keepdims=True)


def named(matrix):
    return [dict(zip(LABELS, row.tolist(), strict=True)) for row in matrix]


def calibrated_world(seed, n=6000, spread=1.5):
    """Logits, and truths drawn from their softmax, so that the probabilities are calibrated."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(0, spread, (n, len(LABELS)))
    true = (softmax(logits).cumsum(axis=1) > rng.random((n, 1))).argmax(axis=1)
    return logits, [LABELS[i] for i in true]


@pytest.mark.parametrize("planted", [0.5, 1.0, 2.5])
def test_a_planted_temperature_is_found_again(planted):
    logits, true = calibrated_world(1)
    given_ = named(softmax(logits * planted))  # overconfident by the temperature `planted`
    found = fit_temperature(true, given_, LABELS)
    assert found.value == pytest.approx(planted, rel=0.08)
    assert found.nll_after <= found.nll_before + 1e-12
    assert not found.at_bound
    healed = [dict(apply_temperature(Prediction("x", "sad", each), found.value).probabilities) for each in given_]
    before, after = calibrate(true, given_, LABELS), calibrate(true, healed, LABELS)
    assert after.ece < 0.025
    assert before.accuracy == after.accuracy
    assert after.nll == pytest.approx(found.nll_after)
    if planted != 1.0:
        assert after.ece < before.ece / 2
        assert after.brier < before.brier


def test_a_calibrated_world_has_no_error_and_an_overconfident_one_has():
    logits, true = calibrated_world(2, n=20_000)
    good, bad = (calibrate(true, named(softmax(logits * sure)), LABELS) for sure in (1, 4))
    assert good.ece < 0.015
    assert good.ece_equal_mass < 0.015
    assert bad.ece > 0.1
    assert bad.ece_equal_mass > 0.1
    assert bad.confidence > bad.accuracy == good.accuracy


def test_ece_by_hand():
    # Confidences .95 right, .85 wrong, .85 right, .55 wrong; five bins: (.4, .6], (.8, 1].
    rows = [[p, 1 - p, 0, 0] for p in (0.95, 0.85, 0.85, 0.55)]
    found = calibrate(["angry", "happy", "angry", "happy"], named(np.array(rows)), LABELS, bins=5)
    assert [each.n for each in found.bins] == [0, 0, 1, 0, 3]
    assert found.bins[4].accuracy == pytest.approx(2 / 3)
    assert found.bins[4].confidence == pytest.approx(2.65 / 3)
    assert (found.bins[0].accuracy, found.bins[0].confidence) == (None, None)
    assert found.ece == pytest.approx(0.25 * 0.55 + 0.75 * (2.65 / 3 - 2 / 3))
    # Equal mass, two bins: {.55, .85, .85} (ties stay together) and {.95}.
    two = calibrate(["angry", "happy", "angry", "happy"], named(np.array(rows)), LABELS, bins=2)
    assert two.ece_equal_mass == pytest.approx(0.75 * abs(2.25 / 3 - 1 / 3) + 0.25 * 0.05)
    assert two.ece == pytest.approx(abs(3.2 / 4 - 2 / 4))


def test_edges_belong_to_the_bin_below_and_one_to_the_last():
    rows = np.array([[0.5, 0.5, 0, 0], [1, 0, 0, 0], [0.25, 0.25, 0.25, 0.25]])
    found = calibrate(["angry"] * 3, named(rows), LABELS, bins=4)
    assert [each.n for each in found.bins] == [1, 1, 0, 1]


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10_000), st.integers(2, 40))
def test_brier_and_nll_are_scikit_learns(seed, n):
    rng = np.random.default_rng(seed)
    matrix = softmax(rng.normal(0, 1, (n, 4)))
    true = rng.integers(0, 4, n)
    found = calibrate([LABELS[i] for i in true], named(matrix), LABELS)
    assert found.nll == pytest.approx(
        log_loss(true, matrix, labels=range(4)), rel=1e-4
    )  # the difference comes from the floor
    assert found.brier == pytest.approx(brier_score_loss(true, matrix, labels=range(4), scale_by_half=False))
    assert sum(each.n for each in found.bins) == n
    assert found.accuracy == pytest.approx((matrix.argmax(axis=1) == true).mean())
    shuffled = rng.permutation(n)
    again = calibrate([LABELS[true[i]] for i in shuffled], named(matrix[shuffled]), LABELS)
    assert (again.ece, again.ece_equal_mass) == pytest.approx((found.ece, found.ece_equal_mass))


def test_temperature_keeps_order_sums_to_one_and_bends_the_right_way():
    shares = {"angry": 0.6, "happy": 0.3, "neutral": 0.1, "sad": 0.0}
    prediction = Prediction("x", "angry", shares, "words")
    flat, sharp = apply_temperature(prediction, 2.0), apply_temperature(prediction, 0.5)
    assert flat.confidence < 0.6 < sharp.confidence
    for made in (flat, sharp):
        assert sum(made.probabilities.values()) == pytest.approx(1)
        assert sorted(made.probabilities, key=made.probabilities.get) == ["sad", "neutral", "happy", "angry"]
        assert (made.path, made.label, made.transcript) == ("x", "angry", "words")
    roots = {name: math.sqrt(max(p, FLOOR)) for name, p in shares.items()}
    assert flat.probabilities["happy"] == pytest.approx(roots["happy"] / sum(roots.values()))
    assert apply_temperature(prediction, 1.0) == prediction
    assert prediction.probabilities == shares
    failed = Prediction("x", error="broken")
    assert apply_temperature(failed, 2.0) is failed
    for bad in (0, -1, math.nan, math.inf):
        with pytest.raises(UserError, match="a finite number above 0"):
            apply_temperature(prediction, bad)


def test_answers_all_right_or_all_wrong_are_at_the_bound():
    right = named(np.full((20, 4), 0.1) + np.eye(4)[np.arange(20) % 4] * 0.6)
    assert fit_temperature([LABELS[i % 4] for i in range(20)], right, LABELS).at_bound
    assert fit_temperature([LABELS[(i + 1) % 4] for i in range(20)], right, LABELS).at_bound


def test_what_has_no_answer_is_counted_and_a_rounded_zero_costs_a_finite_price():
    found = calibrate(["sad", "sad", "angry"], [{}, {"sad": 1.0}, {"sad": 1.0}], LABELS)
    assert (found.n, found.left_out, found.accuracy, found.ece) == (2, 1, 0.5, 0.5)
    assert found.nll == pytest.approx(-math.log(FLOOR) / 2, rel=1e-3)


def test_one_class_and_rounding_on_disk():
    only = calibrate(["sad", "sad"], [{"sad": 1.0}, {"sad": 1.0}], ("sad",))
    assert (only.ece, only.brier, only.nll, only.accuracy) == (0, 0, 0, 1)
    rows, _, _ = probability_matrix(["sad"], [{"angry": 0.3333, "happy": 0.3333, "sad": 0.3333}], LABELS)
    assert rows.sum() == pytest.approx(1, abs=1e-12)


@pytest.mark.parametrize(
    ("reference", "probabilities", "message"),
    [
        ([], [], "no clip has probabilities"),
        (["sad"], [{}], "no clip has probabilities"),
        (["sad"], [], "1 references but 0 answers"),
        (["bored"], [{"sad": 1.0}], "reference bored is not among"),
        (["sad"], [{"sad": 0.5, "bored": 0.5}], "score in the classes that the system answers in"),
        (["sad"], [{"sad": math.nan}], "are not a distribution"),
        (["sad"], [{"sad": 1.5, "angry": -0.5}], "are not a distribution"),
    ],
)
def test_mistakes(reference, probabilities, message):
    for function in (calibrate, fit_temperature):
        with pytest.raises(UserError, match=message):
            function(reference, probabilities, LABELS)
    with pytest.raises(UserError, match="0 bins"):
        calibrate(["sad"], [{"sad": 1.0}], LABELS, bins=0)
