"""Make the timeline of a recording of any length: cut its spoken turns, recognise them, and collect the rows."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from emosllm.audio import open_recording
from emosllm.inference.rows import RecognitionOptions, recognise
from emosllm.timeline.segments import Segment, Timeline
from emosllm.timeline.spoken_turns import SpokenTurns, TurnOptions

if TYPE_CHECKING:
    from emosllm.inference.recogniser import Recogniser


def make_timeline(
    recogniser: "Recogniser",
    source: Path,
    model: str,
    turns: TurnOptions | None = None,
    options: RecognitionOptions | None = None,
) -> Timeline:
    """Recognise a recording of any length.

    Args:
        recogniser: the system.
        source: the recording.
        model: the system's name, as the timeline records it.
        turns: how turns are cut.
        options: how they are recognised.

    Raises:
        UserError: the recording cannot be read, or silero-vad is not installed.
    """
    options = options or RecognitionOptions()
    with open_recording(source) as recording:
        spoken = SpokenTurns(recording, source, turns, recogniser.processor.longest)
        segments = [Segment.of(row) for row in recognise(recogniser, spoken.clips(), options)]
        return timeline_of(spoken, segments, recogniser, model, options)


def timeline_of(
    turns: SpokenTurns, segments: Sequence[Segment], recogniser: "Recogniser", model: str, options: RecognitionOptions
) -> Timeline:
    """The timeline of a recording whose turns were recognised.

    Args:
        turns: the turns, after a complete pass.
        segments: the result for each turn.
        recogniser: the system.
        model: the system's name, as the timeline records it.
        options: how the turns were recognised.
    """
    name = str(turns.source).encode("utf-8", "replace").decode("utf-8")  # a file's name may not be valid text
    adapted = recogniser.adaptation.to_dict() if recogniser.adaptation is not None else None
    settings = turns.options.settings() | options.settings() | {"adapted": adapted}
    labels, envelope = tuple(recogniser.labels.names), np.asarray(turns.envelope, np.float32)
    return Timeline(name, turns.total, model, labels, segments, settings, envelope)
