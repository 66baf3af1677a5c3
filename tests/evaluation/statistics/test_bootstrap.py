"""The fast bootstrap equals a plain one, and its intervals have the stated coverage."""

import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emosllm.evaluation.metrics import encode, score
from emosllm.evaluation.statistics import speaker_resamples
from emosllm.evaluation.statistics.bootstrap import (
    FIGURES,
    bootstrap_by_speaker,
    cluster_confusions,
    count_clusters,
    figures_of,
)

LABELS = ("angry", "happy", "neutral")
CLIPS = st.lists(
    st.tuples(
        st.sampled_from(LABELS), st.sampled_from([*LABELS, None]), st.sampled_from(["s1", "s2", "s3", "s4", None])
    ),
    min_size=1,
    max_size=40,
)


def world(rng, speakers, clips=30, accuracy=(6, 4)):
    """Clips of speakers whose accuracies are drawn from a Beta distribution."""
    rate = rng.beta(*accuracy, speakers)
    true = rng.integers(0, 3, (speakers, clips))
    right = rng.random((speakers, clips)) < rate[:, None]
    answers = np.where(right, true, (true + rng.integers(1, 3, true.shape)) % 3)
    who = [f"s{speaker}" for speaker in range(speakers) for _ in range(clips)]
    return [LABELS[c] for c in true.ravel()], [LABELS[c] for c in answers.ravel()], who


@settings(max_examples=100, deadline=None)
@given(CLIPS)
def test_figures_of_matrices_are_those_of_score(clips):
    reference, predicted, _ = map(list, zip(*clips, strict=True))
    scores = score(reference, predicted, LABELS)
    fast = figures_of(np.array([scores.confusion, scores.confusion], dtype=float))
    assert fast[:, 0] == pytest.approx([getattr(scores, name) for name in FIGURES])
    assert np.array_equal(fast[:, 0], fast[:, 1])


@settings(max_examples=100, deadline=None)
@given(CLIPS)
def test_speakers_add_up_to_the_whole(clips):
    reference, predicted, speakers = map(list, zip(*clips, strict=True))
    matrices, counts = cluster_confusions(*encode(reference, predicted, LABELS), speakers, len(LABELS))
    assert np.array_equal(np.tensordot(counts, matrices, axes=1), score(reference, predicted, LABELS).confusion)
    assert counts.sum() == count_clusters(speakers)


def test_equals_a_naive_loop_over_the_same_draws():
    reference, predicted, speakers = world(np.random.default_rng(1), speakers=6, clips=8)
    predicted[3] = None
    seed, resamples = 5, 40
    fast = bootstrap_by_speaker(reference, predicted, speakers, LABELS, resamples=resamples, seed=seed)
    clips_of = {who: [i for i, other in enumerate(speakers) if other == who] for who in dict.fromkeys(speakers)}
    rng = np.random.default_rng(seed)
    figures = []
    for weights in rng.multinomial(6, np.full(6, 1 / 6), size=resamples):
        drawn = [i for who, times in zip(clips_of, weights, strict=True) for i in clips_of[who] * times]
        scores = score([reference[i] for i in drawn], [predicted[i] for i in drawn], LABELS)
        figures.append([getattr(scores, name) for name in FIGURES])
    low, high = np.quantile(figures, [0.025, 0.975], axis=0)
    assert [fast[name].low for name in FIGURES] == pytest.approx(list(low))
    assert [fast[name].high for name in FIGURES] == pytest.approx(list(high))


def test_agrees_with_drawing_speakers_from_a_hat_where_many_are_alike():
    # Single clips share few matrices; drawing those instead of the clips must not change the distribution.
    rng = np.random.default_rng(2)
    reference, predicted, _ = world(rng, speakers=10, clips=12)
    fast = bootstrap_by_speaker(reference, predicted, [None] * 120, LABELS, resamples=4000)
    hits = np.array([true == answer for true, answer in zip(reference, predicted, strict=True)])
    plain = np.quantile([hits[rng.integers(0, 120, 120)].mean() for _ in range(4000)], [0.025, 0.975])
    assert (fast["wa"].low, fast["wa"].high) == pytest.approx(tuple(plain), abs=0.012)


def test_blocks_change_nothing_but_memory(monkeypatch):
    reference, predicted, speakers = world(np.random.default_rng(3), speakers=7)
    whole = bootstrap_by_speaker(reference, predicted, speakers, LABELS, resamples=100)
    monkeypatch.setattr(speaker_resamples, "BLOCK", 50)
    assert bootstrap_by_speaker(reference, predicted, speakers, LABELS, resamples=100) == whole


def test_holds_the_point_and_follows_seed_and_level():
    reference, predicted, speakers = world(np.random.default_rng(4), speakers=20)
    scores = score(reference, predicted, LABELS)
    wide = bootstrap_by_speaker(reference, predicted, speakers, LABELS)
    for name, interval in wide.items():
        assert interval.low < getattr(scores, name) < interval.high
    assert bootstrap_by_speaker(reference, predicted, speakers, LABELS) == wide
    assert bootstrap_by_speaker(reference, predicted, speakers, LABELS, seed=1) != wide
    narrow = bootstrap_by_speaker(reference, predicted, speakers, LABELS, level=0.5)
    assert narrow["ua"].high - narrow["ua"].low < 0.6 * (wide["ua"].high - wide["ua"].low)


def test_one_speaker_has_no_interval():
    assert bootstrap_by_speaker(["angry"] * 5, ["angry"] * 5, ["s"] * 5, LABELS) == dict.fromkeys(FIGURES)
    assert bootstrap_by_speaker(["angry"] * 2, ["angry"] * 2, [None] * 2, LABELS)["ua"].low == 1.0


@pytest.mark.parametrize(("speakers", "least", "most"), [(4, 0.70, 0.88), (30, 0.87, 0.97)])
def test_coverage_is_as_stated_in_the_docstring(speakers, least, most):
    rng = np.random.default_rng(speakers)
    inside = 0
    for trial in range(300):
        clips = world(rng, speakers)
        interval = bootstrap_by_speaker(*clips, LABELS, resamples=300, seed=trial)["ua"]
        inside += interval.low <= 0.6 <= interval.high  # the mean of Beta(6, 4)
    assert least <= inside / 300 <= most


def test_resampling_clips_gives_too_narrow_intervals():
    reference, predicted, speakers = world(np.random.default_rng(5), speakers=20, clips=60)
    by_speaker = bootstrap_by_speaker(reference, predicted, speakers, LABELS)["ua"]
    by_clip = bootstrap_by_speaker(reference, predicted, [None] * len(speakers), LABELS)["ua"]
    assert by_speaker.high - by_speaker.low > 1.5 * (by_clip.high - by_clip.low)


def test_a_hundred_thousand_clips_take_no_time():
    rng = np.random.default_rng(6)
    names = tuple("abcdefghi")
    reference = [names[c] for c in rng.integers(0, 9, 100_000)]
    predicted = [names[c] for c in rng.integers(0, 9, 100_000)]
    begin = time.perf_counter()
    bootstrap_by_speaker(reference, predicted, [f"s{i % 1500}" for i in range(100_000)], names)
    assert time.perf_counter() - begin < 5  # 0.2 s measured; a naive loop needs about a minute
