"""Rows: the results of recognition, one for each clip, in order. `recognise` turns a stream of clips into rows.

Every command and the server use this stream. They differ in where clips come from (`clips`, or the turns of a timeline)
and in where rows go.
"""

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Protocol

from emosllm.inference.clips import Clip
from emosllm.inference.transcripts import TranscriptSources, with_transcripts
from emosllm.labels import LabelSet
from emosllm.prompting.cues import measure
from emosllm.utterance import Prediction, Utterance

if TYPE_CHECKING:  # they load torch
    from emosllm.inference.adaptation import Session
    from emosllm.prompting.processor import SpeechProcessor


@dataclass(frozen=True, slots=True)
class Row:
    """The result for one clip.

    Attributes:
        utterance: the utterance as it was listed, or the turn that was cut.
        prediction: the system's prediction.
        transcript_from: `model`, `given`, a speech recogniser's name, or `None` where there is no transcript.
        speakers: who speaks, if known; two or more where speech overlaps.
        cues: measured properties of the voice, by name, in their own units; empty if not measured.
    """

    utterance: Utterance
    prediction: Prediction
    transcript_from: str | None = None
    speakers: tuple[str, ...] = ()
    cues: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class RecognitionOptions:
    """How clips are recognised.

    Attributes:
        batch_size: clips computed together; the answers do not depend on it.
        transcripts: where transcripts come from.
        cues: whether to measure each clip's acoustic cues.
        session: the session that all clips belong to, if answers adapt to them as they come.
    """

    batch_size: int = 8
    transcripts: TranscriptSources = field(default_factory=TranscriptSources)
    cues: bool = False
    session: "Session | None" = None

    def settings(self) -> dict[str, Any]:
        """The options as an output file records them."""
        return self.transcripts.settings()


class ClipRecogniser(Protocol):
    """What this stream needs of a recogniser: `Recogniser`, or one behind a queue."""

    labels: LabelSet
    processor: "SpeechProcessor"

    def recognise(self, clips: Iterable[Clip], batch_size: int) -> Iterator[tuple[Clip, Prediction]]:
        """Recognise clips, in order."""

    def check_transcripts(self, given: bool) -> None:
        """Refuse to begin without a source of transcripts if one is needed."""


def recognise(
    recogniser: ClipRecogniser, clips: Iterable[Clip], options: RecognitionOptions | None = None
) -> Iterator[Row]:
    """Recognise a stream of clips, in order, in constant memory.

    Raises:
        UserError: the system needs transcripts, and no source gives them.
    """
    options = options or RecognitionOptions()
    sources = options.transcripts
    if recogniser.processor.takes_transcript:  # every prompt of such a system contains the transcript
        sources = replace(sources, listed=True)
    recogniser.check_transcripts(sources.given or sources.transcriber is not None)
    clips = with_transcripts(clips, sources, options.batch_size)
    if options.session is not None:
        clips = (replace(clip, session=options.session) for clip in clips)
    for clip, prediction in recogniser.recognise(clips, options.batch_size):
        source = None if prediction.transcript is None else clip.transcript_from or "model"
        cues = _cues(clip) if options.cues else {}
        yield Row(clip.utterance, prediction, source, clip.speakers, cues)


def _cues(clip: Clip) -> dict[str, float]:
    """The cues of a clip's samples; what could not be measured is left out."""
    if clip.samples is None:
        return {}
    return {name: float(value) for name, value in measure(clip.samples).items() if math.isfinite(value)}
