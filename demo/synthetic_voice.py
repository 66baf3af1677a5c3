"""Synthetic emotional speech: espeak-ng, modified by a few lines of signal processing.

The deliveries follow the literature (Scherer 2003, "Vocal communication of emotion: a review of research paradigms":
anger loud and bright, sadness slow, low, flat and dark, joy high and lively, fear high and unsteady). They
are imitations and contain none of the information in words, pauses and real voices.
"""

import io
import subprocess
from dataclasses import dataclass
from xml.sax.saxutils import escape

import numpy as np
import soundfile
import soxr

from emosllm.audio import SAMPLE_RATE

LEVEL = -33.0  # dB below full scale: the mean power of speech with 0 dB gain
LOUDEST = 0.5  # largest peak, of full scale 1


@dataclass(frozen=True)
class Delivery:
    """How a sentence is spoken, relative to the voice's default."""

    pitch: float = 0.0  # steps of espeak-ng's scale from 0 to 99, a little under 0.2 semitones each
    liveliness: float = 100.0  # range of the intonation, percent
    words_per_minute: float = 175.0
    gain: float = 0.0  # dB
    brightness: float = 0.0  # from -1 (dark) to 1 (bright): how much of the neighbouring sample is subtracted
    breath: float = -45.0  # noise added to the voice, dB relative to it
    tremor: float = 0.0  # depth of a 6 Hz modulation of the pitch, semitones

    def stray(self, rng: np.random.Generator) -> "Delivery":
        """The delivery with small random changes, so that no two clips are alike."""
        return Delivery(
            pitch=self.pitch + rng.normal(0, 2),
            liveliness=self.liveliness * float(np.exp(rng.normal(0, 0.07))),
            words_per_minute=self.words_per_minute * float(np.exp(rng.normal(0, 0.03))),
            gain=self.gain + rng.normal(0, 3),
            brightness=self.brightness + rng.normal(0, 0.04),
            breath=self.breath + rng.normal(0, 2),
            tremor=abs(self.tremor + rng.normal(0, 0.05)),
        )


DELIVERIES = {
    "angry": Delivery(pitch=-2, liveliness=70, words_per_minute=255, gain=5, brightness=0.9, breath=-50),
    "sad": Delivery(pitch=-18, liveliness=25, words_per_minute=110, gain=-5, brightness=-0.9, breath=-24, tremor=0.1),
    "happy": Delivery(pitch=46, liveliness=200, words_per_minute=185, gain=2, brightness=0.2, breath=-36, tremor=0.9),
    "neutral": Delivery(pitch=-4, liveliness=40, words_per_minute=150, brightness=-0.25),
    "fear": Delivery(pitch=32, liveliness=70, words_per_minute=215, gain=-1, breath=-34, tremor=0.5),
}


def say(voice: str, text: str, delivery: Delivery, rng: np.random.Generator) -> np.ndarray:
    """Speak one sentence with one voice variant of espeak-ng, with low background noise.

    Args:
        voice: such as `m3` or `f5`.
        text: in English.
        delivery: how the sentence is spoken.
        rng: for breath, tremor and background noise.

    Returns:
        Mono samples `[T]` at 16 kHz, the same for the same arguments and the same version of espeak-ng.
    """
    return _colour(_speak(voice, text, delivery), delivery, rng)


def _speak(voice: str, text: str, delivery: Delivery) -> np.ndarray:
    """The output of espeak-ng: `[T]` at 16 kHz, without the silence at both ends."""
    ssml = f'<speak><prosody range="{np.clip(delivery.liveliness, 20, 200):.0f}%">{escape(text)}</prosody></speak>'
    # With a pitch below 25, the lower voices become single pulses.
    pitch, speed = np.clip(50 + delivery.pitch, 25, 99), np.clip(delivery.words_per_minute, 90, 280)
    command = ["espeak-ng", "-m", "--stdout", "-v", f"en+{voice}", "-p", f"{pitch:.0f}", "-s", f"{speed:.0f}", ssml]
    wav = subprocess.run(command, check=True, capture_output=True).stdout
    samples, rate = soundfile.read(io.BytesIO(wav), dtype="float64")
    samples = soxr.resample(samples, rate, SAMPLE_RATE)
    loud = np.flatnonzero(np.abs(samples) > 0.01 * np.abs(samples).max())
    return samples[loud[0] : loud[-1] + 1]


def _colour(samples: np.ndarray, delivery: Delivery, rng: np.random.Generator) -> np.ndarray:
    """Add the effects that espeak-ng has no options for: `[T]` to `[T + silence]`."""
    # A modulated reading speed modulates the pitch: d sin(wt) semitones shift the time by -d ln2/12 cos(wt)/w.
    time, omega = np.arange(len(samples)) / SAMPLE_RATE, 2 * np.pi * 6
    shift = -delivery.tremor * np.log(2) / 12 * np.cos(omega * time + rng.uniform(0, 2 * np.pi)) / omega
    samples = np.interp(time + shift, time, samples)

    # The difference of neighbouring samples amplifies high frequencies, their sum attenuates them.
    tilt = np.clip(delivery.brightness, -0.9, 0.9)
    samples = samples - tilt * np.concatenate(([0.0], samples[:-1]))

    # The breath noise follows the voice's level (25 ms).
    envelope = np.sqrt(np.convolve(samples**2, np.ones(400) / 400, mode="same"))
    samples = samples + envelope * 10 ** (delivery.breath / 20) * rng.normal(size=len(samples))

    samples = samples / np.sqrt(np.mean(samples**2)) * 10 ** ((LEVEL + delivery.gain) / 20)
    before, after = rng.uniform(0.02, 0.08, size=2)
    samples = np.pad(samples, (int(before * SAMPLE_RATE), int(after * SAMPLE_RATE)))
    samples = samples + 10 ** (rng.uniform(-92, -86) / 20) * rng.normal(size=len(samples))
    return samples * min(1.0, LOUDEST / np.abs(samples).max())
