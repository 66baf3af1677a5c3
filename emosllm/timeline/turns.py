"""Make turns of 2 to 15 seconds from segments of speech: join close ones, cut long ones where it is quietest.

Segments join over a short pause. Over a longer pause they join only if one of them would be too short alone. They never
join over a change of speaker. A turn longer than the limit is cut at its quietest point. Turns cover all speech and
never overlap. Without speaker labels, a turn may contain two people. A word between long pauses may be shorter than the
lower limit.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from emosllm.errors import UserError
from emosllm.timeline.speakers import Speakers
from emosllm.timeline.voice_activity import SpeechSegment

#: `(low, high)` in seconds -> the quietest time between them.
Quietest = Callable[[float, float], float]


@dataclass(frozen=True, slots=True)
class Turn:
    """A segment that is recognised as one utterance.

    Attributes:
        start: seconds from the recording's beginning.
        end: seconds from the recording's beginning.
        speakers: who speaks, if known; two or more where speech overlaps.
    """

    start: float
    end: float
    speakers: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class TurnLimits:
    """How turns are made, in seconds.

    Attributes:
        shortest: shorter speech is joined with its neighbours, if possible.
        longest: longer speech is cut.
        close: pauses up to this one are inside a turn.
        far: pauses up to this one are inside a turn if a segment would be too short alone.
    """

    shortest: float = 2.0
    longest: float = 15.0
    close: float = 0.6
    far: float = 1.5

    @staticmethod
    def of(shortest: float | None, longest: float | None) -> "TurnLimits":
        """The usual limits, with these lengths where they are given."""
        usual = TurnLimits()
        return TurnLimits(
            usual.shortest if shortest is None else shortest, usual.longest if longest is None else longest
        )

    def __post_init__(self) -> None:
        if not 0 < self.shortest <= self.longest / 2:
            raise UserError(
                f"turns of {self.shortest:g} to {self.longest:g} s: the shortest has to be above 0 and at most half "
                "the longest, or some speech could not be cut"
            )
        if not 0 <= self.close <= self.far:
            raise UserError(f"pauses of {self.close:g} and {self.far:g} s: give 0 or more, the smaller one first")


class TurnMaker:
    """Convert segments of speech, in order, into turns: call `push` for each, then `finish`.

    Args:
        limits: lengths and pauses.
        quietest: returns the quietest time of an interval.
        speakers: who speaks when, if known.
    """

    def __init__(self, limits: TurnLimits, quietest: Quietest, speakers: Speakers | None = None) -> None:
        self.limits = limits
        self.quietest = quietest
        self.speakers = speakers
        self._run: list[SpeechSegment] = []  # joined so far
        self._who: tuple[str, ...] = ()

    @property
    def since(self) -> float | None:
        """Where the unfinished speech begins, in seconds."""
        return self._run[0].start if self._run else None

    def push(self, speech: SpeechSegment) -> list[Turn]:
        """The turns that are complete after this segment."""
        found: list[Turn] = []
        for start, end, who in (
            self.speakers.split(speech.start, speech.end) if self.speakers else [_unlabelled(speech)]
        ):
            piece = SpeechSegment(start, end)
            if self._run and not (who == self._who and self._joins(piece)):
                found += self.finish()
            self._who = who
            self._run.append(piece)
            # Only from this length on are both sides of a cut long enough, whatever follows.
            while self._length() >= self.limits.longest + self.limits.shortest:
                found.append(self._cut())
        return found

    def advance(self, now: float) -> list[Turn]:
        """The turns that are finished by silence until `now`, in seconds."""
        return self.finish() if self._run and now - self._run[-1].end > self.limits.far else []

    def finish(self) -> list[Turn]:
        """The remaining turns, at the end of the recording or of the joined segments."""
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
        # A label may name another speaker in a pause in which the detector found no speech.
        if self.speakers and any(who not in ((), self._who) for _, _, who in self.speakers.split(before, piece.start)):
            return False
        too_short = min(self._length(), piece.end - piece.start) < self.limits.shortest
        return gap <= self.limits.close or (too_short and gap <= self.limits.far)

    def _length(self) -> float:
        return self._run[-1].end - self._run[0].start if self._run else 0.0

    def _cut(self) -> Turn:
        """Remove the first part of the joined segments: up to the quietest point that leaves both sides long enough."""
        start, end = self._run[0].start, self._run[-1].end
        low = start + self.limits.shortest
        high = min(start + self.limits.longest, end - self.limits.shortest)
        at = min(max(self.quietest(low, high), low), high)
        front = [SpeechSegment(piece.start, min(piece.end, at)) for piece in self._run if piece.start < at]
        self._run = [SpeechSegment(max(piece.start, at), piece.end) for piece in self._run if piece.end > at]
        return self._turn(front)

    def _turn(self, pieces: Sequence[SpeechSegment]) -> Turn:
        return Turn(pieces[0].start, pieces[-1].end, self._who)


def _unlabelled(speech: SpeechSegment) -> tuple[float, float, tuple[str, ...]]:
    return speech.start, speech.end, ()
