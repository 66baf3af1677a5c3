"""Cut a recording or a stream of any length into its spoken turns: detect speech, make turns, cut their samples.

It is one pass in constant memory. Blocks come in, the detector finds speech, the turn maker returns finished turns, and
their samples are cut from a short buffer. Samples before the oldest unfinished speech are dropped. A file and a
microphone are processed in the same way. There is no lookahead: a cut depends only on the samples up to then.
"""

import math
from array import array
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, field, replace
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from emosllm.audio import SAMPLE_RATE, Recording
from emosllm.inference.clips import Clip
from emosllm.timeline.silero_vad import VERSION
from emosllm.timeline.speakers import Speakers
from emosllm.timeline.turns import Turn, TurnLimits, TurnMaker
from emosllm.timeline.voice_activity import DetectionOptions, SpeechDetector, SpeechSegment
from emosllm.utterance import Utterance

_ENVELOPE = SAMPLE_RATE // 50  # samples per value of the envelope


@dataclass(frozen=True)
class TurnOptions:
    """How a recording is cut into turns.

    Attributes:
        limits: how long turns are.
        detection: the thresholds of voice activity detection.
        speakers: who speaks when, if known.
    """

    limits: TurnLimits = field(default_factory=TurnLimits)
    detection: DetectionOptions = field(default_factory=DetectionOptions)
    speakers: Speakers | None = None

    def within(self, longest: float) -> "TurnOptions":
        """These options with turns of at most `longest` seconds."""
        limits = self.limits
        if limits.longest <= longest:
            return self
        return replace(self, limits=replace(limits, shortest=min(limits.shortest, longest / 2), longest=longest))

    def settings(self) -> dict[str, Any]:
        """The options as an output file records them."""
        return {
            "turns": asdict(self.limits),
            "speech": {**asdict(self.detection), "detector": f"silero-vad {VERSION}"},
            "speakers": "rttm" if self.speakers else None,
        }


class SpokenTurns:
    """The spoken turns of one recording.

    Args:
        recording: the open recording.
        source: its file, or its name.
        options: how turns are cut.
        longest: the system's limit for one utterance, in seconds.

    Attributes:
        envelope: the waveform's largest magnitude in each 20 ms of the last pass, as far as it was read.
    """

    unit = "seconds"

    def __init__(
        self, recording: Recording, source: Path | str, options: TurnOptions | None = None, longest: float = math.inf
    ) -> None:
        self.recording, self.source = recording, source
        self.options = (options or TurnOptions()).within(longest)
        self.envelope = array("f")

    @property
    def total(self) -> float:
        """The recording's duration in seconds."""
        return self.recording.seconds

    def clips(self, first: int = 0) -> Iterator[Clip]:
        """Yield the turns from number `first` on, in one pass over the recording; `cut_turns` documents them."""
        self.envelope = array("f")
        return islice(cut_turns(self.recording.blocks(), self.source, self.options, self.envelope), first, None)


def cut_turns(
    blocks: Iterable[np.ndarray],
    source: Path | str,
    options: TurnOptions | None = None,
    envelope: "array[float] | None" = None,
) -> Iterator[Clip]:
    """Yield the spoken turns of a recording or a stream as clips, each as soon as it is finished.

    Args:
        blocks: mono samples `[n]` at 16 kHz, such as `Recording.blocks` or a microphone gives.
        source: the recording's file, or the name of the stream.
        options: how turns are cut.
        envelope: the waveform's largest magnitude in each 20 ms is appended to it.

    Yields:
        Clips whose utterances state the turn's times in the recording.
    """
    options = options or TurnOptions()
    detector = SpeechDetector(options.detection)
    maker = TurnMaker(options.limits, detector.quietest, options.speakers)
    if envelope is not None:
        blocks = _with_envelope(blocks, envelope)
    for turn, samples in spoken_turns(blocks, detector, maker):
        name = f"{source}, {turn.start:.2f} to {turn.end:.2f} s"
        audio, speaker = source if isinstance(source, Path) else None, " and ".join(turn.speakers) or None
        utterance = Utterance(name, audio, turn.start, turn.end, speaker=speaker)
        yield Clip(utterance, name, samples, speakers=turn.speakers)


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

    def finished_turns(segments: Iterable[SpeechSegment]) -> Iterator[tuple[Turn, np.ndarray]]:
        for speech in segments:
            for turn in maker.push(speech):
                yield turn, buffer.cut(turn.start, turn.end)

    for block in blocks:
        buffer.append(block)
        yield from finished_turns(detector.push(block))
        for turn in maker.advance(detector.silent_since):
            yield turn, buffer.cut(turn.start, turn.end)
        oldest = detector.silent_since
        buffer.drop(oldest if maker.since is None else min(oldest, maker.since))
    yield from finished_turns(detector.finish())
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
        assert first >= 0, "samples of an unfinished turn were dropped"
        return self.samples[first:last].copy()

    def drop(self, before: float) -> None:
        surplus = int(before * SAMPLE_RATE) - self.first - 1
        if surplus > 0:
            self.samples = self.samples[surplus:].copy()
            self.first += surplus


def _with_envelope(blocks: Iterable[np.ndarray], envelope: "array[float]") -> Iterator[np.ndarray]:
    """Pass on the blocks and append their envelope."""
    rest = np.zeros(0, np.float32)
    for block in blocks:
        loud = np.concatenate([rest, np.abs(block)])
        whole = len(loud) // _ENVELOPE * _ENVELOPE
        envelope.extend(loud[:whole].reshape(-1, _ENVELOPE).max(axis=1).tolist())
        rest = loud[whole:]
        yield block
    if len(rest):
        envelope.append(float(rest.max()))
