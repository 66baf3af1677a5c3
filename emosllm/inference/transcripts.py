"""Give clips their transcripts: those of the user, or those of a speech recogniser.

A transcript of the user comes first, then that of a speech recogniser. A clip that has neither is transcribed by the
system itself, if it transcribes.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any, Protocol

import numpy as np

from emosllm.inference.clips import Clip
from emosllm.inference.given_transcripts import GivenTranscripts


class Transcriber(Protocol):
    """A speech recogniser.

    Attributes:
        name: its name in outputs, such as `asr openai/whisper-small`.
    """

    name: str

    def __call__(self, clips: Sequence[np.ndarray]) -> list[str]:
        """Transcribe each clip, `[T]` at 16 kHz."""


@dataclass(frozen=True)
class TranscriptSources:
    """Where transcripts come from.

    Attributes:
        table: a table of the user; it precedes the utterances' own transcripts.
        listed: whether the utterances' own transcripts are used, such as the manifest's column.
        transcriber: a speech recogniser for clips without a transcript.
    """

    table: GivenTranscripts | None = None
    listed: bool = False
    transcriber: Transcriber | None = None

    @property
    def given(self) -> bool:
        """Whether the user gives transcripts."""
        return self.listed or self.table is not None

    def settings(self) -> dict[str, Any]:
        """The sources as an output file records them."""
        return {
            "transcripts": str(self.table.path) if self.table else None,
            "asr": self.transcriber.name if self.transcriber else None,
        }


def with_transcripts(clips: Iterable[Clip], sources: TranscriptSources, batch_size: int = 8) -> Iterator[Clip]:
    """Yield the clips with the transcripts of these sources, in order.

    Args:
        clips: whose transcripts are those of their utterances.
        sources: where transcripts come from.
        batch_size: clips that the speech recogniser gets together.
    """
    remaining = iter(clips)
    while batch := [_given(clip, sources) for clip in islice(remaining, batch_size)]:
        yield from batch if sources.transcriber is None else _transcribed(batch, sources.transcriber)


def _given(clip: Clip, sources: TranscriptSources) -> Clip:
    """The clip with the user's transcript, or with none."""
    text = sources.table.of(clip.utterance) if sources.table else clip.transcript if sources.listed else None
    return replace(clip, transcript=text, transcript_from=None if text is None else "given")


def _transcribed(clips: Sequence[Clip], transcriber: Transcriber) -> list[Clip]:
    """The clips, those without a transcript transcribed."""
    samples = [clip.samples for clip in clips if clip.transcript is None and clip.samples is not None]
    texts = iter(transcriber(samples) if samples else [])
    return [
        replace(clip, transcript=next(texts), transcript_from=transcriber.name)
        if clip.transcript is None and clip.samples is not None
        else clip
        for clip in clips
    ]
