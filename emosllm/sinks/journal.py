"""The journal of a result file: finished parts of its rows, in a folder beside the result.

A part is a file of rows, named by its first row and its number of rows, and written atomically. After an interruption,
the rows of finished parts are kept, each once, and the run continues after the last of them. The journal records the
run's facts (model, data, settings), and a run with other facts cannot continue it. The rows of the unfinished part are
lost, a minute's work at most.
"""

import json
import re
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from emosllm.errors import UserError
from emosllm.files import make_folder, write_atomically

_PART = re.compile(r"(\d{9})-(\d+)\.jsonl")


class Journal:
    """The parts of one run.

    Args:
        out: the run's result; the journal is a folder beside it.
        facts: model, data and settings of the run; a journal with other facts is refused.

    Raises:
        UserError: `out` exists, its journal has other facts, or the folder cannot be written to.
    """

    def __init__(self, out: Path, facts: Mapping[str, Any]) -> None:
        self.out = out
        self.folder = out.with_name(f"{out.name}.parts")
        self.facts = json.loads(json.dumps(facts))  # the same types as after reading the file
        self._next: int | None = None  # first row of the next part, after the first count
        facts_file = self.folder / "run.json"
        if facts_file.is_file():
            self._check(facts_file)
        elif out.exists():
            raise UserError(f"will not replace {out}: it exists already; give another --out, or delete it")
        elif self.folder.exists() and any(self.folder.iterdir()):
            raise UserError(
                f"will not write into {self.folder}: it is not the journal of a result file; give another --out"
            )
        else:
            make_folder(self.folder)
            write_atomically(facts_file, json.dumps(self.facts, indent=2) + "\n")

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Lock the journal against other processes; the operating system releases the lock of a process that ends.

        Raises:
            UserError: another process is writing this result.
        """
        with (self.folder / "lock").open("w") as file:
            if not _lock(file):
                raise UserError(f"{self.out} is being written by another process: wait for it, or give another --out")
            yield

    def rows_done(self) -> int:
        """Number of rows in the parts that follow each other from row 0."""
        return sum(count for _, count in self._parts())

    def keep(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Write the next rows as a part."""
        first = self.rows_done() if self._next is None else self._next
        text = "".join(json.dumps(row) + "\n" for row in rows)
        write_atomically(self.folder / f"{first:09}-{len(rows)}.jsonl", text)
        self._next = first + len(rows)

    def rows(self) -> Iterator[dict[str, Any]]:
        """All rows that are kept, in order, one at a time."""
        for path, _ in self._parts():
            with path.open(encoding="utf-8") as file:
                for line in file:
                    yield json.loads(line)

    def remove(self) -> None:
        """Delete the journal, after the result is written."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def _parts(self) -> list[tuple[Path, int]]:
        """The parts that follow each other from row 0, with their numbers of rows."""
        there: dict[int, tuple[Path, int]] = {}
        for path in self.folder.iterdir():
            if found := _PART.fullmatch(path.name):
                there[int(found[1])] = (path, int(found[2]))
        parts, at = [], 0
        while at in there:
            parts.append(there[at])
            at += there[at][1]
        return parts

    def _check(self, facts_file: Path) -> None:
        try:
            before = json.loads(facts_file.read_text("utf-8"))
            other = [name for name in self.facts if before.get(name) != self.facts[name]]
        except (OSError, ValueError, AttributeError):
            raise UserError(f"{facts_file} is damaged: delete {self.folder}, or give another --out") from None
        if other:
            raise UserError(
                f"{self.folder} was begun with another {other[0]}: continue it with the same options, delete that "
                "folder, or give another --out"
            )


def _lock(file: IO[str]) -> bool:
    try:
        import fcntl
    except ImportError:  # Windows: the user has to avoid two runs of one result
        return True
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True
