"""Transcripts from a user's table, by recording or by times within a recording.

The table is read as a manifest (CSV, TSV or JSON lines; columns `path`, `start`, `end`, `transcript`), so errors name
the row. Words are not aligned: a whole row belongs to the turn that contains the row's middle.
"""

from collections.abc import Iterable
from pathlib import Path

from emosllm.corpora.manifest import read_manifest
from emosllm.errors import UserError
from emosllm.utterance import Utterance


class GivenTranscripts:
    """Transcripts by recording and time.

    Args:
        path: the table.

    Raises:
        UserError: the table cannot be read, or holds no transcript.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        rows = [row for row in read_manifest(path) if row.transcript is not None]
        if not rows:
            raise UserError(f"{path} holds no transcript: it needs a column `transcript` that is filled")
        self._rows: dict[Path | None, list[Utterance]] = {}
        for row in sorted(rows, key=lambda row: row.start):
            self._rows.setdefault(_place(row), []).append(row)

    def check(self, recordings: Iterable[Path]) -> None:
        """Refuse a table without a row for any of the recordings.

        Raises:
            UserError: no row belongs to one of the recordings.
        """
        if not any(self._of(recording) for recording in recordings):
            named = next((str(place) for place in self._rows if place is not None), "none")
            raise UserError(
                f"{self.path} has no row for the given recordings (its first is {named}): paths in it are relative to "
                "its own folder"
            )

    def of_recording(self, recording: Path) -> str | None:
        """The whole transcript of a recording; `None` if the table has no row for it."""
        rows = self._of(recording)
        return " ".join(row.transcript or "" for row in rows) if rows else None

    def of_turn(self, recording: Path, start: float, end: float) -> str | None:
        """The transcript between `start` and `end`, in seconds: the rows whose middle lies there, or `None`."""
        rows = [
            row for row in self._of(recording) if start <= (row.start + (row.end if row.end else row.start)) / 2 < end
        ]
        return " ".join(row.transcript or "" for row in rows) if rows else None

    def _of(self, recording: Path) -> list[Utterance]:
        """The rows of a recording; rows without a path belong to every recording."""
        return self._rows.get(recording.resolve(), []) + self._rows.get(None, [])


def _place(row: Utterance) -> Path | None:
    return row.audio.resolve() if isinstance(row.audio, Path) else None
