"""CCC equals Lin's formula, is 1 for equal and -1 for mirrored values, and its interval has the stated coverage."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emosllm.errors import UserError
from emosllm.evaluation.concordance import concordance

VALUES = st.lists(st.tuples(st.floats(1, 7), st.floats(1, 7)), min_size=2, max_size=40)


def lin(x, y):
    x, y = np.asarray(x), np.asarray(y)
    return 2 * np.mean((x - x.mean()) * (y - y.mean())) / (x.var() + y.var() + (x.mean() - y.mean()) ** 2)


@settings(max_examples=100, deadline=None)
@given(VALUES.filter(lambda rows: np.ptp([x for x, _ in rows]) > 1e-2 and np.ptp([y for _, y in rows]) > 1e-2))
def test_is_lins_formula(rows):
    x, y = zip(*rows, strict=True)
    found = concordance(x, y, [None] * len(x), resamples=10)
    assert found.ccc == pytest.approx(lin(x, y), abs=1e-9)
    assert found.pearson == pytest.approx(np.corrcoef(x, y)[0, 1], abs=1e-6)
    assert found.mean_error == pytest.approx(np.mean(y) - np.mean(x))
    assert abs(found.ccc) <= abs(found.pearson) + 1e-9


def test_the_same_the_mirrored_the_shifted_and_the_stretched():
    x = np.random.default_rng(0).normal(4, 1, 200)
    who = [f"s{i % 8}" for i in range(200)]
    same, mirrored = concordance(x, x, who), concordance(x, 2 * x.mean() - x, who)
    assert (same.ccc, same.pearson, same.mean_error) == (pytest.approx(1), pytest.approx(1), 0)
    assert (same.interval.low, same.interval.high) == (pytest.approx(1), pytest.approx(1))
    assert mirrored.ccc == pytest.approx(-1)
    shifted = concordance(x, x + 1, who)
    assert shifted.pearson == pytest.approx(1)
    assert shifted.ccc == pytest.approx(2 * x.var() / (2 * x.var() + 1))
    assert concordance(x, 4 + 2 * (x - 4), who).ccc < 0.9
    assert concordance(x + 1e6, x + 1e6, who).ccc == pytest.approx(1)  # far from 0, sums of squares would fail


def test_constants_have_no_correlation_or_none_that_is_defined():
    flat = concordance([1.0, 2.0, 3.0], [2.0, 2.0, 2.0], ["a", "b", "c"])
    assert (flat.ccc, flat.pearson) == (0, None)
    assert concordance([0.3] * 3, [0.7] * 3, [None] * 3).ccc == 0
    alike = concordance([0.1] * 3, [0.1] * 3, [None] * 3)
    assert (alike.ccc, alike.pearson, alike.interval) == (None, None, None)
    one = concordance([1.0, 2.0], [1.0, 2.0], ["a", "a"])
    assert (one.ccc, one.interval, one.speakers) == (pytest.approx(1), None, 1)


def test_what_is_missing_is_counted():
    found = concordance([1.0, None, 2.0, 3.0, None], [1.0, 2.0, None, 3.0, None], ["a", "a", "b", "b", None])
    assert (found.n, found.left_out, found.unanswered, found.speakers) == (2, 2, 1, 2)


def test_the_interval_by_speaker_covers_the_truth():
    rng = np.random.default_rng(1)
    speakers, clips, trials = 30, 20, 200
    who = [f"s{i // clips}" for i in range(speakers * clips)]
    # Truth: variances 1 and .36 + .04 + .2, covariance .6, means equal but for each speaker's bias.
    truth = 2 * 0.6 / (1 + 0.36 + 0.04 + 0.2)
    inside = 0
    for trial in range(trials):
        x = rng.normal(0, 1, speakers * clips)
        bias = np.repeat(rng.normal(0, 0.2, speakers), clips)
        y = 0.6 * x + bias + rng.normal(0, 0.2**0.5, x.size)
        interval = concordance(x, y, who, resamples=200, seed=trial).interval
        inside += interval.low <= truth <= interval.high
    assert 0.87 <= inside / trials <= 0.985


def test_equals_a_plain_loop():
    rng = np.random.default_rng(2)
    x = rng.normal(4, 1, 60)
    y = x + rng.normal(0, 1, 60)
    who = [f"s{i // 10}" for i in range(60)]
    found = concordance(x, y, who, resamples=100, seed=3)
    draws = []
    for weights in np.random.default_rng(3).multinomial(6, np.full(6, 1 / 6), size=100):
        places = np.concatenate([np.tile(np.arange(s * 10, s * 10 + 10), t) for s, t in enumerate(weights)]).astype(int)
        draws.append(lin(x[places], y[places]))
    assert (found.interval.low, found.interval.high) == pytest.approx(tuple(np.quantile(draws, [0.025, 0.975])))


@pytest.mark.parametrize(
    ("x", "y", "message"),
    [
        ([], [], "no clip has both"),
        ([1.0], [None], "no clip has both"),
        ([1.0, float("nan")], [1.0, 1.0], "a value is nan"),
        ([1.0, 1.0], [1.0, float("inf")], "a value is inf"),
        ([1.0], [1.0, 2.0], "1 values, 2 answers, 1 speakers"),
    ],
)
def test_mistakes(x, y, message):
    with pytest.raises(UserError, match=message):
        concordance(x, y, [None] * len(x))
