"""A sweep over a system that depends only on pitch and level: figures fall only under conditions that affect these."""

import numpy as np
import pytest

from emosllm.errors import UserError
from emosllm.evaluation.metrics import score
from emosllm.evaluation.robustness.conditions import CONDITIONS, condition
from emosllm.evaluation.robustness.sweep import degrade, sweep

RATE = 16_000
LABELS = ("low", "high")


def clips(n=40):
    """Hums of 150 or 450 Hz with a little noise; every speaker has both."""
    rng = np.random.default_rng(0)
    time = np.arange(RATE // 4) / RATE
    hums = [
        0.1 * np.sin(2 * np.pi * (150 + 300 * (i % 2)) * time) + 0.001 * rng.standard_normal(len(time))
        for i in range(n)
    ]
    return [hum.astype(np.float32) for hum in hums], [LABELS[i % 2] for i in range(n)], [f"s{i // 4}" for i in range(n)]


def listen(samples):
    """Answer by the strongest line below 1 kHz; no answer where the clip is nearly silent."""
    answers = []
    for each in samples:
        lines = np.abs(np.fft.rfft(each))
        peak = np.fft.rfftfreq(len(each), 1 / RATE)[np.argmax(lines)]
        answers.append(None if np.abs(each).max() < 0.002 else LABELS[int(peak > 300)])
    return answers


def test_the_system_falls_where_it_must():
    told = []
    chosen = [condition(name) for name in ("white noise", "quiet", "speed")]
    hums, true, who = clips()
    found = sweep(listen, hums, true, who, LABELS, conditions=chosen, resamples=100, on_point=told.append)
    assert found.clean.ua == 1
    assert (found.clean.condition, found.clean.severity, found.clean.ua_change) == ("clean", None, None)
    assert [(point.condition, point.severity) for point in found.points] == [
        (each.name, severity) for each in chosen for severity in each.severities
    ]
    assert told == [found.clean, *found.points]
    quiet = found.curve("quiet")
    assert [point.ua for point in quiet] == [1, 1, 1, 0]
    assert [point.unanswered for point in quiet] == [0, 0, 0, 40]
    assert quiet[-1].ua_change.difference == -1
    assert quiet[-1].ua_change.interval.high == -1
    # At twice the speed 150 Hz would be 300; at 1.3 nothing is mistaken.
    assert all(point.ua == 1 for point in found.curve("speed"))
    assert found.units == {"white noise": "dB SNR", "quiet": "dB", "speed": "times"}
    assert found.unchanged == {"quiet": 0, "speed": 1}
    assert found.skipped == {}


def test_points_equal_the_scores_of_degraded_clips():
    hums, true, who = clips(12)
    noisy = [
        hum + 0.3 * np.random.default_rng(i).standard_normal(len(hum)).astype(np.float32) for i, hum in enumerate(hums)
    ]
    white = condition("white noise")
    found = sweep(listen, noisy, true, who, LABELS, conditions=[white], seed=3, resamples=20)
    for point in found.points:
        scores = score(true, listen(degrade(noisy, white, point.severity, seed=3)), LABELS)
        assert (point.ua, point.wa, point.n) == (scores.ua, scores.wa, 12)
    again = sweep(listen, noisy, true, who, LABELS, conditions=[white], seed=3, resamples=20)
    assert again == found


def test_noise_is_the_same_at_every_severity_and_another_for_every_clip():
    hums, _, _ = clips(3)
    white = condition("white noise")
    mild, harsh = degrade(hums, white, 20.0), degrade(hums, white, 0.0)
    for clean, one, other in zip(hums, mild, harsh, strict=True):
        np.testing.assert_allclose((one - clean) * 10, other - clean, atol=1e-5)
    assert not np.allclose(mild[0] - hums[0], mild[2] - hums[2], atol=1e-3)
    assert not np.allclose(degrade(hums, white, 20.0, seed=1)[0], mild[0], atol=1e-3)


def test_babble_is_made_of_the_others_and_skipped_where_there_are_none():
    hums, true, who = clips(4)
    silent = [hums[0], *(np.zeros_like(hum) for hum in hums[1:])]
    np.testing.assert_array_equal(degrade(silent, condition("babble"), 0.0)[0], silent[0])  # never from the clip itself
    found = sweep(listen, hums[:1], true[:1], who[:1], LABELS, conditions=[condition("babble"), condition("quiet")])
    assert list(found.skipped) == ["babble"]
    assert "no other voices" in found.skipped["babble"]
    assert found.clean.ua_interval is None
    given = sweep(listen, hums[:1], true[:1], who[:1], LABELS, conditions=[condition("babble")], voices=hums)
    assert len(given.points) == len(condition("babble").severities)


def test_everything_at_once():
    hums, true, who = clips(6)
    found = sweep(listen, hums, true, who, LABELS, resamples=10)
    assert {point.condition for point in found.points} | set(found.skipped) == set(CONDITIONS)
    assert all(point.n == 6 for point in found.points)


def test_mistakes():
    hums, true, who = clips(2)
    with pytest.raises(UserError, match="2 clips but 1 answers"):
        sweep(lambda samples: ["low"], hums, true, who, LABELS)
    with pytest.raises(UserError, match="2 clips, 1 references, 2 speakers"):
        sweep(listen, hums, true[:1], who, LABELS)
    with pytest.raises(UserError, match="nothing to score"):
        sweep(listen, [], [], [], LABELS)
