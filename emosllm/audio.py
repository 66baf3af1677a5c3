"""Read a file that libsndfile decodes, the bytes of one, or an array as mono float32 samples `[T]` at 16 kHz.

Channels are averaged, which lowers the level of two different recordings in one file. Frequencies above 8 kHz are lost.
Decoding goes block by block, so three hours at 48 kHz need the memory of three hours at 16 kHz. Damaged, silent or very
short recordings raise an error of one line, because a system would give them a confident answer.
"""

import math
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile as sf
import soxr

from emosllm.sound_file import AudioError, open_sound_file

__all__ = ["AudioError", "Recording", "duration", "load_audio", "open_recording"]

SAMPLE_RATE = 16_000  # Hz; what WavLM, wav2vec 2.0, HuBERT and Whisper were trained on
MIN_SECONDS = 0.1  # shorter than a syllable; also how much a header or a manifest may be off by rounding and padding
SILENCE_DBFS = -90.0  # digital silence: at most the last bit of 16 flickers (-90.3 dBFS)
_RATES = (1_000, 1_000_000)  # Hz; a rate outside is a typing error (16 for 16000) or a broken header
_BLOCK = 1 << 18  # frames decoded at a time


class Recording:
    """An open recording: its length is known, its samples are read as needed. `open_recording` makes it.

    Args:
        name: its name in errors.
        sound: an open file, or samples `[T, C]`.
        rate: sampling rate in Hz.

    Attributes:
        seconds: the length by the header.
    """

    def __init__(self, name: str, sound: sf.SoundFile | np.ndarray, rate: int) -> None:
        self.name, self._sound = name, sound
        self._rate = _checked_rate(name, rate)
        self._frames = len(sound) if isinstance(sound, np.ndarray) else sound.frames
        self.seconds = self._frames / rate

    def samples(self, start: float = 0.0, end: float | None = None) -> np.ndarray:
        """Read a segment; `load_audio` documents arguments, result and errors."""
        first, last = _stretch(self.name, self._frames, self._rate, start, end)
        return _to_16k(self._decoded(first, last), self._rate, self.name)

    def blocks(self) -> Iterator[np.ndarray]:
        """Read the whole recording in blocks, in constant memory; joined, they are the samples of `load_audio`.

        Silence is not an error here, because long recordings contain pauses.

        Yields:
            float32 samples `[n]`, mono, 16 kHz, some seconds per block.

        Raises:
            AudioError: as `load_audio`, except for silence. A fault is raised when decoding reaches it.
        """
        first, last = _stretch(self.name, self._frames, self._rate, 0.0, None)
        return _resampled(self._decoded(first, last), self._rate, self.name, _Peaks())

    def _decoded(self, first: int, last: int) -> Iterable[np.ndarray]:
        if isinstance(self._sound, np.ndarray):
            return [_as_floats(self._sound[first:last])]
        return _blocks(self._sound, first, last, self.name)


@contextmanager
def open_recording(
    source: Path | str | bytes | np.ndarray, *, rate: int = SAMPLE_RATE, name: str | None = None
) -> Iterator[Recording]:
    """Open a recording, once for all that is read of it; a file stays open until the `with` block ends.

    Args:
        source: as for `load_audio`.
        rate: sampling rate of an array, in Hz.
        name: its name in errors; the path if not given.

    Raises:
        AudioError: the file cannot be opened, or its size contradicts its header.
    """
    name = name or _name(source)
    if isinstance(source, np.ndarray):
        yield Recording(name, _as_channels(source), rate)
        return
    with open_sound_file(source, name) as sound:
        yield Recording(name, sound, sound.samplerate)


def load_audio(
    source: Path | str | bytes | np.ndarray, *, rate: int = SAMPLE_RATE, start: float = 0.0, end: float | None = None
) -> np.ndarray:
    """Read a recording, or a segment of one, in the format of the encoders.

    Channels are averaged: two channels with different recordings lose up to 6 dB each, and two channels that are each
    other's inverse cancel, which is an error. Resampling is soxr's VHQ. The level is not changed.

    Args:
        source: a file, the bytes of one, or samples: `[T]`, or two-dimensional with the shorter axis as channels;
            floats as they are, integers of up to 32 bits scaled by their range to [-1, 1).
        rate: sampling rate of an array, in Hz; ignored for files, whose header states it.
        start: start of the segment in seconds. Only the part from there on is decoded.
        end: end of the segment in seconds; `None` is the end of the recording. It may exceed the recording by up to
            0.1 s, because manifests round.

    Returns:
        float32 samples `[T]`, mono, 16 kHz, at least 0.1 s.

    Raises:
        AudioError: the source is missing, a folder, empty, not audio, truncated, silent, shorter than 0.1 s or contains
            NaN, or `start` and `end` are not inside it.
    """
    with open_recording(source, rate=rate) as recording:
        return recording.samples(start, end)


def duration(source: Path | str | bytes | np.ndarray, *, rate: int = SAMPLE_RATE) -> float:
    """Return the length in seconds, from the header and without decoding.

    Args:
        source: as for `load_audio`.
        rate: sampling rate of an array, in Hz.

    Raises:
        AudioError: the file cannot be opened, or its size contradicts its header.
    """
    with open_recording(source, rate=rate) as recording:
        return recording.seconds


def _name(source: Path | str | bytes | np.ndarray) -> str:
    if isinstance(source, bytes):
        return "the given bytes"
    if isinstance(source, np.ndarray):
        return "the given array"
    if isinstance(source, Path | str):
        return str(source)
    raise AudioError(f"cannot read audio from a {type(source).__name__}: give a path, bytes or a NumPy array")


def _as_channels(array: np.ndarray) -> np.ndarray:
    """Reshape an array to `[T, C]` without copying, and check its data type."""
    if array.size == 0:
        return np.zeros((0, 1), np.float32)
    if array.ndim == 1:
        array = array[:, None]
    elif array.ndim != 2:
        raise AudioError(f"the given array has shape {list(array.shape)}: give [T], [T, C] or [C, T]")
    elif array.shape[0] < array.shape[1]:
        array = array.T
    kind, size = array.dtype.kind, array.dtype.itemsize
    # NumPy turns a list of integers into 64 bits: 16-bit values in them would be scaled to silence.
    if kind not in "fiu" or (kind != "f" and size > 4):
        raise AudioError(f"the given array holds {array.dtype}: give float32 in [-1, 1], or int16 as in WAV files")
    return array


def _as_floats(samples: np.ndarray) -> np.ndarray:
    """Convert samples to float32; integers are scaled by their range to [-1, 1)."""
    kind = samples.dtype.kind
    if kind == "f":
        return samples.astype(np.float32)
    half = 2.0 ** (8 * samples.dtype.itemsize - 1)
    return ((samples.astype(np.float64) - (half if kind == "u" else 0.0)) / half).astype(np.float32)


def _checked_rate(name: str, rate: int) -> int:
    if not _RATES[0] <= rate <= _RATES[1]:
        raise AudioError(f"{name}: a sampling rate of {rate} Hz is outside {_RATES[0]} to {_RATES[1]}: give it in Hz")
    return rate


def _stretch(name: str, frames: int, rate: int, start: float, end: float | None) -> tuple[int, int]:
    """Check `start` and `end`, and return the first frame and the frame after the last."""
    length = frames / _checked_rate(name, rate)
    if frames == 0:
        raise AudioError(f"{name} holds no samples: record it again")
    if not 0 <= start < math.inf:
        raise AudioError(f"{name}: start {start} s is not a time in the recording: give 0 or more")
    if end is not None and not end > start:
        raise AudioError(f"{name}: end {end} s is not after start {start} s: swap or correct them")
    if start >= length or (end is not None and end > length + MIN_SECONDS):
        which = f"start {start}" if start >= length else f"end {end}"
        raise AudioError(f"{name}: {which} s lies outside the recording, which has {length:.3f} s: correct the times")
    first = round(start * rate)
    last = frames if end is None else min(frames, round(end * rate))
    if (last - first) / rate < MIN_SECONDS:
        raise AudioError(
            f"{name}: {(last - first) / rate:.3f} s are too short to recognise an emotion: give {MIN_SECONDS} s or more"
        )
    return first, last


def _blocks(sound: sf.SoundFile, first: int, last: int, name: str) -> Iterator[np.ndarray]:
    """Decode the frames from `first` to `last` in blocks `[n, C]`."""
    at = first
    try:
        sound.seek(first)
        while at < last:
            block = sound.read(min(_BLOCK, last - at), dtype="float32", always_2d=True)
            if len(block) == 0:
                break
            at += len(block)
            yield block
    except sf.LibsndfileError as error:
        raise AudioError(
            f"{name} is truncated or damaged: decoding fails after {at / sound.samplerate:.3f} s of "
            f"{sound.frames / sound.samplerate:.3f} s; copy or download it again"
        ) from error
    # MP3 headers count whole frames and padding, so the samples may be slightly fewer than stated.
    if last - at > MIN_SECONDS * sound.samplerate:
        raise AudioError(
            f"{name} is truncated: its header promises {last / sound.samplerate:.3f} s, it ends after "
            f"{at / sound.samplerate:.3f} s; copy or download it again"
        )


def _to_16k(blocks: Iterable[np.ndarray], rate: int, name: str) -> np.ndarray:
    """Average the channels of blocks `[n, C]` and resample; NaN and silence are errors."""
    peaks = _Peaks()
    samples = np.concatenate(list(_resampled(blocks, rate, name, peaks)))
    floor = 10 ** (SILENCE_DBFS / 20)
    if peaks.channels <= floor:
        raise AudioError(f"{name} is silent (peak below {SILENCE_DBFS:g} dBFS): check the microphone, or leave it out")
    if peaks.mono <= floor:
        raise AudioError(f"{name}: its channels cancel when they are averaged: keep one of them")
    return samples


@dataclass
class _Peaks:
    """The largest magnitude so far, of any channel and of their average."""

    channels: float = 0.0
    mono: float = 0.0


def _resampled(blocks: Iterable[np.ndarray], rate: int, name: str, peaks: _Peaks) -> Iterator[np.ndarray]:
    """Convert blocks `[n, C]` at `rate` to mono blocks `[n]` at 16 kHz and update `peaks`; NaN is an error."""
    resampler = None
    if rate != SAMPLE_RATE:
        resampler = soxr.ResampleStream(rate, SAMPLE_RATE, 1, dtype="float32", quality="VHQ")
    seen = 0
    for block in blocks:
        if not np.isfinite(block).all():
            bad = np.flatnonzero(~np.isfinite(block).all(axis=1))[0]
            raise AudioError(
                f"{name} holds NaN or infinite samples, the first at {(seen + bad) / rate:.3f} s: export it again"
            )
        single = block.shape[1] == 1  # averaging one channel would only copy it
        mono = block[:, 0] if single else block.mean(axis=1)
        seen += len(block)
        highest = float(np.abs(block).max())
        peaks.channels = max(peaks.channels, highest)
        peaks.mono = max(peaks.mono, highest if single else float(np.abs(mono).max()))
        yield mono if resampler is None else resampler.resample_chunk(mono)
    if resampler is not None:
        yield resampler.resample_chunk(np.zeros(0, np.float32), last=True)
