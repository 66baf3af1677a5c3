"""Transcripts from a user's table, by recording or by times within a recording.

The table is read as a manifest (CSV, TSV or JSON lines; columns `path`, `start`, `end`, `transcript`), so errors name
the row. Words are not aligned: a whole row belongs to the turn that contains the row's middle.
"""

import math
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

    def of(self, utterance: Utterance) -> str | None:
        """The transcript of an utterance of a file; `None` if the table has no row for it.

        A whole recording gets all rows of its file. A segment gets the rows whose middle lies between its `start` and
        `end`.
        """
        if not isinstance(utterance.audio, Path):
            return None
        until = math.inf if utterance.end is None else utterance.end
        rows = [
            row
            for row in self._of(utterance.audio)
            if utterance.start <= (row.start + (row.end or row.start)) / 2 < until
        ]
        return " ".join(row.transcript or "" for row in rows) if rows else None

    def _of(self, recording: Path) -> list[Utterance]:
        """The rows of a recording; rows without a path belong to every recording."""
        return self._rows.get(recording.resolve(), []) + self._rows.get(None, [])


def _place(row: Utterance) -> Path | None:
    return row.audio.resolve() if isinstance(row.audio, Path) else None
