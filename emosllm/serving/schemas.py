"""Typed forms and answers of the server; OpenAPI documents exactly these."""

from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field

from emosllm.serving.error_responses import shortened
from emosllm.timeline.cues import cue_levels
from emosllm.timeline.segments import Segment, Timeline

_PROBABILITIES = {"angry": 0.81, "sad": 0.04, "happy": 0.1, "neutral": 0.05}


class EmotionsForm(BaseModel):
    """The fields beside `file` of `POST /v1/emotions`."""

    model_config = ConfigDict(extra="forbid")

    segments: Annotated[bool, Field(description="Recognise turn by turn, for recordings of any length.")] = False
    model: Annotated[str, Field(description="One of `GET /v1/models`; the first where none is named.")] = ""
    transcript: Annotated[
        str,
        Field(
            description="What is said, if you know it. Without it, some systems transcribe the recording.",
            max_length=10_000,
        ),
    ] = ""
    cues: Annotated[bool, Field(description="Measure the voice too: loudness, pitch, range, jitter, shimmer.")] = False
    session: Annotated[
        str,
        Field(
            description="A name of your choice for recordings of one room, microphone or speaker. Answers adapt to the "
            "recordings sent under it so far, from the fifth on. Only their statistics are kept, for one hour.",
            max_length=200,
        ),
    ] = ""


class TranscriptionForm(BaseModel):
    """The fields beside `file` of `POST /v1/audio/transcriptions`, as OpenAI's clients send them.

    The answer names every field without an effect.
    """

    model_config = ConfigDict(extra="allow")

    model: Annotated[str, Field(description="One of `GET /v1/models`; any other name stands for the first.")] = ""
    response_format: Annotated[
        Literal["json", "text", "verbose_json", "srt", "vtt"], Field(description="`verbose_json` carries the emotions.")
    ] = "json"
    language: Annotated[str, Field(description="Repeated in the answer; it does not change the result.")] = ""
    timestamp_granularities: Annotated[
        list[Literal["segment"]], Field(description="Only turns have times; words have none.")
    ] = []
    stream: Annotated[Literal[False, "false", "False"], Field(description="Streaming is not available.")] = False

    def ignored(self) -> list[str]:
        """The fields that have no effect, by name."""
        language = ["language"] if self.language else []
        return [shortened(name) for name in (*language, *sorted(self.model_extra or {}))]


class Emotion(BaseModel):
    """What a system recognises in a segment."""

    label: Annotated[str | None, Field(description="The most probable emotion.", examples=["angry"])]
    confidence: Annotated[float | None, Field(description="Its probability.", examples=[0.81])]
    probabilities: Annotated[
        dict[str, float], Field(description="Of each emotion, summing to 1.", examples=[_PROBABILITIES])
    ]

    @classmethod
    def of(cls, segment: Segment) -> Self:
        """A segment's emotion, rounded to its precision."""
        record = segment.to_dict()
        return cls(label=record["label"], confidence=record["confidence"], probabilities=record["probabilities"])


class Turn(Emotion):
    """A segment of a recording and what was recognised in it."""

    start: Annotated[float, Field(description="Seconds from the beginning.", examples=[12.48])]
    end: Annotated[float, Field(description="Likewise.", examples=[17.02])]
    transcript: Annotated[str | None, Field(description="What was said.", examples=["I told you twice."])]
    transcript_from: Annotated[str | None, Field(description="`model`, or `given` by you.", examples=["model"])]
    cues: Annotated[
        dict[str, float],
        Field(description="The voice, measured with Praat.", examples=[{"pitch": 212.3, "loudness": 71.5}]),
    ]
    cues_in_words: Annotated[
        dict[str, str],
        Field(description="The same among the recording's own turns.", examples=[{"pitch": "high"}]),
    ]
    error: Annotated[str | None, Field(description="Why this turn could not be recognised.", examples=[None])]

    def segment(self) -> Segment:
        """Convert to a `Segment`."""
        return Segment(
            self.start, self.end, self.label, self.probabilities, self.transcript, self.transcript_from,
            cues=self.cues, error=self.error,
        )  # fmt: skip


class Emotions(BaseModel):
    """The answer of `POST /v1/emotions`."""

    recording: Annotated[str, Field(description="The file's name as you sent it.", examples=["interview.wav"])]
    duration: Annotated[float, Field(description="In seconds.", examples=[184.2])]
    model: Annotated[str, Field(description="The system that answered.", examples=["nano"])]
    labels: Annotated[list[str], Field(description="The emotions that it chose from.", examples=[[*_PROBABILITIES]])]
    emotion: Annotated[Emotion | None, Field(description="Of the whole recording; null with `segments`.")]
    shares: Annotated[
        dict[str, float],
        Field(description="Of the recognised speech, each second by its probabilities.", examples=[_PROBABILITIES]),
    ]
    segments: Annotated[list[Turn], Field(description="In order of time; one if it was recognised as a whole.")]
    adapted: Annotated[
        dict[str, float] | None,
        Field(
            description="The recordings of the session so far and the weight of their statistics; null without one.",
            examples=[{"recordings": 12, "weight": 0.71, "temperature": 1.4}],
        ),
    ] = None

    @classmethod
    def of(cls, timeline: Timeline, *, whole: bool) -> Self:
        """Convert a timeline."""
        record = timeline.to_dict()
        words = cue_levels(timeline.segments)
        turns = [
            Turn(**_only(Turn, row), cues_in_words=dict(word))
            for row, word in zip(record["segments"], words, strict=True)
        ]
        return cls(
            recording=timeline.recording,
            duration=record["duration"],
            model=timeline.model,
            labels=record["labels"],
            emotion=Emotion.of(timeline.segments[0]) if whole else None,
            shares=record["shares"],
            segments=turns,
            adapted=timeline.settings.get("adapted"),
        )

    def timeline(self) -> Timeline:
        """Convert to a `Timeline`."""
        segments = [turn.segment() for turn in self.segments]
        return Timeline(self.recording, self.duration, self.model, tuple(self.labels), segments)


class Transcription(BaseModel):
    """OpenAI's `json`, with what the answer has to say about the request."""

    text: Annotated[str, Field(examples=["I told you twice."])]
    model: Annotated[
        str | None,
        Field(description="The system that answered, if the request named another model.", examples=["nano"]),
    ] = None
    ignored: Annotated[
        list[str] | None, Field(description="Fields without an effect, if there are any.", examples=[["temperature"]])
    ] = None


class TranscriptionSegment(BaseModel):
    """A segment of OpenAI's `verbose_json`, with an additional field for its emotion.

    `avg_logprob` and `no_speech_prob` are not computed. They are 0, since typed clients require numbers.
    """

    id: int
    seek: Annotated[int, Field(description="Hundredths of a second where the turn begins.")]
    start: float
    end: float
    text: str
    tokens: Annotated[list[int], Field(description="Not reported: empty.")]
    temperature: Annotated[float, Field(description="0: the transcript is decoded greedily.")]
    avg_logprob: Annotated[float, Field(description="Not computed: 0.")]
    compression_ratio: Annotated[float, Field(description="Of the text, by zlib; large if a system repeats itself.")]
    no_speech_prob: Annotated[float, Field(description="Not computed: 0; turns are detected speech.")]
    emotion: Emotion


class VerboseTranscription(BaseModel):
    """OpenAI's `verbose_json`."""

    task: Literal["transcribe"] = "transcribe"
    language: Annotated[str, Field(description="As in the request; empty if not given.")]
    duration: float
    text: str
    model: Annotated[str, Field(description="The system that answered.", examples=["nano"])]
    ignored: Annotated[list[str], Field(description="Fields of the request without an effect.")]
    segments: list[TranscriptionSegment]


class Model(BaseModel):
    """A served system, with OpenAI's fields and those of this project."""

    id: Annotated[str, Field(examples=["nano"])]
    object: Literal["model"] = "model"
    created: Annotated[int, Field(description="When this server started, in seconds since 1970.")]
    owned_by: Literal["local"] = "local"
    labels: Annotated[list[str], Field(examples=[[*_PROBABILITIES]])]
    longest: Annotated[float, Field(description="Seconds that it takes as one utterance.", examples=[30.0])]
    transcribes: Annotated[bool, Field(description="Whether its answers hold its own transcript.", examples=[False])]


class Models(BaseModel):
    """The answer of `GET /v1/models`."""

    object: Literal["list"] = "list"
    data: list[Model]


class Health(BaseModel):
    """The answer of `GET /healthz`."""

    status: Literal["ok", "stopping"]
    models: list[str]
    waiting: Annotated[int, Field(description="Number of clips that wait for the model.")]
    uploads: Annotated[int, Field(description="Number of uploads in progress.")]


class ErrorLine(BaseModel):
    """An error: the thing, the value and the remedy."""

    message: Annotated[str, Field(examples=["clip.wav is empty (0 bytes): copy or record it again"])]
    type: Annotated[str, Field(examples=["invalid_request_error"])]


class Refusal(BaseModel):
    """The body of every error response."""

    error: ErrorLine


#: The error responses of every route that recognises, for OpenAPI.
REFUSALS: dict[int | str, dict[str, Any]] = {
    401: {"model": Refusal, "description": "The bearer token is missing or wrong."},
    408: {"model": Refusal, "description": "The upload arrives too slowly."},
    413: {"model": Refusal, "description": "The upload is larger than the server's limit."},
    422: {"model": Refusal, "description": "The form or the recording cannot be used; the message says why."},
    503: {"model": Refusal, "description": "The queue is full; `Retry-After` says when to retry."},
}


def _only(model: type[BaseModel], row: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in row.items() if name in model.model_fields}
