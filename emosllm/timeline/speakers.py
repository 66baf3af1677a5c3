"""Speaker labels of a recording from an RTTM file, read strictly and looked up by time.

RTTM (NIST, Rich Transcription evaluations, 2009): one line per segment, `SPEAKER file channel start duration <NA> <NA>
name <NA> <NA>`, times in seconds. Where two lines overlap, both speakers are returned. Channels are read and ignored.
"""

import math
from bisect import bisect_right
from collections.abc import Iterable
from pathlib import Path

from emosllm.errors import UserError

_SLIVER = 0.25  # seconds; shorter unlabelled speech between two labels belongs to the first, since labels are rounded
_FEWEST = 8  # fields of a line up to the name


class Speakers:
    """Labelled segments of a recording.

    Args:
        segments: start and end in seconds, and a name; in any order, overlapping or not.
    """

    def __init__(self, segments: Iterable[tuple[float, float, str]]) -> None:
        events = sorted({time for start, end, _ in segments for time in (start, end)})
        self._times = events  # between two neighbouring times, the speakers do not change
        who: list[set[str]] = [set() for _ in events]
        place = {time: index for index, time in enumerate(events)}
        for start, end, name in segments:
            for index in range(place[start], place[end]):
                who[index].add(name)
        self._who = [tuple(sorted(names)) for names in who]

    def split(self, start: float, end: float) -> list[tuple[float, float, tuple[str, ...]]]:
        """Cut a segment at each change of speakers: start, end and names of each part, without gaps.

        Unlabelled parts of up to 0.25 s join the part before, or the part after if there is none before.
        """
        parts: list[tuple[float, float, tuple[str, ...]]] = []
        at = start
        index = bisect_right(self._times, start) - 1
        while at < end:
            until = min(end, self._times[index + 1]) if index + 1 < len(self._times) else end
            who = self._who[index] if index >= 0 else ()
            if until > at:
                _append(parts, at, until, who)
            at, index = max(at, until), index + 1
        if len(parts) > 1 and not parts[0][2] and parts[0][1] - parts[0][0] <= _SLIVER:
            parts[:2] = [(parts[0][0], parts[1][1], parts[1][2])]
        return parts


def read_rttm(path: Path) -> Speakers:
    """Read an RTTM file of one recording.

    Args:
        path: the file; empty lines, comments (`;;`) and lines of other kinds than SPEAKER are ignored.

    Raises:
        UserError: the file cannot be read, a line is invalid, or it has segments of several recordings or of none.
    """
    try:
        lines = path.read_text("utf-8-sig").splitlines()
    except UnicodeDecodeError:
        raise UserError(f"{path} is not UTF-8 text: an RTTM file has one line per speech segment") from None
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror}; check its path") from None
    segments: list[tuple[float, float, str]] = []
    files: dict[str, int] = {}
    for number, line in enumerate(lines, start=1):
        fields = line.split()
        if not fields or fields[0] != "SPEAKER":
            continue
        if len(fields) < _FEWEST:
            raise UserError(
                f"{path}, line {number}: {len(fields)} fields instead of "
                "`SPEAKER file channel start duration <NA> <NA> name`"
            )
        start, length = _seconds(fields[3]), _seconds(fields[4])
        if start is None or length is None:
            raise UserError(f"{path}, line {number}: {fields[3]!r} and {fields[4]!r} are not a start and a duration")
        files.setdefault(fields[1], number)
        if length > 0:
            segments.append((start, start + length, fields[7]))
    if len(files) > 1:
        raise UserError(f"{path} has lines of several recordings ({', '.join(list(files)[:5])}): keep those of one")
    if not segments:
        raise UserError(f"{path} has no line that begins with SPEAKER: it is not an RTTM file, or contains no speech")
    return Speakers(segments)


def _append(parts: list[tuple[float, float, tuple[str, ...]]], start: float, end: float, who: tuple[str, ...]) -> None:
    """Append a part; with the same speakers as the last part, or short and unlabelled, it extends the last part."""
    if parts and (who == parts[-1][2] or (not who and end - start <= _SLIVER)):
        parts[-1] = (parts[-1][0], end, parts[-1][2])
    else:
        parts.append((start, end, who))


def _seconds(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if 0 <= value < math.inf else None
