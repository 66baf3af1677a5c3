"""The records of a timeline: a `Segment` a turn, and the `Timeline` that says of what, by what and how.

Plain frozen dataclasses that nothing heavy is needed for: the command line, the page and the server pass them on.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np


@dataclass(frozen=True, slots=True)
class Segment:
    """What a system says about one turn.

    Attributes:
        start: seconds from the recording's beginning.
        end: likewise.
        label: the most probable emotion, `None` where `error` says why there is none.
        probabilities: emotion -> probability, summing to 1, in the label set's order; empty for a free answer.
        transcript: what was said, as far as somebody knows.
        transcript_from: `model`, `given`, or the name of the recogniser of speech (`asr openai/whisper-small`).
        speakers: who speaks; two or more where speech overlaps; empty where nobody said.
        cues: measured properties of the voice, by name, in their own units; empty where they were not asked for.
        error: one line, where the turn could not be recognised.
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

    @property
    def confidence(self) -> float | None:
        """The probability of `label`; a free answer has none."""
        return None if self.label is None else self.probabilities.get(self.label)

    @property
    def odds(self) -> Mapping[str, float]:
        """The probabilities; of a free answer, which has none, all on the label."""
        return self.probabilities or ({self.label: 1.0} if self.label is not None else {})

    @property
    def sureness(self) -> str:
        """`0.87`, the confidence in words' place; nothing where there is none."""
        return "" if self.confidence is None else f"{self.confidence:.2f}"

    @property
    def speaker(self) -> str | None:
        """The speakers in one word, with a plus between them; `None` where nobody said."""
        return "+".join(self.speakers) or None

    def to_dict(self) -> dict[str, Any]:
        """The JSON form; times and probabilities rounded to what they are worth (1 ms, 1e-4)."""
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
    """A recording's segments, and what is to be known about them.

    Attributes:
        recording: its name.
        duration: in seconds.
        model: the system's name.
        labels: the emotions that it chose from.
        segments: in order of time; they never overlap.
        settings: how turns were made, and by which detector of speech.
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
        """Seconds in which somebody speaks."""
        return sum(segment.end - segment.start for segment in self.segments)

    @property
    def transcripts_from(self) -> tuple[str, ...]:
        """Where transcripts came from, each source once, in order of appearance."""
        return tuple(dict.fromkeys(s.transcript_from for s in self.segments if s.transcript_from))

    def shares(self) -> dict[str, float]:
        """Emotion -> its share of the recognised speech, by time: each second counts with its probabilities."""
        seconds = dict.fromkeys(self.labels, 0.0)
        for segment in self.segments:
            for name, probability in segment.odds.items():
                seconds[name] += probability * (segment.end - segment.start)
        total = sum(seconds.values())
        return {name: value / total if total else 0.0 for name, value in seconds.items()}

    def labelled_shares(self) -> dict[str, float]:
        """Emotion -> share of the recognised speech that it labels, by time: only the most probable one counts."""
        seconds = dict.fromkeys(self.labels, 0.0)
        for segment in self.segments:
            if segment.label is not None:
                seconds[segment.label] += segment.end - segment.start
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


def gaps_filled(timeline: Timeline) -> Iterator[tuple[float, float, Segment | None]]:
    """The recording from 0 to its end, end to end: segments, and `None` for the stretches between them."""
    at = 0.0
    for segment in timeline.segments:
        if segment.start > at:
            yield at, segment.start, None
        yield segment.start, segment.end, segment
        at = segment.end
    if timeline.duration > at:
        yield at, timeline.duration, None
