"""Four text cues measured with librosa: pitch, intensity, speech rate and articulation rate, as AA-SLLM extracts them.

Limitations: names and formulas are the paper's, and the names are not exact. `piptrack` lists all spectral peaks of a
frame between 150 Hz and 4 kHz, including overtones, and the noise of a pause has more of them than a vowel. "pitch"
therefore measures how high and how noisy the spectrum is, not F0 (`praat` measures F0). The "syllables" are phrases
between pauses. Their threshold is 20 dB below the loudest frame and does not depend on the background noise. Intensity
depends on the microphone's distance.
Source: AA-SLLM, section 2.2.1, equations 2 to 7, with librosa's defaults where the paper names none.
"""

import math
import os
from functools import cache
from pathlib import Path
from tempfile import gettempdir
from types import ModuleType

import numpy as np

from emosllm.audio import SAMPLE_RATE
from emosllm.errors import UserError
from emosllm.extras import extra
from emosllm.prompting.cues.definition import CueSet

#: The cues, with the paper's names.
CUES = ("pitch", "intensity", "speech rate", "articulation rate")

TOP_DB = 20.0  # AA-SLLM, equation 4
# Defaults of librosa 0.11, which the paper uses without naming them. They are fixed here against later changes.
WINDOW, HOP = 2048, 512  # samples; frames are centred, with zeros before and after the clip, under a Hann window
PEAKS_FROM, PEAKS_TO = 150.0, 4000.0  # Hz
FAINTEST_PEAK = 0.1  # of its frame's largest magnitude
BLOCK = 1024  # frames of 32 ms at a time: an hour's spectrum at once would take gigabytes


def measure(samples: np.ndarray) -> dict[str, float]:
    """Measure the four cues of one clip.

    Args:
        samples: mono speech `[T]` at 16 kHz, full scale 1.

    Returns:
        A value for each of `CUES`, NaN where the clip does not allow it (all of them under 0.128 s, librosa's window,
        or in digital silence, DC included):

        - pitch: mean of piptrack's non-zero values over all frames, in Hz.
        - intensity: ten times the common logarithm of the mean square, in dB; a full-scale sine has -3.
        - speech rate: pieces that `librosa.effects.split` finds, per second of the clip.
        - articulation rate: the same pieces, per second of their own length.

    Raises:
        UserError: librosa is not installed, or the samples are not finite numbers `[T]`.
    """
    with extra("cues", "measuring text cues"):
        split = import_librosa().effects.split
    with np.errstate(over="ignore"):  # values beyond float32 become infinite and are refused below
        samples = samples.astype(np.float32)
    if samples.ndim != 1 or not np.isfinite(samples).all():
        raise UserError(f"cues need finite mono samples [T], and the shape is {list(samples.shape)}: see emosllm.audio")
    cues = dict.fromkeys(CUES, math.nan)
    if len(samples) < WINDOW or np.ptp(samples) == 0:
        return cues

    cues["pitch"] = _mean_of_peaks(samples)
    cues["intensity"] = 10 * math.log10(np.mean(samples.astype(np.float64) ** 2))
    with np.errstate(over="ignore", invalid="ignore"):  # squares may overflow float32; then no piece is found
        pieces = split(samples, top_db=TOP_DB, frame_length=WINDOW, hop_length=HOP)  # [P, 2], in samples
    if spoken := int((pieces[:, 1] - pieces[:, 0]).sum()):
        cues["speech rate"] = len(pieces) / (len(samples) / SAMPLE_RATE)
        cues["articulation rate"] = len(pieces) / (spoken / SAMPLE_RATE)
    return cues


def _mean_of_peaks(samples: np.ndarray) -> float:
    """Mean of piptrack's non-zero values in Hz, in blocks: frames are independent of each other."""
    padded = np.pad(samples, WINDOW // 2)
    total, count = 0.0, 0
    for first in range(0, 1 + len(samples) // HOP, BLOCK):
        found = _peaks(padded[first * HOP : (first + BLOCK - 1) * HOP + WINDOW])
        total += float(found.sum(dtype=np.float64))
        count += len(found)
    return total / count if count else math.nan


def _peaks(padded: np.ndarray) -> np.ndarray:
    """The non-zero values of `librosa.piptrack` in whole frames of `[T]` samples, in Hz, in its order, bit for bit.

    This takes a third less work. Peaks above `PEAKS_TO` are not needed, so the bins there only count in the largest
    magnitude of a frame. piptrack gets the lower half of the bins and half the sample rate, which are the same
    frequencies. Frames are rows, windowed in double precision and stored in single precision, as in `librosa.stft`.
    """
    librosa = import_librosa()
    frames = librosa.util.frame(padded, frame_length=WINDOW, hop_length=HOP, axis=0)  # [N, WINDOW], a view
    spectrum = librosa.get_fftlib().rfft(frames * librosa.filters.get_window("hann", WINDOW), axis=-1)
    magnitudes = np.abs(spectrum.astype(np.complex64))  # [N, 1 + WINDOW / 2]
    largest = magnitudes.max(axis=-1)
    nearby = round(WINDOW * PEAKS_TO / SAMPLE_RATE) + 1  # up to the bin at PEAKS_TO, next to the last possible peak
    hertz, _ = librosa.piptrack(
        S=magnitudes[:, :nearby].T,
        sr=2 * PEAKS_TO,
        fmin=PEAKS_FROM,
        fmax=PEAKS_TO,
        threshold=FAINTEST_PEAK,
        ref=lambda _, axis: largest,
    )
    return hertz[hertz > 0]


@cache
def import_librosa() -> ModuleType:
    """Import librosa and its submodules, in one process of a user at a time.

    numba compiles its loops on the first import and caches them on disk. Two processes that do so at once can corrupt
    the cache, which crashes every later process (numba/numba#10128, a segmentation fault).

    Raises:
        ImportError: librosa is not installed.
    """
    import librosa
    from filelock import FileLock

    user = os.getuid() if hasattr(os, "getuid") else 0  # elsewhere the folder is the user's own
    with FileLock(Path(gettempdir()) / f"emosllm-librosa-{user}.lock"):
        import librosa.core.pitch
        import librosa.effects
        import librosa.filters
        import librosa.util
    return librosa


# AA-SLLM, section 2.2.2. A process imports librosa for 3 s, a clip of 3 s takes 0.004 s.
CUE_SET = CueSet("librosa", CUES, measure, (0.5,), ("low", "high"), 1000, threaded=True)
