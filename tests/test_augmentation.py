"""Waveform augmentation: deterministic for a seed, with the stated levels, lengths and bands."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest
import tones
from pydantic import ValidationError

from emosllm import augmentation as aug
from emosllm.audio import SAMPLE_RATE

tone = partial(tones.tone, seconds=1.5, level=0.1)


def voice(seed: int = 0, seconds: float = 1.5) -> np.ndarray:
    """Noise bursts with pauses, similar to speech in level."""
    rng = np.random.default_rng(seed)
    time = np.arange(round(seconds * SAMPLE_RATE)) / SAMPLE_RATE
    return (0.1 * rng.standard_normal(len(time)) * (np.sin(2 * np.pi * 3 * time) > 0)).astype(np.float32)


def spectral_peak(samples: np.ndarray) -> float:
    """Frequency of the strongest line in Hz."""
    return float(np.argmax(np.abs(np.fft.rfft(samples))) * SAMPLE_RATE / len(samples))


ALWAYS = aug.Augment(**{name: 1.0 for name in aug.Augment.model_fields if name.endswith("_p")})
NEVER = aug.Augment(**{name: 0.0 for name in aug.Augment.model_fields if name.endswith("_p")})


@pytest.mark.parametrize("seed", range(5))
def test_same_seed_same_result(seed: int) -> None:
    first, second = (aug.augment(voice(), np.random.default_rng(seed), ALWAYS, [voice(1), voice(2)]) for _ in "ab")
    np.testing.assert_array_equal(first, second)
    assert first.dtype == np.float32
    assert first.ndim == 1
    assert np.isfinite(first).all()


def test_never_changes_nothing_and_input_is_left_alone() -> None:
    samples = voice()
    before = samples.copy()
    np.testing.assert_array_equal(aug.augment(samples, np.random.default_rng(0), NEVER), before)
    aug.augment(samples, np.random.default_rng(0), ALWAYS, [samples])
    np.testing.assert_array_equal(samples, before)


@pytest.mark.parametrize("samples", [np.zeros(SAMPLE_RATE, np.float32), np.zeros(1, np.float32), tone(seconds=0.05)])
def test_silent_and_tiny_clips_stay_finite(samples: np.ndarray) -> None:
    out = aug.augment(samples, np.random.default_rng(3), ALWAYS, [voice()])
    assert len(out) > 0
    assert np.isfinite(out).all()


@pytest.mark.parametrize("snr_db", [0.0, 10.0, 30.0])
def test_noise_has_the_requested_ratio(snr_db: float) -> None:
    samples, rng = voice(), np.random.default_rng(0)
    for noise in (aug.make_noise(len(samples), rng, 1.0), aug.make_babble(len(samples), rng, [voice(4), voice(5)])):
        added = aug.add_noise(samples, noise, snr_db) - samples
        assert 20 * np.log10(aug.rms(samples) / aug.rms(added)) == pytest.approx(snr_db, abs=0.1)


def test_noise_slope_is_in_its_spectrum() -> None:
    power = np.abs(np.fft.rfft(aug.make_noise(SAMPLE_RATE * 8, np.random.default_rng(0), 1.0))) ** 2
    low, high = power[8 * 200 : 8 * 400].mean(), power[8 * 3200 : 8 * 6400].mean()
    assert 10 * np.log10(low / high) == pytest.approx(12.0, abs=1.0)  # pink: 3 dB per octave, four octaves


def test_speed_changes_length_and_pitch() -> None:
    out = aug.change_speed(tone(), 1.2)
    assert len(out) == pytest.approx(len(tone()) / 1.2, abs=2)
    assert spectral_peak(out) == pytest.approx(440 * 1.2, abs=3)


def test_ends() -> None:
    rng = np.random.default_rng(0)
    padded = aug.pad_silence(tone(), rng, 0.5, 0.25)
    assert len(padded) == len(tone()) + 0.75 * SAMPLE_RATE
    trimmed = aug.trim_ends(padded, -40.0)
    assert len(trimmed) == pytest.approx(len(tone()) + 0.1 * SAMPLE_RATE, abs=0.05 * SAMPLE_RATE)
    assert len(aug.trim_ends(tone(), -40.0)) == pytest.approx(len(tone()), abs=0.025 * SAMPLE_RATE)


def test_telephone_keeps_only_its_band() -> None:
    for hertz, lost_db in ((100.0, 30), (1000.0, 0), (6000.0, 20)):
        loss = 20 * np.log10(aug.rms(tone(hertz=hertz)) / aug.rms(aug.limit_band(tone(hertz=hertz), 300, 3400)))
        assert (loss == pytest.approx(0, abs=0.5)) if lost_db == 0 else (loss > lost_db - 3)


def test_room_rings_on_and_keeps_length_and_level() -> None:
    click = np.zeros(SAMPLE_RATE, np.float32)
    click[100] = 0.5
    out = aug.add_room(click, np.random.default_rng(0), 0.5, 0.0)
    early, late = out[101:1701], out[4101:5701]  # 0.25 s apart: half of 0.5 s, so 30 dB
    assert len(out) == len(click)
    assert aug.rms(out) == pytest.approx(aug.rms(click), rel=1e-3)
    assert 20 * np.log10(aug.rms(early) / aug.rms(late)) == pytest.approx(30.0, abs=3.0)


def test_tilt_is_per_octave() -> None:
    pair = tone(hertz=500.0) + tone(hertz=2000.0)
    spectrum = np.abs(np.fft.rfft(aug.shape_spectrum(pair, 3.0))[: SAMPLE_RATE // 2])
    at = [round(hertz * len(pair) / SAMPLE_RATE) for hertz in (500, 2000)]
    assert 20 * np.log10(spectrum[at[1]] / spectrum[at[0]]) == pytest.approx(6.0, abs=0.5)


def test_gain_stops_at_full_scale_and_clipping_cuts() -> None:
    assert aug.rms(aug.change_gain(tone(), -20.0)) == pytest.approx(aug.rms(tone()) / 10, rel=1e-3)
    assert np.abs(aug.change_gain(tone(), 40.0)).max() == pytest.approx(0.99, abs=1e-3)
    assert np.abs(aug.clip_peaks(tone(), 6.0)).max() == pytest.approx(0.1 / 2, abs=1e-3)


def test_settings_are_frozen_and_refuse_typos() -> None:
    with pytest.raises(ValidationError, match="nois_p"):
        aug.Augment(nois_p=0.5)  # type: ignore[call-arg]
    with pytest.raises(ValidationError):
        ALWAYS.noise_p = 0.1  # type: ignore[misc]
    with pytest.raises(ValidationError):
        aug.Augment(noise_p=1.5)
