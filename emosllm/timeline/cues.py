"""The voice of each turn in words: pitch, loudness and their like, low, medium or high among the recording's own turns.

Measured as the systems' own cues are (Praat). The words compare a turn with the other turns of the same recording, so
they say how a voice changes and not how it compares with other people's. Given up: words where fewer than three turns
could be measured; the values are there all the same.
"""

import math
from collections.abc import Mapping, Sequence
from importlib.util import find_spec

import numpy as np

from emosllm.prompting.cues import measure
from emosllm.timeline.segments import Segment

#: Units of the values, by name; ratios have none.
UNITS = {"loudness": "dB", "pitch": "Hz", "pitch range": "semitones"}
_FEWEST = 3  # turns that can be cut into thirds


def cues_available() -> bool:
    """Whether the extra that measures them is installed."""
    return find_spec("parselmouth") is not None


def measured(samples: np.ndarray) -> dict[str, float]:
    """The cues of a turn's samples `[T]`; what could not be measured is left out.

    Raises:
        UserError: parselmouth is not installed.
    """
    return {name: float(value) for name, value in measure(samples).items() if math.isfinite(value)}


def in_words(segments: Sequence[Segment]) -> list[Mapping[str, str]]:
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
