"""The records of a timeline: a `Segment` per turn, and the `Timeline` with recording, model and settings.

They are frozen dataclasses without heavy imports, since the command line, the page and the server share them.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from emosllm.inference.rows import Row


@dataclass(frozen=True, slots=True)
class Segment:
    """The result for one turn.

    Attributes:
        start: seconds from the recording's beginning.
        end: seconds from the recording's beginning.
        label: the most probable emotion; `None` if `error` is set.
        probabilities: emotion -> probability, summing to 1, in the label set's order; empty for a free answer.
        transcript: the transcript, if known.
        transcript_from: `model`, `given`, or the name of the speech recogniser (`asr openai/whisper-small`).
        speakers: who speaks; two or more where speech overlaps; empty if unknown.
        cues: measured properties of the voice, by name, in their own units; empty if not measured.
        error: one line that says why the turn could not be recognised.
    """

    start: float
    end: float
    label: str | None = None
    probabilities: Mapping[str, float] = field(default_factory=dict)
    transcript: str | None = None
    transcript_from: str | None = None
    speakers: tuple[str, ...] = ()
    cues: Mapping[str, float] = field(default_factory=dict)
    error: str | None = None

    @staticmethod
    def of(row: "Row", end: float | None = None) -> "Segment":
        """The segment of a row.

        Args:
            row: the result for a clip of the recording.
            end: the end of a clip whose utterance states none, in seconds.
        """
        utterance, prediction = row.utterance, row.prediction
        until = utterance.end if utterance.end is not None else end
        assert until is not None, "a segment needs an end"
        return Segment(
            utterance.start,
            until,
            prediction.label,
            prediction.probabilities,
            prediction.transcript,
            row.transcript_from,
            row.speakers,
            row.cues,
            prediction.error,
        )

    @property
    def confidence(self) -> float | None:
        """The probability of `label`; a free answer has none."""
        return None if self.label is None else self.probabilities.get(self.label)

    @property
    def shown_probabilities(self) -> Mapping[str, float]:
        """The probabilities; for a free answer, which has none, 1 for its label."""
        return self.probabilities or ({self.label: 1.0} if self.label is not None else {})

    @property
    def confidence_text(self) -> str:
        """The confidence as text (`0.87`); empty if there is none."""
        return "" if self.confidence is None else f"{self.confidence:.2f}"

    @property
    def speaker(self) -> str | None:
        """The speakers' names, joined by a plus sign; `None` if unknown."""
        return "+".join(self.speakers) or None

    def to_dict(self) -> dict[str, Any]:
        """The JSON form, rounded to 1 ms and to 1e-4 for probabilities."""
        return {
            "start": round(self.start, 3),
            "end": round(self.end, 3),
            "label": self.label,
            "confidence": None if self.confidence is None else round(float(self.confidence), 4),
            "probabilities": {name: round(float(p), 4) for name, p in self.probabilities.items()},
            "transcript": self.transcript,
            "transcript_from": self.transcript_from,
            "speaker": self.speaker,
            "overlap": len(self.speakers) > 1,
            "cues": {name: float(f"{value:.4g}") for name, value in self.cues.items()},
            "error": self.error,
        }


@dataclass(frozen=True)
class Timeline:
    """A recording's segments, with recording, model and settings.

    Attributes:
        recording: its name.
        duration: of the recording, in seconds.
        model: the system's name.
        labels: the emotions that the system chose from.
        segments: in order of time; they never overlap.
        settings: how turns were made, and by which voice activity detector.
        envelope: the waveform's largest magnitude in each 20 ms, for pictures; may be empty.
    """

    recording: str
    duration: float
    model: str
    labels: tuple[str, ...]
    segments: Sequence[Segment]
    settings: Mapping[str, Any] = field(default_factory=dict)
    envelope: np.ndarray = field(default_factory=lambda: np.zeros(0, np.float32), compare=False)

    @property
    def speech(self) -> float:
        """Seconds of speech."""
        return sum(segment.end - segment.start for segment in self.segments)

    @property
    def transcripts_from(self) -> tuple[str, ...]:
        """The sources of the transcripts, each once, in order of appearance."""
        return tuple(dict.fromkeys(s.transcript_from for s in self.segments if s.transcript_from))

    def shares(self) -> dict[str, float]:
        """Emotion -> its share of the recognised speech, by time: each second counts with its probabilities."""
        seconds = dict.fromkeys(self.labels, 0.0)
        for segment in self.segments:
            for name, probability in segment.shown_probabilities.items():
                seconds[name] += probability * (segment.end - segment.start)
        total = sum(seconds.values())
        return {name: value / total if total else 0.0 for name, value in seconds.items()}

    def to_dict(self) -> dict[str, Any]:
        """The JSON form."""
        return {
            "recording": self.recording,
            "duration": round(self.duration, 3),
            "speech": round(self.speech, 3),
            "model": self.model,
            "labels": list(self.labels),
            "transcripts_from": list(self.transcripts_from),
            "settings": dict(self.settings),
            "shares": {name: round(share, 4) for name, share in self.shares().items()},
            "segments": [segment.to_dict() for segment in self.segments],
        }


def segments_and_gaps(timeline: Timeline) -> Iterator[tuple[float, float, Segment | None]]:
    """The whole recording in order: the segments, and `None` for each interval between them."""
    at = 0.0
    for segment in timeline.segments:
        if segment.start > at:
            yield at, segment.start, None
        yield segment.start, segment.end, segment
        at = segment.end
    if timeline.duration > at:
        yield at, timeline.duration, None
