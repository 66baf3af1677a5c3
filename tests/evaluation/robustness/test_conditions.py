"""Every condition has the stated effect, is deterministic, and does not change its input."""

import io
import sys

import numpy as np
import pytest
import soundfile as sf

from emosllm.augmentation import rms
from emosllm.errors import UserError
from emosllm.evaluation.robustness import conditions
from emosllm.evaluation.robustness.conditions import CONDITIONS, condition

RATE = 16_000


def speech(seed=0, seconds=1.0, level=0.1):
    """A gliding, pulsing hum with overtones and some noise, similar to a voice for codecs and levels."""
    rng = np.random.default_rng(seed)
    time = np.arange(round(seconds * RATE)) / RATE
    pitch = 120 + 30 * np.sin(2 * np.pi * 0.7 * time + seed)
    phase = 2 * np.pi * np.cumsum(pitch) / RATE
    hum = sum(np.sin(k * phase) / k for k in range(1, 30)) + 0.2 * rng.standard_normal(len(time))
    hum *= 0.2 + np.abs(np.sin(2 * np.pi * 2.3 * time))
    return (level * hum / np.sqrt(np.mean(hum**2))).astype(np.float32)


VOICES = [speech(seed) for seed in (1, 2, 3)]
EVERY = [(name, severity) for name, each in CONDITIONS.items() for severity in each.severities]
HERE = [(name, severity) for name, severity in EVERY if condition(name).missing(VOICES) is None]


def made(name, severity, samples, seed=0):
    return condition(name).degrade_at(severity, VOICES)(samples, np.random.default_rng(seed))


def snr_db(clean, noisy):
    return 20 * np.log10(rms(clean) / rms(noisy - clean))


def energy_above(samples, hertz):
    power = np.abs(np.fft.rfft(samples)) ** 2
    return power[np.fft.rfftfreq(len(samples), 1 / RATE) > hertz].sum() / power.sum()


@pytest.mark.parametrize(("name", "severity"), HERE)
def test_the_same_twice_finite_and_the_input_left_alone(name, severity):
    samples = speech()
    before = samples.copy()
    first, second = made(name, severity, samples), made(name, severity, samples)
    np.testing.assert_array_equal(first, second)
    np.testing.assert_array_equal(samples, before)
    assert first.dtype == np.float32
    assert first.ndim == 1
    assert np.isfinite(first).all()
    assert not np.array_equal(first, samples)
    if name not in ("speed", "silence"):
        assert len(first) == len(samples)


@pytest.mark.parametrize(("name", "severity"), HERE)
def test_silence_a_tiny_clip_and_one_beyond_full_scale_stay_finite(name, severity):
    for samples in (np.zeros(RATE // 2, np.float32), speech(seconds=0.1), speech(seconds=0.3, level=3.0)):
        out = made(name, severity, samples)
        assert np.isfinite(out).all()
        assert len(out) > 0


def test_this_machine_makes_them_all():
    # soundfile's wheels include a libsndfile with all codecs; without it, the tests above would have fewer cases.
    assert HERE == EVERY


@pytest.mark.parametrize("name", ["white noise", "babble"])
@pytest.mark.parametrize("severity", [30.0, 10.0, 0.0])
def test_noise_has_its_ratio_and_only_its_level_changes(name, severity):
    samples = speech()
    noisy = made(name, severity, samples)
    assert snr_db(samples, noisy) == pytest.approx(severity, abs=0.05)
    louder = made(name, severity - 6, samples)
    np.testing.assert_allclose(louder - samples, (noisy - samples) * 10 ** (6 / 20), rtol=0, atol=1e-5)


def test_bands_end_where_they_should():
    wide = speech() + 0.05 * np.random.default_rng(9).standard_normal(RATE).astype(np.float32)
    assert energy_above(wide, 4500) > 0.05
    assert energy_above(made("narrow band", 3400.0, wide), 4500) < 0.01
    for name in ("GSM", "A-law", "mu-law"):
        assert energy_above(made(name, 64.0, wide), 4200) < 1e-3


@pytest.mark.parametrize(("name", "mild", "harsh"), [("MP3", 64.0, 16.0), ("Opus", 32.0, 8.0)])
def test_codecs_keep_time_and_level_and_lose_more_at_fewer_bits(name, mild, harsh):
    samples = speech(seconds=2.0)
    good, bad = made(name, mild, samples), made(name, harsh, samples)
    assert snr_db(samples, good) > max(6.0, snr_db(samples, bad) + 3)
    for out in (good, bad, made("GSM", 13.0, samples), made("A-law", 64.0, samples)):
        assert rms(out) == pytest.approx(rms(samples), rel=0.35)
        shift = np.argmax(np.fft.irfft(np.fft.rfft(out) * np.conj(np.fft.rfft(samples))))
        assert min(shift, len(samples) - shift) <= 8  # half a millisecond
    loud = made(name, mild, samples * 20)
    np.testing.assert_allclose(rms(loud), 20 * rms(good), rtol=0.05)


@pytest.mark.parametrize(
    ("name", "kbps"), [("MP3", 64.0), ("MP3", 32.0), ("MP3", 16.0), ("Opus", 32.0), ("Opus", 16.0)]
)
def test_bitrates_are_as_stated(monkeypatch, name, kbps):
    sizes = []
    write = sf.write

    def spy(buffer, *args, **options):
        write(buffer, *args, **options)
        sizes.append(len(buffer.getvalue()) if isinstance(buffer, io.BytesIO) else 0)

    monkeypatch.setattr(conditions.sf, "write", spy)
    made(name, kbps, speech(seconds=6.0))
    assert sizes[0] * 8 / 6.0 / 1000 == pytest.approx(kbps, rel=0.35)  # Opus varies, headers weigh


def test_speed_length_silence_clipping_and_level():
    samples = speech()
    assert len(made("speed", 1.25, samples)) == pytest.approx(RATE / 1.25, abs=2)
    padded = made("silence", 0.5, samples)
    assert len(padded) == 2 * RATE
    np.testing.assert_array_equal(padded[RATE // 2 : -RATE // 2], samples)
    assert rms(padded[: RATE // 2]) < 10 ** (-49 / 20) * rms(samples)
    clipped = made("clipping", 12.0, samples)
    assert np.abs(clipped).max() == pytest.approx(np.abs(samples).max() * 10 ** (-12 / 20))
    assert rms(made("quiet", -20.0, samples)) == pytest.approx(rms(samples) / 10)
    room = made("reverberation", 1.0, samples)
    assert rms(room) == pytest.approx(rms(samples), rel=1e-3)
    for name in ("clipping", "silence", "quiet", "speed"):
        np.testing.assert_allclose(made(name, condition(name).unchanged, samples), samples, atol=1e-6)


def test_mistakes(monkeypatch):
    with pytest.raises(UserError, match=r"unknown condition 'rain': known are white noise, babble"):
        condition("rain")
    with pytest.raises(UserError, match="cannot make babble: there are no other voices"):
        condition("babble").degrade_at(10.0)
    with pytest.raises(UserError, match="at nan dB SNR: a finite number"):
        condition("white noise").degrade_at(float("nan"))
    with pytest.raises(UserError, match="a number above 0"):
        made("speed", 0.0, speech())
    monkeypatch.setattr(conditions.sf, "available_subtypes", lambda container: {})
    with pytest.raises(UserError, match=r"cannot make Opus: this libsndfile \(.*\) has no OPUS"):
        condition("Opus").degrade_at(16.0)


def test_without_scipy_the_way_out_is_named(monkeypatch):
    for module in ("emosllm.augmentation", "emosllm.evaluation.robustness.conditions"):
        monkeypatch.delitem(sys.modules, module)
    monkeypatch.delattr("emosllm.augmentation")
    monkeypatch.setitem(sys.modules, "scipy", None)
    with pytest.raises(UserError, match=r"scipy: pip install 'emosllm\[eval\]'"):
        __import__("emosllm.evaluation.robustness.conditions")
