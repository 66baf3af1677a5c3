"""Voice activity detection in a stream of any length: silero's probabilities converted into segments of speech.

A segment begins where the probability exceeds a threshold and ends after a pause. Both ends get a margin. Long speech
is returned in adjacent pieces, so that a long monologue is neither delayed nor buffered until its end. The detector
does not identify speakers (an RTTM file can). It may or may not detect speech under music.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from emosllm.audio import SAMPLE_RATE
from emosllm.errors import UserError
from emosllm.timeline.silero_vad import FRAME, STEP, Silero

_FLOOR = 1e-10  # power of digital silence, -100 dB
_PIECE = 4.0  # seconds of ongoing speech after which a piece is returned
_KEPT = 16_384  # frames whose level is kept: 8.7 minutes, longer than any turn
_SMOOTH = 5  # frames that the level is averaged over: 0.16 s, the length of a pause and not of a stop consonant
_BLOCK = 64 * FRAME  # samples per call of the model: 2 s


@dataclass(frozen=True, slots=True)
class SpeechSegment:
    """A segment of speech.

    Attributes:
        start: seconds from the recording's beginning.
        end: seconds from the recording's beginning; the next segment may begin at the same time.
    """

    start: float
    end: float


@dataclass(frozen=True, slots=True)
class DetectionOptions:
    """When a sound counts as speech; times in seconds. The thresholds are silero's own defaults.

    Attributes:
        threshold: probability at which speech begins; it ends below the threshold minus 0.15.
        shortest: shorter speech is ignored.
        pause: shorter silence does not end speech.
        margin: added before and after a segment.
    """

    threshold: float = 0.5
    shortest: float = 0.25
    pause: float = 0.3
    margin: float = 0.1

    def __post_init__(self) -> None:
        if not 0.15 < self.threshold < 1:
            raise UserError(f"speech threshold {self.threshold:g}: give a probability between 0.15 and 1")


class SpeechDetector:
    """Convert the samples of a stream into segments of speech: call `push` until the end, then `finish`.

    Args:
        settings: the thresholds.
        judge: frames `[F * 512]` in, probabilities `[F]` out; silero if not given.
    """

    def __init__(
        self, settings: DetectionOptions | None = None, judge: Callable[[np.ndarray], np.ndarray] | None = None
    ) -> None:
        self.settings = settings or DetectionOptions()
        self.judge = judge or Silero()
        self._taken = 0  # samples of the stream so far
        self._rest = np.zeros(0, np.float32)  # samples that do not fill a frame yet
        self._levels = np.zeros(0, np.float32)  # dB of the newest frames
        self._judged = 0  # frames with a level
        self._frame = 0  # the next frame to process
        self._begun: int | None = None  # first frame of the current speech
        self._last = 0  # the frame after the last one with speech
        self._out = 0.0  # end of the last returned segment

    @property
    def seconds(self) -> float:
        """Seconds of the stream so far."""
        return self._taken / SAMPLE_RATE

    @property
    def speaking(self) -> bool:
        """Whether the stream is inside speech."""
        return self._begun is not None

    @property
    def silent_since(self) -> float:
        """Later segments do not begin before this time, in seconds."""
        start = self._frame if self._begun is None else self._begun
        return max(self._out, _time(start) - self.settings.margin)

    def push(self, samples: np.ndarray) -> list[SpeechSegment]:
        """The segments that are complete after these samples `[n]`, mono at 16 kHz."""
        self._taken += len(samples)
        stream = np.concatenate([self._rest, samples])
        whole = len(stream) // FRAME * FRAME
        self._rest = stream[whole:]
        found: list[SpeechSegment] = []
        for start in range(0, whole, _BLOCK):
            found += self._judge(stream[start : min(start + _BLOCK, whole)])
        return found

    def finish(self) -> list[SpeechSegment]:
        """The segments that are complete at the stream's end."""
        found: list[SpeechSegment] = []
        if len(self._rest):
            found = self._judge(np.pad(self._rest, (0, FRAME - len(self._rest))))
            self._rest = self._rest[:0]
        return found + self._close_segment()

    def quietest(self, low: float, high: float) -> float:
        """The quietest time between `low` and `high`, in seconds."""
        room = _SMOOTH // 2
        kept_from = self._judged - len(self._levels)
        first = max(0, round(low / STEP) - room - kept_from)
        last = max(first + _SMOOTH, round(high / STEP) + room - kept_from)
        levels = self._levels[first:last]
        if len(levels) < _SMOOTH:
            return (low + high) / 2
        smooth = np.convolve(levels, np.full(_SMOOTH, 1 / _SMOOTH), mode="valid")
        middle = kept_from + first + room + int(smooth.argmin()) + 0.5
        return float(np.clip(middle * STEP, low, high))

    def _judge(self, samples: np.ndarray) -> list[SpeechSegment]:
        power = np.square(samples.reshape(-1, FRAME)).mean(axis=1)
        levels = 10 * np.log10(power + _FLOOR).astype(np.float32)
        self._levels = np.concatenate([self._levels, levels])[-_KEPT:]
        self._judged += len(levels)
        found: list[SpeechSegment] = []
        for probability in self.judge(samples):
            found += self._step(float(probability))
        return found

    def _step(self, probability: float) -> list[SpeechSegment]:
        settings, self._frame = self.settings, self._frame + 1
        if self._begun is None:
            if probability >= settings.threshold:
                self._begun, self._last = self._frame - 1, self._frame
            return []
        if probability >= settings.threshold - 0.15:
            self._last = self._frame
            return self._unfinished_segment()
        return self._close_segment() if (self._frame - self._last) * STEP >= settings.pause else []

    def _unfinished_segment(self) -> list[SpeechSegment]:
        """A piece of speech that has not ended, once it is long enough."""
        assert self._begun is not None
        start = max(self._out, _time(self._begun) - self.settings.margin)
        end = _time(self._last)
        if end - start < _PIECE:
            return []
        self._out = end
        return [SpeechSegment(start, end)]

    def _close_segment(self) -> list[SpeechSegment]:
        """The speech that is over, if it was long enough to be one."""
        if self._begun is None:
            return []
        begun, self._begun = self._begun, None
        start = max(self._out, _time(begun) - self.settings.margin, 0.0)
        end = min(_time(self._last) + self.settings.margin, self.seconds)
        if (self._last - begun) * STEP < self.settings.shortest or end <= start:
            return []
        self._out = end
        return [SpeechSegment(start, end)]


def _time(frame: int) -> float:
    """The beginning of a frame in seconds, in whole samples, so that rounding never passes the end of the stream."""
    return frame * FRAME / SAMPLE_RATE
