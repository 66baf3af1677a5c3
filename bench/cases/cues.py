"""Acoustic cues of many clips: one after another, or by the house's `measure_all` on all cores."""

import math
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np

from bench.case import Case, Pair
from bench.scale import Setting
from bench.systems import utterance
from emosllm.audio import load_audio
from emosllm.corpora.manifest import read_manifest
from emosllm.prompting.cues.sets import cue_set, measure_all
from emosllm.utterance import Utterance

Values = list[dict[str, float]]
_FOLDERS: list[tempfile.TemporaryDirectory[str]] = []  # removed when the process ends


def _measured(name: str) -> Callable[[Setting], Pair]:
    def prepare(setting: Setting) -> Pair:
        clips = _clips(setting)
        seconds = sum(clip.duration or 0.0 for clip in clips) / len(clips)
        facts = {"clips": len(clips), "seconds_a_clip": seconds, "real": setting.data is not None}
        return Pair(
            plain=lambda: [cue_set(name).measure(_read(clip)) for clip in clips],
            ours=lambda: measure_all(name, clips, setting.threads),
            compare=_equal,
            samples=len(clips),
            facts=facts,
        )

    return prepare


def _clips(setting: Setting) -> list[Utterance]:
    """Recordings on disk: real ones where there are some, of every corpus; else voices of several lengths."""
    count = setting.sizes.clips
    if setting.data is not None:
        known = [one for one in read_manifest(setting.data / "manifest.csv") if one.audio is not None]
        return known[:: max(1, len(known) // count)][:count]
    folder = tempfile.TemporaryDirectory()
    _FOLDERS.append(folder)
    return [utterance(Path(folder.name), number, 1.5 + 4.4 * (number % 11) / 10) for number in range(count)]


def _read(clip: Utterance) -> np.ndarray:
    assert clip.audio is not None
    return load_audio(clip.audio, start=clip.start, end=clip.end)


def _equal(plain: Values, ours: Values) -> dict[str, float]:
    pairs = [(a[cue], b[cue]) for a, b in zip(plain, ours, strict=True) for cue in a]
    assert all(a == b or (math.isnan(a) and math.isnan(b)) for a, b in pairs), "the cues differ"
    return {"values": len(pairs), "differ_by": 0.0}


CASES = (
    Case("cues-praat", "Praat's cues of 200 clips, one by one or on all cores", _measured("praat"), computes=False),
    Case(
        "cues-librosa", "librosa's cues of 200 clips, one by one or on all cores", _measured("librosa"), computes=False
    ),
)
