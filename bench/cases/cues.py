"""Acoustic cues of many clips: computed one clip after another, or by emosllm on all cores.

The plain implementation calls librosa and Praat as their documentation shows, without code of emosllm: the library that
measures a recording also reads it, with whole spectra and one clip at a time.
"""

import math
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np

from bench.case import Case, Pair
from bench.sizes import Setting
from bench.systems import write_utterance
from emosllm.corpora.manifest import read_manifest
from emosllm.prompting.cues.sets import measure_all
from emosllm.utterance import Utterance

Values = list[dict[str, float]]
_FOLDERS: list[tempfile.TemporaryDirectory[str]] = []  # deleted when the process ends


def by_librosa(path: Path) -> dict[str, float]:
    """Compute AA-SLLM's equations 2 to 7 as printed, for a recording that is not silent."""
    from librosa import load, piptrack
    from librosa.effects import split

    samples, rate = load(path, sr=16_000)
    peaks, _ = piptrack(y=samples, sr=rate)
    pieces = split(samples, top_db=20)
    spoken = int((pieces[:, 1] - pieces[:, 0]).sum())
    return {
        "pitch": float(peaks[peaks > 0].mean(dtype=np.float64)),
        "intensity": 10 * math.log10(np.mean(samples.astype(np.float64) ** 2)),
        "speech rate": len(pieces) / (len(samples) / rate),
        "articulation rate": len(pieces) / (spoken / rate),
    }


def by_praat(path: Path) -> dict[str, float]:
    """Compute the five cues as a Praat script does: a second pitch pass uses a range near the first's quartiles.

    The constants are those of `emosllm.prompting.cues.praat`, which names their sources.
    """
    import parselmouth
    from parselmouth.praat import call

    sound = parselmouth.Sound(str(path))
    decibels = sound.to_intensity(minimum_pitch=60.0).values[0]
    speech = decibels[decibels >= decibels.max() - 25]
    cues = {"loudness": 10 * math.log10(np.mean(10 ** (speech / 10)))}
    unvoiced = dict.fromkeys(("pitch", "pitch range", "jitter", "shimmer"), math.nan)
    floor, ceiling = 60.0, 600.0
    for _ in range(2):
        pitch = sound.to_pitch_ac(pitch_floor=floor, pitch_ceiling=ceiling)
        hertz = pitch.selected_array["frequency"]
        hertz = hertz[hertz > 0]
        if not len(hertz):
            return cues | unvoiced
        lower, upper = np.percentile(hertz, (25, 75))
        floor, ceiling = max(60.0, 0.75 * lower), min(600.0, 2.5 * upper)
    low, high = np.percentile(hertz, (5, 95))
    pulses = call([sound, pitch], "To PointProcess (cc)")
    return cues | {
        "pitch": float(hertz.mean()),
        "pitch range": 12 * math.log2(high / low),
        "jitter": call(pulses, "Get jitter (local)", 0, 0, 0.0001, 0.02, 1.3),
        "shimmer": call([sound, pulses], "Get shimmer (local)", 0, 0, 0.0001, 0.02, 1.3, 1.6),
    }


def _measured(name: str, by_hand: Callable[[Path], dict[str, float]]) -> Callable[[Setting], Pair]:
    def prepare(setting: Setting) -> Pair:
        clips = _clips(setting)
        paths = [clip.audio for clip in clips if isinstance(clip.audio, Path)]
        seconds = sum(clip.duration or 0.0 for clip in clips) / len(clips)
        facts = {"clips": len(clips), "seconds_a_clip": seconds, "real": setting.data is not None}
        return Pair(
            plain=lambda: [by_hand(path) for path in paths],
            ours=lambda: measure_all(name, clips, setting.threads),
            compare=_equal,
            samples=len(clips),
            facts=facts,
        )

    return prepare


def _clips(setting: Setting) -> list[Utterance]:
    """Recordings on disk: real ones of every corpus if there are any, otherwise synthetic voices of several lengths."""
    count = setting.sizes.clips
    if setting.data is not None:
        found = read_manifest(setting.data / "manifest.csv")
        known = [one for one in found if isinstance(one.audio, Path) and one.start == 0 and one.end is None]
        return known[:: max(1, len(known) // count)][:count]
    folder = tempfile.TemporaryDirectory()
    _FOLDERS.append(folder)
    return [write_utterance(Path(folder.name), number, 1.5 + 4.4 * (number % 11) / 10) for number in range(count)]


def _equal(plain: Values, ours: Values) -> dict[str, float]:
    """Require bitwise equality, except for clips of more than half a minute, whose peaks are summed in blocks."""
    pairs = [(a[cue], b[cue]) for a, b in zip(plain, ours, strict=True) for cue in a]
    apart = [abs(a - b) / max(abs(a), abs(b)) for a, b in pairs if a != b and not (math.isnan(a) and math.isnan(b))]
    assert all(one <= 1e-9 for one in apart), f"the cues differ by {max(apart):.3g}"
    return {"values": len(pairs), "differ_by": max(apart, default=0.0)}


CASES = (
    Case(
        "cues-praat",
        "Praat's cues of 200 clips, one by one or on all cores",
        _measured("praat", by_praat),
        computes=False,
    ),
    Case(
        "cues-librosa",
        "librosa's cues of 200 clips, one by one or on all cores",
        _measured("librosa", by_librosa),
        computes=False,
    ),
)
