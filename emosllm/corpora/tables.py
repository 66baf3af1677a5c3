"""Read tables (CSV, TSV) as numbered rows by column name, with errors of one line.

A whole table is read into memory (the largest, MSP-Podcast's single ratings, has 100 MB). The encoding is UTF-8 with or
without a byte order mark. No other encoding is guessed, since a wrong guess would change words without an error.
"""

import csv
import io
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from emosllm.errors import UserError
from emosllm.labels import emotion_name

Row = dict[str, str]


def read_text(path: Path) -> str:
    """Read the text of a file.

    Raises:
        UserError: the file cannot be read, or is not UTF-8.
    """
    try:
        return path.read_text("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UserError(f"{path} is not UTF-8 (byte {error.start}): save it again as UTF-8") from None
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror}; check its path") from None


def table_rows(
    path: Path,
    text: str,
    delimiter: str = ",",
    needed: Sequence[str] = (),
    check: Callable[[list[str]], None] | None = None,
) -> Iterator[tuple[int, Row]]:
    """Yield each row's number and its stripped cells by column; empty lines are counted but not returned.

    Args:
        path: the file's name, for messages.
        text: the table, with a header.
        delimiter: the character between cells.
        needed: required columns.
        check: called with the header, for further checks.

    Raises:
        UserError: a column is missing, a row has too few or too many cells, or a quote is not closed.
    """
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    try:
        header = [name.strip() for name in next(reader, [])]
        if check is not None and header:
            check(header)
        for name in needed:
            if name not in header:
                raise UserError(f"{path} has no column {name!r}: found {', '.join(header) or 'none'}")
        for number, row in enumerate(reader, start=2):
            if len(row) not in (0, len(header)):
                raise UserError(
                    f"{path}, row {number}: {len(row)} cells for {len(header)} columns: "
                    "put cells that hold the separator in quotes"
                )
            if row:
                yield number, {name: cell.strip() for name, cell in zip(header, row, strict=True)}
    except csv.Error as error:
        raise UserError(f"{path}, line {reader.line_num}: broken table ({error}): close the quotes") from None


def read_table(path: Path, needed: Sequence[str], delimiter: str = ",") -> Iterator[tuple[int, Row]]:
    """Yield the rows of a table in a file, as `table_rows` does."""
    yield from table_rows(path, read_text(path), delimiter, needed)


def header_of(path: Path, delimiter: str = ",") -> list[str]:
    """Return the names of a table's columns, or an empty list if the first line is not a table's."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as lines:
            return [name.strip() for name in next(csv.reader(lines, delimiter=delimiter), [])]
    except (OSError, UnicodeDecodeError, csv.Error):
        read_text(path)  # raises an error if the file itself cannot be read
        return []


def emotion_in(path: Path, number: int, word: str) -> str | None:
    """Return `emotion_name(word)`; an error names the file and the row."""
    try:
        return emotion_name(word)
    except UserError as error:
        raise UserError(f"{path}, row {number}: {error}") from None


class UniqueNames:
    """Detect a name that occurs twice in a corpus's tables; the error says where it occurred first."""

    def __init__(self) -> None:
        self._row: dict[str, tuple[Path, int]] = {}

    def add(self, name: str, path: Path, number: int) -> None:
        """Record a name.

        Raises:
            UserError: the name occurred before.
        """
        if name in self._row:
            other, row = self._row[name]
            where = f"row {row}" if other == path else f"{other}, row {row}"
            raise UserError(f"{path}, row {number}: {name!r} is already in {where}: remove one")
        self._row[name] = (path, number)
