"""Degradations of recordings: noise, telephone lines, codecs, rooms, tape and silence, each by severity.

Every condition is a pure function of samples and a generator: one seed gives one result. Speech keeps its level unless
stated otherwise. Noise is added, and samples may exceed full scale, as floats may. Codecs clip at full scale, so a
louder clip is attenuated before and amplified again after. Not supported: packet loss, measured room responses, and
rates above 16 kHz.
"""

import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
import soundfile as sf
import soxr

from emosllm.audio import SAMPLE_RATE
from emosllm.errors import UserError
from emosllm.extras import extra

with extra("eval", "changing recordings"):
    from emosllm import augmentation

#: Maps float32 samples `[T]` at 16 kHz and a random generator to samples `[T']`.
Degradation = Callable[[np.ndarray, np.random.Generator], np.ndarray]
BackgroundClips = Sequence[np.ndarray]

_TELEPHONE = 8_000  # Hz, the rate of GSM and G.711
_MP3_DELAY = 576 + 529  # samples of delay by LAME and every decoder; only files with a tag state it


@dataclass(frozen=True, slots=True)
class Condition:
    """One way to degrade a recording.

    Attributes:
        name: in tables and on axes.
        unit: of the severities.
        severities: from mild to severe, or from low to high if `unchanged` lies between.
        make: maps samples `[T]`, generator, severity and other voices to samples `[T']`.
        unchanged: the severity without an effect; `None` if it lies at infinity.
        codec: container and subtype that libsndfile must support.
        needs_voices: whether it mixes in other recordings.
    """

    name: str
    unit: str
    severities: tuple[float, ...]
    make: Callable[[np.ndarray, np.random.Generator, float, BackgroundClips], np.ndarray]
    unchanged: float | None = None
    codec: tuple[str, str] | None = None
    needs_voices: bool = False

    def missing(self, voices: BackgroundClips = ()) -> str | None:
        """Why this condition is not available here, in a few words; `None` if it is."""
        if self.codec and self.codec[1] not in sf.available_subtypes(self.codec[0]):
            return f"this libsndfile ({sf.__libsndfile_version__}) has no {self.codec[1]}"
        return "there are no other voices for it" if self.needs_voices and not voices else None

    def degrade_at(self, severity: float, voices: BackgroundClips = ()) -> Degradation:
        """The change at one severity.

        Args:
            severity: in `unit`; may differ from `severities`.
            voices: other clips `[T']`, for babble.

        Raises:
            UserError: the condition is not available (see `missing`), or the severity is not a finite number.
        """
        reason = self.missing(voices)
        if reason:
            raise UserError(f"cannot make {self.name}: {reason}")
        if not np.isfinite(severity):
            raise UserError(f"cannot make {self.name} at {severity} {self.unit}: a finite number is needed")
        return lambda samples, rng: self.make(np.asarray(samples, np.float32), rng, severity, voices)


def condition(name: str) -> Condition:
    """Find a condition by name.

    Raises:
        UserError: no condition has that name.
    """
    if name not in CONDITIONS:
        raise UserError(f"unknown condition {name!r}: known are {', '.join(CONDITIONS)}")
    return CONDITIONS[name]


def _white(samples: np.ndarray, rng: np.random.Generator, snr_db: float, _: BackgroundClips) -> np.ndarray:
    return augmentation.add_noise(samples, augmentation.make_noise(len(samples), rng), snr_db)


def _babble(samples: np.ndarray, rng: np.random.Generator, snr_db: float, voices: BackgroundClips) -> np.ndarray:
    return augmentation.add_noise(samples, augmentation.make_babble(len(samples), rng, voices), snr_db)


def _band(samples: np.ndarray, _: np.random.Generator, high_hz: float, __: BackgroundClips) -> np.ndarray:
    # The bands of ITU-T G.722 (50 to 7000 Hz) and of the old telephone, G.712 (300 to 3400 Hz).
    return augmentation.limit_band(samples, 300.0 if high_hz <= 3400 else 50.0, high_hz)


def _room(samples: np.ndarray, rng: np.random.Generator, rt60_s: float, _: BackgroundClips) -> np.ndarray:
    return augmentation.add_room(samples, rng, rt60_s, 0.0)


def _speed(samples: np.ndarray, _: np.random.Generator, ratio: float, __: BackgroundClips) -> np.ndarray:
    if ratio <= 0:
        raise UserError(f"cannot play at {ratio} times the speed: a number above 0 is needed")
    return augmentation.change_speed(samples, ratio)


def _clipping(samples: np.ndarray, _: np.random.Generator, excess_db: float, __: BackgroundClips) -> np.ndarray:
    return augmentation.clip_peaks(samples, excess_db)


def _silence(samples: np.ndarray, rng: np.random.Generator, seconds: float, _: BackgroundClips) -> np.ndarray:
    return augmentation.pad_silence(samples, rng, seconds, seconds)


def _quiet(samples: np.ndarray, _: np.random.Generator, gain_db: float, __: BackgroundClips) -> np.ndarray:
    return augmentation.change_gain(samples, gain_db)


def _mp3(samples: np.ndarray, _: np.random.Generator, kbps: float, __: BackgroundClips) -> np.ndarray:
    # libsndfile's 0..1 is 160 to 8 kbit/s at this rate.
    level = min(max((160 - kbps) / 152, 0.0), 0.99)
    late = _through("MP3", "MPEG_LAYER_III", samples, compression_level=level, bitrate_mode="CONSTANT")
    return late if len(late) == len(samples) else _fitted(late[_MP3_DELAY:], len(samples))


def _opus(samples: np.ndarray, _: np.random.Generator, kbps: float, __: BackgroundClips) -> np.ndarray:
    # libsndfile's 0..1 is 256 to 6 kbit/s for one channel.
    level = min(max((256 - kbps) / 250, 0.0), 1.0)
    return _fitted(_through("OGG", "OPUS", samples, compression_level=level), len(samples))


def _telephone_codec(subtype: str) -> Callable[[np.ndarray, np.random.Generator, float, BackgroundClips], np.ndarray]:
    """A codec at 8 kHz: resampling removes everything above 4 kHz."""

    def make(samples: np.ndarray, _: np.random.Generator, __: float, ___: BackgroundClips) -> np.ndarray:
        down = soxr.resample(samples, SAMPLE_RATE, _TELEPHONE)
        decoded = _fitted(_through("WAV", subtype, down, rate=_TELEPHONE), len(down))
        return _fitted(soxr.resample(decoded, _TELEPHONE, SAMPLE_RATE).astype(np.float32), len(samples))

    return make


def _through(
    container: str, subtype: str, samples: np.ndarray, *, rate: int = SAMPLE_RATE, **options: object
) -> np.ndarray:
    """Encode in memory and decode again, at the original level."""
    scale = min(1.0, 0.99 / max(float(np.abs(samples).max(initial=0.0)), 1e-9))
    buffer = io.BytesIO()
    sf.write(buffer, samples * scale, rate, format=container, subtype=subtype, **options)
    buffer.seek(0)
    return sf.read(buffer, dtype="float32")[0] / np.float32(scale)


def _fitted(samples: np.ndarray, length: int) -> np.ndarray:
    """Cut or pad with zeros to `length`: codecs fill their last frame."""
    return np.pad(samples[:length], (0, max(0, length - len(samples))))


_SNRS = (30.0, 20.0, 10.0, 5.0, 0.0)

#: By name, in the order of tables. Severities are ASSUMED: from hardly audible to the limit of human understanding.
CONDITIONS: Mapping[str, Condition] = MappingProxyType(
    {
        each.name: each
        for each in (
            Condition("white noise", "dB SNR", _SNRS, _white),
            Condition("babble", "dB SNR", _SNRS, _babble, needs_voices=True),
            Condition("narrow band", "Hz", (7000.0, 5000.0, 3400.0), _band),
            Condition("MP3", "kbit/s", (64.0, 32.0, 16.0), _mp3, codec=("MP3", "MPEG_LAYER_III")),
            Condition("Opus", "kbit/s", (32.0, 16.0, 8.0), _opus, codec=("OGG", "OPUS")),
            Condition("A-law", "kbit/s", (64.0,), _telephone_codec("ALAW"), codec=("WAV", "ALAW")),
            Condition("mu-law", "kbit/s", (64.0,), _telephone_codec("ULAW"), codec=("WAV", "ULAW")),
            Condition("GSM", "kbit/s", (13.0,), _telephone_codec("GSM610"), codec=("WAV", "GSM610")),
            Condition("reverberation", "s RT60", (0.3, 0.6, 1.0, 2.0), _room),
            Condition("speed", "times", (0.7, 0.85, 1.15, 1.3), _speed, unchanged=1.0),
            Condition("clipping", "dB", (6.0, 12.0, 20.0, 30.0), _clipping, unchanged=0.0),
            Condition("silence", "s at each end", (0.5, 1.0, 2.0, 4.0), _silence, unchanged=0.0),
            Condition("quiet", "dB", (-10.0, -20.0, -30.0, -40.0), _quiet, unchanged=0.0),
        )
    }
)
