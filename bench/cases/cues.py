"""Acoustic cues of many clips: one after another, or by the house's `measure_all` on all cores."""

import math
from collections.abc import Callable

import numpy as np

from bench.case import Case, Pair
from bench.scale import Setting
from bench.systems import voice
from emosllm.audio import load_audio
from emosllm.corpora.manifest import read_manifest
from emosllm.prompting.cues.sets import cue_set, measure_all

Values = list[dict[str, float]]


def _measured(name: str) -> Callable[[Setting], Pair]:
    def prepare(setting: Setting) -> Pair:
        clips = _clips(setting)
        measure = cue_set(name).measure
        seconds = sum(map(len, clips)) / len(clips) / 16_000
        facts = {"clips": len(clips), "seconds_a_clip": seconds, "real": setting.data is not None}
        return Pair(
            plain=lambda: [measure(clip) for clip in clips],
            ours=lambda: measure_all(name, clips, setting.threads),
            compare=_equal,
            samples=len(clips),
            facts=facts,
        )

    return prepare


def _clips(setting: Setting) -> list[np.ndarray]:
    """Real recordings where there are some, of every corpus; else voices of several lengths."""
    count = setting.sizes.clips
    if setting.data is None:
        return [voice(1.5 + 4.4 * (number % 11) / 10, number) for number in range(count)]
    known = [one for one in read_manifest(setting.data / "manifest.csv") if one.audio is not None]
    chosen = known[:: max(1, len(known) // count)][:count]
    return [load_audio(one.audio, start=one.start, end=one.end) for one in chosen if one.audio is not None]


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
