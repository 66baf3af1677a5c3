"""Acoustic cues of each turn: pitch, loudness and others, as values and as low, medium or high within the recording.

Praat measures them, as for the systems' own cues. The words compare a turn with the other turns of the same recording.
They describe changes of a voice and do not compare it with other people's voices. If fewer than three turns could be
measured, there are values and no words.
"""

from collections.abc import Mapping, Sequence
from importlib.util import find_spec

import numpy as np

from emosllm.timeline.segments import Segment

#: Units of the values, by name; ratios have none.
UNITS = {"loudness": "dB", "pitch": "Hz", "pitch range": "semitones"}
_FEWEST = 3  # turns; fewer cannot be divided into thirds


def cues_available() -> bool:
    """Whether the library that measures the cues is installed."""
    return find_spec("parselmouth") is not None


def cue_levels(segments: Sequence[Segment]) -> list[Mapping[str, str]]:
    """For each segment, cue -> `low`, `medium` or `high`: its third among all segments of the recording."""
    names = list(dict.fromkeys(name for segment in segments for name in segment.cues))
    bounds: dict[str, tuple[float, float]] = {}
    for name in names:
        values = [segment.cues[name] for segment in segments if name in segment.cues]
        if len(values) >= _FEWEST:
            lower, upper = np.quantile(values, (1 / 3, 2 / 3))
            bounds[name] = (float(lower), float(upper))
    return [
        {name: _word(segment.cues[name], *bounds[name]) for name in bounds if name in segment.cues}
        for segment in segments
    ]


def _word(value: float, lower: float, upper: float) -> str:
    return "low" if value < lower else "high" if value > upper else "medium"
