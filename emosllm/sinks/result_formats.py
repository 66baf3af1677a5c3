"""Write the rows of a result file as Parquet, CSV or JSON lines, a row at a time."""

import csv
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

from emosllm.errors import UserError
from emosllm.extras import extra
from emosllm.files import atomic_file, make_folder
from emosllm.inference.rows import Row
from emosllm.utterance import Utterance

#: Allowed endings of results.
ENDINGS = (".parquet", ".jsonl", ".csv")

_BEFORE = ("id", "path", "start", "end", "label", "confidence")
_AFTER = ("transcript", "transcript_from", "said", "unnamed", "error")
_FREE = ("said", "unnamed")  # only for free answers
_WORDS = ("transcript", "transcript_from")  # only where a transcript is known
_NUMBERS = ("start", "end", "confidence")
_GROUP = 10_000  # rows of a Parquet row group


def check_result(path: Path) -> None:
    """Refuse, before anything is computed, a path that could not be written later.

    Raises:
        UserError: the ending is unknown, pyarrow is not installed, or the folder cannot be written to.
    """
    if path.suffix.lower() not in ENDINGS:
        raise UserError(f"cannot write {path}: results end in {', '.join(ENDINGS)}")
    if path.suffix.lower() == ".parquet":
        with extra("timeline", "writing Parquet"):
            import pyarrow.parquet  # noqa: F401
    make_folder(path.parent)


def as_row(found: Row) -> dict[str, Any]:
    """The row of an utterance: its recording, its prediction, or the error."""
    utterance, prediction = found.utterance, found.prediction
    row = prediction.to_dict()
    confidence = None if prediction.confidence is None else round(float(prediction.confidence), 4)
    where = {"id": utterance.id, "path": place(utterance), "start": utterance.start, "end": utterance.end}
    row |= {**where, "confidence": confidence, "transcript_from": found.transcript_from}
    kept = {name: row[name] for name in (*_BEFORE, "probabilities", *_AFTER) if name in row}
    # A file's name may not be valid text, but the result has to be.
    return {name: _text(value) if isinstance(value, str) else value for name, value in kept.items()}


def place(utterance: Utterance) -> str | None:
    """The path of the utterance's file; `None` if its recording is not a file."""
    return str(utterance.audio) if isinstance(utterance.audio, Path) else None


def write_results(
    rows: Iterable[Mapping[str, Any]], path: Path, labels: Sequence[str], *, free: bool = False, worded: bool = True
) -> None:
    """Write rows in constant memory; a failed write leaves no partial file.

    Args:
        rows: as `as_row` returns them.
        path: ends in `.parquet`, `.csv` (both with a column per emotion) or `.jsonl` (the rows unchanged).
        labels: the emotions.
        free: whether answers are free; their text is then a column.
        worded: whether transcripts are columns.

    Raises:
        UserError: the ending is unknown, pyarrow is not installed, or the file cannot be written.
    """
    check_result(path)
    write = {".parquet": _parquet, ".csv": _csv, ".jsonl": _jsonl}[path.suffix.lower()]
    with atomic_file(path) as temporary:
        write(rows, temporary, _columns(labels, free, worded))


def _jsonl(rows: Iterable[Mapping[str, Any]], path: Path, columns: Sequence[str]) -> None:
    with path.open("x", encoding="utf-8", newline="") as file:
        for row in rows:
            file.write(json.dumps(row, ensure_ascii=False) + "\n")


def _csv(rows: Iterable[Mapping[str, Any]], path: Path, columns: Sequence[str]) -> None:
    with path.open("x", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, columns, lineterminator="\n")
        writer.writeheader()
        for row in _flat(rows, columns):
            # The csv module quotes every line end except a lone carriage return.
            writer.writerow({k: v.replace("\r", "\n") if isinstance(v, str) else v for k, v in row.items()})


def _parquet(rows: Iterable[Mapping[str, Any]], path: Path, columns: Sequence[str]) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    kinds = dict.fromkeys((*_BEFORE, *_AFTER), pa.string()) | dict.fromkeys(_NUMBERS, pa.float64())
    kinds["unnamed"] = pa.bool_()
    schema = pa.schema([(name, kinds.get(name, pa.float64())) for name in columns])
    flat = _flat(rows, columns)
    with pq.ParquetWriter(path, schema) as writer:
        while group := list(islice(flat, _GROUP)):
            writer.write_table(pa.Table.from_pylist(group, schema=schema))


def _flat(rows: Iterable[Mapping[str, Any]], columns: Sequence[str]) -> Iterator[dict[str, Any]]:
    """The rows with a column per emotion."""
    for row in rows:
        odds = row["probabilities"]
        yield {name: row.get(name, odds.get(name)) for name in columns}


def _columns(labels: Sequence[str], free: bool, worded: bool) -> tuple[str, ...]:
    absent = (() if free else _FREE) + (() if worded else _WORDS)
    return (*_BEFORE, *labels, *(name for name in _AFTER if name not in absent))


def _text(value: str) -> str:
    return value.encode("utf-8", "backslashreplace").decode("utf-8")
