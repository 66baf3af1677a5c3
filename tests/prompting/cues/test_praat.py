"""Praat's cues are right on signals with known pitch, jitter and shimmer."""

import math
import sys
from functools import partial

import numpy as np
import pytest
import tones

from emosllm.errors import UserError
from emosllm.prompting.cues.praat import CUES, measure

pytest.importorskip("parselmouth")

RATE = 16_000

tone = partial(tones.tone, hertz=200.0, level=0.3)


def glide(lowest: float, highest: float, seconds: float = 2.0) -> np.ndarray:
    hertz = np.geomspace(lowest, highest, int(seconds * RATE))
    return (0.3 * np.sin(2 * np.pi * np.cumsum(hertz) / RATE)).astype(np.float32)


def pulses(jitter: float = 0.0, shimmer: float = 0.0, hertz: float = 150.0) -> tuple[np.ndarray, float, float]:
    """A voice of single pulses, perturbed at random, with its local jitter and shimmer by their definitions."""
    rng = np.random.default_rng(7)
    periods = (1 + jitter * rng.uniform(-1, 1, 300)) / hertz
    heights = 1 + shimmer * rng.uniform(-1, 1, 300)
    centres = np.cumsum(periods)
    time = np.arange(int((centres[-1] + 0.02) * RATE)) / RATE
    samples = np.zeros_like(time)
    for centre, height in zip(centres, heights, strict=True):
        samples += 0.3 * height * np.exp(-(((time - centre) / 0.0005) ** 2))
    return samples.astype(np.float32), *(
        float(np.abs(np.diff(values)).mean() / values.mean()) for values in (periods, heights)
    )


@pytest.mark.parametrize("hertz", [90, 150, 220, 440])
def test_the_pitch_of_a_tone_is_its_frequency(hertz: float):
    cues = measure(tone(hertz=hertz))
    assert cues["pitch"] == pytest.approx(hertz, rel=2e-3)
    assert cues["pitch range"] < 0.1
    assert cues["jitter"] < 1e-3
    assert cues["shimmer"] < 1e-3


def test_the_range_of_a_glide_is_nine_tenths_of_its_interval():
    # Over an octave, 12 semitones at an even pace, the 5th and 95th percentiles lie 0.9 * 12 apart.
    assert measure(glide(150, 300))["pitch range"] == pytest.approx(10.8, abs=0.3)


def test_ten_times_the_gain_is_twenty_decibels_and_nothing_else():
    loud, soft = measure(glide(150, 250)), measure(glide(150, 250) / 10)
    assert loud["loudness"] - soft["loudness"] == pytest.approx(20, abs=0.01)
    for cue in CUES[1:]:
        assert loud[cue] == pytest.approx(soft[cue], rel=1e-3, abs=1e-6)


def test_silence_around_the_speech_does_not_count():
    speech = tone(seconds=1.0)
    padded = np.concatenate([np.zeros(RATE, np.float32), speech, np.zeros(2 * RATE, np.float32)])
    assert measure(padded)["loudness"] == pytest.approx(measure(speech)["loudness"], abs=0.5)


@pytest.mark.parametrize("amount", [0.005, 0.01, 0.02, 0.04])
def test_jitter_is_the_perturbation_of_the_periods(amount: float):
    samples, jitter, _ = pulses(jitter=amount)
    assert measure(samples)["jitter"] == pytest.approx(jitter, rel=0.15)


@pytest.mark.parametrize("amount", [0.02, 0.05, 0.1, 0.2])
def test_shimmer_is_the_perturbation_of_the_amplitudes(amount: float):
    samples, _, shimmer = pulses(shimmer=amount)
    assert measure(samples)["shimmer"] == pytest.approx(shimmer, rel=0.15)


def test_what_cannot_be_measured_is_nan():
    noise = np.random.default_rng(0).normal(0, 0.1, RATE).astype(np.float32)
    assert math.isfinite(measure(noise)["loudness"])
    assert all(math.isnan(measure(noise)[cue]) for cue in CUES[1:])
    for clip in (np.zeros(RATE, np.float32), np.full(RATE, 0.2, np.float32), tone(seconds=0.1), tone(seconds=0)):
        assert list(measure(clip)) == list(CUES)
        assert all(math.isnan(value) for value in measure(clip).values())


@pytest.mark.parametrize("samples", [np.full(RATE, np.nan, np.float32), np.zeros((2, RATE), np.float32)])
def test_samples_that_are_no_sound_are_refused(samples: np.ndarray):
    with pytest.raises(UserError, match="finite mono samples"):
        measure(samples)


def test_without_parselmouth_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "parselmouth", None)
    with pytest.raises(UserError, match=r"pip install 'emosllm\[cues\]'"):
        measure(tone())
