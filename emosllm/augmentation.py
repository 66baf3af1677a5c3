"""Waveform augmentation: vary speed, room, spectrum, noise, clipping and level of a recording.

All random numbers come from the generator that is passed in, so one seed gives one result. Limitations: pitch and tempo
do not change independently (`speed` resamples, which also shifts the formants), room responses are exponentially
decaying noise and not measured, and no codec is simulated. Needs only numpy, scipy and soxr.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import soxr
from pydantic import BaseModel, ConfigDict, Field
from scipy import fft as sfft

from emosllm.audio import SAMPLE_RATE

Range = tuple[float, float]


class Augment(BaseModel):
    """Probability and range of each change; values are drawn uniformly from the range.

    The defaults are ASSUMED: wide enough for telephones, laptops and living rooms, and not tuned.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    speed_p: float = Field(default=0.7, ge=0, le=1, description="share of clips played faster or slower")
    speed: Range = Field(default=(0.85, 1.18), description="ratio; above 1 is faster, higher and shorter")
    trim_p: float = Field(default=0.7, ge=0, le=1, description="share of clips whose quiet ends are cut")
    trim_db: Range = Field(default=(-45.0, -25.0), description="dB below the loudest 25 ms that counts as quiet")
    silence_p: float = Field(default=0.25, ge=0, le=1, description="share of clips given silence at both ends")
    silence_s: Range = Field(default=(0.0, 0.8), description="seconds of it, drawn for each end")
    room_p: float = Field(default=0.3, ge=0, le=1, description="share of clips put in a room")
    room_rt60_s: Range = Field(default=(0.15, 0.8), description="seconds for the reverberation to fall by 60 dB")
    room_drr_db: Range = Field(default=(-2.0, 12.0), description="dB, direct sound over reverberation")
    tilt_p: float = Field(default=0.4, ge=0, le=1, description="share of clips with a tilted and bumped spectrum")
    tilt_db: Range = Field(default=(-3.0, 3.0), description="dB per octave around 1 kHz")
    bump_db: Range = Field(default=(-8.0, 8.0), description="dB of one broad resonance anywhere from 100 Hz to 7 kHz")
    band_p: float = Field(
        default=0.2, ge=0, le=1, description="share of clips with a limited band (300-3400 Hz: telephone)"
    )
    band_low_hz: Range = Field(default=(20.0, 350.0), description="Hz, lower edge")
    band_high_hz: Range = Field(default=(3200.0, 7000.0), description="Hz, upper edge")
    noise_p: float = Field(default=0.4, ge=0, le=1, description="share of clips with white to brown noise added")
    noise_snr_db: Range = Field(default=(5.0, 35.0), description="dB, speech over noise, both over the whole clip")
    babble_p: float = Field(
        default=0.15, ge=0, le=1, description="share of clips with other voices added, if any are given"
    )
    babble_snr_db: Range = Field(default=(5.0, 25.0), description="dB, speech over the sum of the other voices")
    clip_p: float = Field(default=0.05, ge=0, le=1, description="share of clips overdriven")
    clip_db: Range = Field(default=(2.0, 10.0), description="dB by which the peak exceeds what is kept")
    gain_p: float = Field(default=0.9, ge=0, le=1, description="share of clips made louder or softer")
    gain_db: Range = Field(default=(-20.0, 20.0), description="dB; a peak that would pass full scale stops there")


def augment(
    samples: np.ndarray, rng: np.random.Generator, settings: Augment, babble: Sequence[np.ndarray] | None = None
) -> np.ndarray:
    """Draw and apply all changes, in their physical order: speaker, room, line, level.

    Args:
        samples: float32 mono `[T]` at 16 kHz.
        rng: source of all random numbers.
        settings: probabilities and ranges.
        babble: other clips, `[T']` each, that are mixed to babble; without them no babble is added.

    Returns:
        float32 `[T'']`; as long as `samples` unless speed, trimming or silence changed the length.
    """
    return colour(warp(samples, rng, settings), rng, settings, babble)


def warp(samples: np.ndarray, rng: np.random.Generator, settings: Augment) -> np.ndarray:
    """Change the timing (speed, silence at the ends); frame-wise targets such as F0 shift with it. `[T]` -> `[T']`."""
    out = np.asarray(samples, np.float32)
    if rng.random() < settings.speed_p:
        out = change_speed(out, rng.uniform(*settings.speed))
    if rng.random() < settings.trim_p:
        out = trim_ends(out, rng.uniform(*settings.trim_db))
    if rng.random() < settings.silence_p:
        out = pad_silence(out, rng, rng.uniform(*settings.silence_s), rng.uniform(*settings.silence_s))
    return out


def colour(
    samples: np.ndarray, rng: np.random.Generator, settings: Augment, babble: Sequence[np.ndarray] | None = None
) -> np.ndarray:
    """Change the sound and keep the length (room, spectrum, noise, clipping, gain). `[T]` -> `[T]`."""
    out = np.asarray(samples, np.float32)
    if rng.random() < settings.room_p:
        out = add_room(out, rng, rng.uniform(*settings.room_rt60_s), rng.uniform(*settings.room_drr_db))
    if rng.random() < settings.tilt_p:
        bump_hz = float(np.exp(rng.uniform(np.log(100.0), np.log(7000.0))))
        out = shape_spectrum(out, rng.uniform(*settings.tilt_db), bump_hz, rng.uniform(*settings.bump_db))
    if babble and rng.random() < settings.babble_p:
        out = add_noise(out, make_babble(len(out), rng, babble), rng.uniform(*settings.babble_snr_db))
    if rng.random() < settings.noise_p:
        out = add_noise(out, make_noise(len(out), rng, rng.uniform(0.0, 2.0)), rng.uniform(*settings.noise_snr_db))
    if rng.random() < settings.band_p:
        out = limit_band(out, rng.uniform(*settings.band_low_hz), rng.uniform(*settings.band_high_hz))
    if rng.random() < settings.clip_p:
        out = clip_peaks(out, rng.uniform(*settings.clip_db))
    if rng.random() < settings.gain_p:
        out = change_gain(out, rng.uniform(*settings.gain_db))
    return out


def change_speed(samples: np.ndarray, ratio: float) -> np.ndarray:
    """Play `[T]` `ratio` times as fast: about T / ratio samples, pitch and formants times `ratio`."""
    return soxr.resample(samples, SAMPLE_RATE, SAMPLE_RATE / ratio, quality="MQ").astype(np.float32)


def trim_ends(samples: np.ndarray, threshold_db: float) -> np.ndarray:
    """Cut both ends where 25 ms frames are `threshold_db` (negative) below the loudest; keep a margin of 50 ms."""
    frame, keep = SAMPLE_RATE // 40, SAMPLE_RATE // 20
    if len(samples) < 4 * frame:
        return samples
    levels = level_db(samples[: len(samples) // frame * frame].reshape(-1, frame))
    loud = np.flatnonzero(levels > levels.max() + threshold_db)
    start, stop = loud[0] * frame - keep, (loud[-1] + 1) * frame + keep
    return samples[max(0, start) : stop]


def pad_silence(samples: np.ndarray, rng: np.random.Generator, before_s: float, after_s: float) -> np.ndarray:
    """Add seconds of noise 50 to 90 dB below the clip's level at both ends; real silence is rarely digital zero."""
    level = 10 ** (-rng.uniform(50.0, 90.0) / 20) * rms(samples)
    ends = [
        rng.standard_normal(round(seconds * SAMPLE_RATE)).astype(np.float32) * level for seconds in (before_s, after_s)
    ]
    return np.concatenate([ends[0], samples, ends[1]]).astype(np.float32)


def add_room(samples: np.ndarray, rng: np.random.Generator, rt60_s: float, drr_db: float) -> np.ndarray:
    """Convolve with a direct pulse and exponentially decaying noise that falls by 60 dB in `rt60_s` seconds.

    Same length and same RMS level as the input. Source: Polack's model (Kuttruff, "Room Acoustics", ch. 4).
    """
    from scipy.signal import fftconvolve  # here, because it takes 0.3 s and few commands need it

    time = np.arange(1, max(2, round(rt60_s * SAMPLE_RATE))) / SAMPLE_RATE  # s
    tail = rng.standard_normal(len(time)) * 10 ** (-3 * time / rt60_s)
    tail *= 10 ** (-drr_db / 20) / max(float(np.linalg.norm(tail)), 1e-9)
    wet = fftconvolve(samples, np.concatenate([[1.0], tail]).astype(np.float32))[: len(samples)]
    return (wet * (rms(samples) / max(rms(wet), 1e-9))).astype(np.float32)


def shape_spectrum(samples: np.ndarray, tilt_db: float, bump_hz: float = 1000.0, bump_db: float = 0.0) -> np.ndarray:
    """Tilt the spectrum by `tilt_db` per octave around 1 kHz and add a one-octave bump; keep the RMS level."""
    octaves = np.log2(np.maximum(_frequencies(len(samples)), 50.0) / 1000.0)
    bump = bump_db * np.exp(-0.5 * ((octaves - np.log2(bump_hz / 1000.0)) / 0.5) ** 2)
    out = _filter(samples, 10 ** ((tilt_db * octaves + bump) / 20))
    return (out * (rms(samples) / max(rms(out), 1e-9))).astype(np.float32)


def limit_band(samples: np.ndarray, low_hz: float, high_hz: float) -> np.ndarray:
    """Keep the band from `low_hz` to `high_hz`; attenuate by 24 dB per octave outside (zero phase)."""
    frequency = np.maximum(_frequencies(len(samples)), 1.0)
    return _filter(samples, 1 / np.sqrt((1 + (low_hz / frequency) ** 8) * (1 + (frequency / high_hz) ** 8)))


def add_noise(samples: np.ndarray, noise: np.ndarray, snr_db: float) -> np.ndarray:
    """Add `noise` `[T]` to `samples` `[T]`, scaled to a signal-to-noise ratio of `snr_db`."""
    scale = rms(samples) / max(rms(noise), 1e-9) * 10 ** (-snr_db / 20)
    return (samples + noise * scale).astype(np.float32)


def make_noise(length: int, rng: np.random.Generator, slope: float = 0.0) -> np.ndarray:
    """Make noise `[length]` whose power falls as 1 / f ** slope: 0 white, 1 pink, 2 brown; RMS is 1."""
    gain = np.maximum(_frequencies(length), 20.0) ** (-slope / 2)
    noise = _filter(rng.standard_normal(length).astype(np.float32), gain)
    return noise / max(rms(noise), 1e-9)


def make_babble(length: int, rng: np.random.Generator, clips: Sequence[np.ndarray], voices: int = 4) -> np.ndarray:
    """Sum `voices` clips of equal level, each repeated to `length` from a random position."""
    total = np.zeros(length, np.float32)
    for index in rng.integers(len(clips), size=voices):
        clip = clips[index]
        total += np.resize(np.roll(clip, int(rng.integers(len(clip)))), length) / max(rms(clip), 1e-6)
    return total


def clip_peaks(samples: np.ndarray, excess_db: float) -> np.ndarray:
    """Clip the samples `excess_db` below the peak, as an overdriven input does."""
    limit = float(np.abs(samples).max(initial=0.0)) * 10 ** (-excess_db / 20)
    return np.clip(samples, -limit, limit)


def change_gain(samples: np.ndarray, gain_db: float) -> np.ndarray:
    """Change the level by `gain_db`, or by less if the peak would exceed full scale."""
    peak = max(float(np.abs(samples).max(initial=0.0)), 1e-9)
    return (samples * min(10 ** (gain_db / 20), max(1.0, 0.99 / peak))).astype(np.float32)


def rms(samples: np.ndarray) -> float:
    """Return the root mean square of `samples`; 0 for an empty array."""
    return float(np.sqrt(np.mean(np.square(samples, dtype=np.float64)))) if samples.size else 0.0


def level_db(frames: np.ndarray) -> np.ndarray:
    """Return the RMS level of each row of `[N, T]` in dB relative to full scale, at least -120: `[N]`."""
    return 10 * np.log10(np.mean(np.square(frames, dtype=np.float64), axis=1) + 1e-12)


def _frequencies(length: int) -> np.ndarray:
    """Return the frequencies in Hz of the padded transform that `_filter` uses for `[length]` samples."""
    return sfft.rfftfreq(sfft.next_fast_len(max(length, 1), real=True), 1 / SAMPLE_RATE)


def _filter(samples: np.ndarray, gain: np.ndarray) -> np.ndarray:
    """Multiply the spectrum of `[T]` by `gain` (one factor per frequency, zero phase): `[T]`."""
    size = sfft.next_fast_len(max(len(samples), 1), real=True)
    spectrum = sfft.rfft(samples, size) * gain.astype(np.float32)
    return sfft.irfft(spectrum, size)[: len(samples)].astype(np.float32)
