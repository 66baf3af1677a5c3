"""Make the timeline of a recording of any length: detect speech, cut turns, recognise them in batches.

It is one pass in constant memory. Blocks come in, the detector finds speech, the turn maker returns finished turns, and
their samples are cut from a short buffer. Samples before the oldest unfinished speech are dropped. A file and a
microphone are processed in the same way. There is no lookahead: a cut depends only on the samples up to then.
"""

from array import array
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from emosllm.audio import SAMPLE_RATE, duration, stream_audio
from emosllm.inference.adaptation import Session
from emosllm.inference.recogniser import Recogniser
from emosllm.inference.transcripts import Transcriber, recognise
from emosllm.timeline.cues import measured
from emosllm.timeline.given_transcripts import GivenTranscripts
from emosllm.timeline.segments import Segment, Timeline
from emosllm.timeline.silero_vad import VERSION
from emosllm.timeline.speakers import Speakers
from emosllm.timeline.turns import Limits, Turn, TurnMaker
from emosllm.timeline.voice_activity import DetectionOptions, SpeechDetector, SpeechSegment
from emosllm.utterance import Utterance

_ENVELOPE = SAMPLE_RATE // 50  # samples per value of the envelope


@dataclass(frozen=True)
class Options:
    """How a timeline is made.

    Attributes:
        limits: how long turns are.
        detection: the thresholds of voice activity detection.
        speakers: who speaks when, if known.
        given: transcripts of the user.
        transcriber: a speech recogniser for turns without a transcript.
        cues: whether to measure each turn's acoustic cues.
        batch_size: turns computed together.
        session: the session that the turns belong to, if answers adapt to them as they come.
    """

    limits: Limits = field(default_factory=Limits)
    detection: DetectionOptions = field(default_factory=DetectionOptions)
    speakers: Speakers | None = None
    given: GivenTranscripts | None = None
    transcriber: Transcriber | None = None
    cues: bool = False
    batch_size: int = 8
    session: Session | None = None

    def settings(self) -> dict[str, Any]:
        """The settings as an output file records them."""
        return {
            "turns": asdict(self.limits),
            "speech": {**asdict(self.detection), "detector": f"silero-vad {VERSION}"},
            "speakers": "rttm" if self.speakers else None,
            "transcripts": str(self.given.path) if self.given else None,
            "asr": self.transcriber.name if self.transcriber else None,
        }


def make_timeline(
    recogniser: Recogniser,
    source: Path,
    model: str,
    options: Options | None = None,
    heard: Callable[[float], None] | None = None,
) -> Timeline:
    """Recognise a recording of any length.

    Args:
        recogniser: the system.
        source: the recording.
        model: the system's name, as the timeline records it.
        options: how turns are made and recognised.
        heard: called with the number of further seconds recognised; the numbers add up to the recording's duration.

    Raises:
        UserError: the recording cannot be read, or silero-vad is not installed.
    """
    options = options or Options()
    envelope = array("f")
    seconds = duration(source)
    at, segments = 0.0, []
    for segment in recognise_timeline(recogniser, source, options, envelope):
        segments.append(segment)
        if heard is not None:
            heard(segment.end - at)
        at = segment.end
    if heard is not None:
        heard(max(0.0, seconds - at))
    names = tuple(recogniser.labels.names)
    name = str(source).encode("utf-8", "replace").decode("utf-8")  # a file's name may not be valid text
    adapted = recogniser.adaptation.to_dict() if recogniser.adaptation is not None else None
    settings = _kept_to(options, recogniser).settings() | {"adapted": adapted}
    return Timeline(name, seconds, model, names, segments, settings, np.asarray(envelope, np.float32))


def recognise_timeline(
    recogniser: Recogniser,
    source: Path | Iterable[np.ndarray],
    options: Options | None = None,
    envelope: "array[float] | None" = None,
) -> Iterator[Segment]:
    """Yield the segments of a recording or a stream, each as soon as its batch is recognised.

    Args:
        recogniser: the system.
        source: a recording, or blocks of mono samples `[n]` at 16 kHz, as from a microphone.
        options: how turns are made and recognised.
        envelope: the waveform's largest magnitude in each 20 ms is appended to it.
    """
    options = _kept_to(options or Options(), recogniser)
    detector = SpeechDetector(options.detection)
    maker = TurnMaker(options.limits, detector.quietest, options.speakers)
    blocks = stream_audio(source) if isinstance(source, Path) else source
    name = source if isinstance(source, Path) else Path("stream")
    waiting: deque[tuple[Turn, dict[str, float]]] = deque()

    def utterances() -> Iterator[Utterance]:
        for turn, samples in spoken_turns(_watched(blocks, envelope), detector, maker):
            waiting.append((turn, measured(samples) if options.cues else {}))
            text = options.given.of_turn(name, turn.start, turn.end) if options.given else None
            place = f"{name}, {turn.start:.2f} to {turn.end:.2f} s"
            yield Utterance(place, samples, transcript=text, speaker=" and ".join(turn.speakers) or None)

    for found in recognise(
        recogniser,
        utterances(),
        options.batch_size,
        given=options.given is not None,
        transcriber=options.transcriber,
        session=options.session,
    ):
        turn, cues = waiting.popleft()
        said = found.prediction
        yield Segment(
            turn.start, turn.end, said.label, said.probabilities, said.transcript, found.transcript_from,
            turn.speakers, cues, said.error,
        )  # fmt: skip


def turn_samples(recogniser: Recogniser, source: Path, options: Options | None = None) -> Iterator[np.ndarray]:
    """The samples `[T]` of a recording's turns, in order, to adapt a system to.

    Args:
        recogniser: the system.
        source: the recording.
        options: how turns are cut.
    """
    options = _kept_to(options or Options(), recogniser)
    detector = SpeechDetector(options.detection)
    maker = TurnMaker(options.limits, detector.quietest, options.speakers)
    for _, samples in spoken_turns(stream_audio(source), detector, maker):
        yield samples


def _kept_to(options: Options, recogniser: Recogniser) -> Options:
    """The options with turns at most as long as the system accepts."""
    limits, most = options.limits, recogniser.processor.longest
    if limits.longest <= most:
        return options
    return replace(options, limits=replace(limits, shortest=min(limits.shortest, most / 2), longest=most))


def spoken_turns(
    blocks: Iterable[np.ndarray], detector: SpeechDetector, maker: TurnMaker
) -> Iterator[tuple[Turn, np.ndarray]]:
    """Yield turns with their samples `[T]`, each as soon as it is finished.

    Args:
        blocks: mono samples `[n]` at 16 kHz.
        detector: finds speech.
        maker: makes turns of the speech.
    """
    buffer = _Buffer()

    def settled(stretches: Iterable[SpeechSegment]) -> Iterator[tuple[Turn, np.ndarray]]:
        for speech in stretches:
            for turn in maker.push(speech):
                yield turn, buffer.cut(turn.start, turn.end)

    for block in blocks:
        buffer.append(block)
        yield from settled(detector.push(block))
        for turn in maker.advance(detector.silent_since):
            yield turn, buffer.cut(turn.start, turn.end)
        oldest = detector.silent_since
        buffer.forget(oldest if maker.since is None else min(oldest, maker.since))
    yield from settled(detector.finish())
    for turn in maker.finish():
        yield turn, buffer.cut(turn.start, turn.end)


class _Buffer:
    """The newest samples of a stream, indexed by time in seconds."""

    def __init__(self) -> None:
        self.samples = np.zeros(0, np.float32)
        self.first = 0  # index in the stream of the first sample kept

    def append(self, block: np.ndarray) -> None:
        self.samples = np.concatenate([self.samples, np.asarray(block, np.float32)])

    def cut(self, start: float, end: float) -> np.ndarray:
        first, last = (round(time * SAMPLE_RATE) - self.first for time in (start, end))
        assert first >= 0, "samples of an unsettled turn were forgotten"
        return self.samples[first:last].copy()

    def forget(self, before: float) -> None:
        surplus = int(before * SAMPLE_RATE) - self.first - 1
        if surplus > 0:
            self.samples = self.samples[surplus:].copy()
            self.first += surplus


def _watched(blocks: Iterable[np.ndarray], envelope: "array[float] | None") -> Iterator[np.ndarray]:
    """Pass on the blocks and append their envelope."""
    rest = np.zeros(0, np.float32)
    for block in blocks:
        if envelope is not None:
            loud = np.concatenate([rest, np.abs(block)])
            whole = len(loud) // _ENVELOPE * _ENVELOPE
            envelope.extend(loud[:whole].reshape(-1, _ENVELOPE).max(axis=1).tolist())
            rest = loud[whole:]
        yield block
    if envelope is not None and len(rest):
        envelope.append(float(rest.max()))


__all__ = ["Options", "make_timeline", "recognise_timeline", "spoken_turns", "turn_samples"]
