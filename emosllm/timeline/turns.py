"""Turns of 2 to 15 seconds from stretches of speech: close ones joined, long ones cut where it is quietest.

Stretches join over a short pause; over a longer one only if one would be too short alone; never over a change of
speaker. What is longer than the limit is cut at its quietest point. Turns cover all speech and never overlap. Given up:
turns in the sense of conversation (without speaker labels two people may share one), and the lower
limit where a lone word stands between long pauses.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from emosllm.errors import UserError
from emosllm.timeline.speakers import Speakers
from emosllm.timeline.voice_activity import SpeechSegment

#: `(low, high)` in seconds -> the time between them at which it is quietest.
Quietest = Callable[[float, float], float]


@dataclass(frozen=True, slots=True)
class Turn:
    """A stretch to be recognised as one.

    Attributes:
        start: seconds from the recording's beginning.
        end: likewise.
        speakers: who speaks, as far as somebody said; two or more where speech overlaps.
    """

    start: float
    end: float
    speakers: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Limits:
    """How turns are made, in seconds.

    Attributes:
        shortest: what is shorter looks for company.
        longest: what is longer is cut.
        close: pauses up to this one are inside a turn.
        far: pauses up to this one may be, where a stretch would be too short alone.
    """

    shortest: float = 2.0
    longest: float = 15.0
    close: float = 0.6
    far: float = 1.5

    def __post_init__(self) -> None:
        if not 0 < self.shortest <= self.longest / 2:
            raise UserError(
                f"turns of {self.shortest:g} to {self.longest:g} s: the shortest has to be above 0 and at most half "
                "the longest, or some speech could not be cut"
            )
        if not 0 <= self.close <= self.far:
            raise UserError(f"pauses of {self.close:g} and {self.far:g} s: give 0 or more, the smaller one first")


class TurnMaker:
    """Takes stretches of speech in order, gives turns as soon as they are settled; `push`, then `finish`.

    Args:
        limits: lengths and pauses.
        quietest: where to cut.
        speakers: who speaks when, where that is known.
    """

    def __init__(self, limits: Limits, quietest: Quietest, speakers: Speakers | None = None) -> None:
        self.limits = limits
        self.quietest = quietest
        self.speakers = speakers
        self._run: list[SpeechSegment] = []  # joined so far
        self._who: tuple[str, ...] = ()

    @property
    def since(self) -> float | None:
        """Where the unsettled speech begins, in seconds."""
        return self._run[0].start if self._run else None

    def push(self, speech: SpeechSegment) -> list[Turn]:
        """The turns that are settled now that this stretch is known."""
        found: list[Turn] = []
        for start, end, who in self.speakers.split(speech.start, speech.end) if self.speakers else [_alone(speech)]:
            piece = SpeechSegment(start, end)
            if self._run and not (who == self._who and self._joins(piece)):
                found += self.finish()
            self._who = who
            self._run.append(piece)
            # Long enough that both sides of a cut are, whatever follows.
            while self._length() >= self.limits.longest + self.limits.shortest:
                found.append(self._cut())
        return found

    def advance(self, now: float) -> list[Turn]:
        """The turns that are settled because nothing was said until `now`, in seconds."""
        return self.finish() if self._run and now - self._run[-1].end > self.limits.far else []

    def finish(self) -> list[Turn]:
        """The turns that are left: the recording, or the run, is over."""
        found = []
        while self._length() > self.limits.longest:
            found.append(self._cut())
        if self._run:
            found.append(self._turn(self._run))
        self._run = []
        return found

    def _joins(self, piece: SpeechSegment) -> bool:
        before = self._run[-1].end
        gap = piece.start - before
        # Somebody else may be labelled in a pause, though nothing was heard of them.
        if self.speakers and any(who not in ((), self._who) for _, _, who in self.speakers.split(before, piece.start)):
            return False
        lonely = min(self._length(), piece.end - piece.start) < self.limits.shortest
        return gap <= self.limits.close or (lonely and gap <= self.limits.far)

    def _length(self) -> float:
        return self._run[-1].end - self._run[0].start if self._run else 0.0

    def _cut(self) -> Turn:
        """Take the front of the run off, up to the quietest point that leaves both sides long enough."""
        start, end = self._run[0].start, self._run[-1].end
        low = start + self.limits.shortest
        high = min(start + self.limits.longest, end - self.limits.shortest)
        at = min(max(self.quietest(low, high), low), high)
        front = [SpeechSegment(piece.start, min(piece.end, at)) for piece in self._run if piece.start < at]
        self._run = [SpeechSegment(max(piece.start, at), piece.end) for piece in self._run if piece.end > at]
        return self._turn(front)

    def _turn(self, pieces: Sequence[SpeechSegment]) -> Turn:
        return Turn(pieces[0].start, pieces[-1].end, self._who)


def _alone(speech: SpeechSegment) -> tuple[float, float, tuple[str, ...]]:
    return speech.start, speech.end, ()
