"""Read and write the generic manifest, with one row per utterance, as CSV, TSV or JSON lines.

Columns: `path`, `id`, `speaker`, `emotion`, `transcript`, `language`, `gender`, `corpus`, `split`, `msp` (the letter of
MSP-Podcast), `duration`, `start`, `end` (seconds), `session`, `valence`, `arousal`, `dominance` (in the corpus's own
range), `votes` (JSON: emotion -> raters). Only `path` is required, or `transcript` for text without speech. Other
columns are ignored. Every cell is checked, and an error names its row. The existence of the recordings is not checked,
so that one missing file in a hundred thousand does not stop the rest; `missing_files` lists all missing files.
"""

import csv
import io
import json
import math
import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Literal

from emosllm.corpora.tables import read_text, table_rows
from emosllm.errors import UserError
from emosllm.files import write_atomically
from emosllm.labels import emotion_name
from emosllm.utterance import Split, Utterance

#: What `write_manifest` writes; `read_manifest` also knows `msp`.
COLUMNS = (
    "path", "id", "speaker", "emotion", "transcript", "language", "gender", "corpus", "split", "duration",
    "start", "end", "session", "valence", "arousal", "dominance", "votes",
)  # fmt: skip

_KNOWN = (*COLUMNS, "msp")
_DELIMITERS = {".csv": ",", ".tsv": "\t"}
_SPLITS: Mapping[str, Split] = {
    "train": "train", "val": "val", "dev": "val", "validation": "val", "development": "val", "test": "test",
    "test1": "test",
}  # fmt: skip
# Other words are not an error: gender is only a cue, and a corpus may have more than two.
_GENDERS: Mapping[str, Literal["female", "male"]] = {
    "female": "female", "f": "female", "woman": "female", "male": "male", "m": "male", "man": "male",
}  # fmt: skip


def read_manifest(path: Path) -> list[Utterance]:
    """Read and check a manifest.

    Args:
        path: a `.csv` or `.tsv` with a header, or `.jsonl` with one object per line; UTF-8. Paths in it are relative to
            the manifest's folder, or absolute.

    Returns:
        The utterances in the manifest's order, with audio paths that are valid from the current folder.

    Raises:
        UserError: the manifest does not exist, is empty or of another kind, or a row is invalid; the message has the
            row's number as a spreadsheet or an editor shows it (the header is row 1).
    """
    path = Path(path)
    utterances: list[Utterance] = []
    row_of: dict[str, int] = {}
    for number, cells in _rows(path):
        try:
            utterance = _utterance(cells, number, path.parent)
        except UserError as error:
            raise UserError(f"{path}, row {number}: {error}") from None
        if utterance.id in row_of:
            raise UserError(
                f"{path}, row {number}: the id {utterance.id!r} is already in row {row_of[utterance.id]}: "
                "remove one, or give them different ids in a column `id`"
            )
        row_of[utterance.id] = number
        utterances.append(utterance)
    if not utterances:
        raise UserError(f"{path} is empty: give it one row an utterance")
    return utterances


def write_manifest(path: Path, utterances: Iterable[Utterance]) -> None:
    """Write a manifest that `read_manifest` can read, atomically.

    Args:
        path: ends in `.csv`, `.tsv` or `.jsonl`. Recordings below its folder are written relative to it, others with
            their absolute path.
        utterances: with recordings in files, or without any.

    Raises:
        UserError: the name has another ending, an utterance's audio is not in a file, or the folder cannot be written
            to.
    """
    path = Path(path)
    suffix = check_ending(path)
    rows = [_cells(utterance, path.parent) for utterance in utterances]
    if suffix == ".jsonl":
        lines = [json.dumps({k: v for k, v in row.items() if v not in ("", None)}, ensure_ascii=False) for row in rows]
        text = "".join(f"{line}\n" for line in lines)
    else:
        table = io.StringIO()
        writer = csv.DictWriter(table, COLUMNS, delimiter=_DELIMITERS[suffix], lineterminator="\n")
        writer.writeheader()
        writer.writerows(row | {"votes": row["votes"] and json.dumps(row["votes"], ensure_ascii=False)} for row in rows)
        text = table.getvalue()
    write_atomically(path, text)


def missing_files(utterances: Iterable[Utterance]) -> list[Path]:
    """Return the recordings that do not exist, each once, sorted."""
    return sorted({u.audio for u in utterances if isinstance(u.audio, Path) and not u.audio.is_file()})


def check_ending(path: Path) -> str:
    """Return the ending of a manifest's name in lower case.

    Raises:
        UserError: the ending is not that of a manifest.
    """
    suffix = path.suffix.lower()
    if suffix not in (*_DELIMITERS, ".jsonl"):
        raise UserError(f"{path} is not a manifest: its name must end in {', '.join(_DELIMITERS)} or .jsonl")
    return suffix


def _rows(path: Path) -> Iterator[tuple[int, dict[str, str]]]:
    """Yield each row's number and its stripped cells by column."""
    suffix = check_ending(path)
    text = read_text(path)
    if suffix == ".jsonl":
        return _json_rows(path, text)
    return table_rows(path, text, _DELIMITERS[suffix], check=lambda header: _check_columns(str(path), header))


def _json_rows(path: Path, text: str) -> Iterator[tuple[int, dict[str, str]]]:
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        try:
            fields = json.loads(line)
        except json.JSONDecodeError as error:
            raise UserError(
                f"{path}, row {number}: broken JSON ({error.msg} at column {error.colno}): correct it"
            ) from None
        if not isinstance(fields, dict):
            raise UserError(f"{path}, row {number}: {type(fields).__name__} instead of an object: write {{...}}")
        _check_columns(f"{path}, row {number},", fields)
        yield number, {name: _text(name, value, path, number) for name, value in fields.items() if name in _KNOWN}


def _text(name: str, value: Any, path: Path, number: int) -> str:
    if value is None:
        return ""
    if name == "votes" and isinstance(value, dict):
        return json.dumps(value)
    if isinstance(value, bool | list | dict):
        raise UserError(f"{path}, row {number}: {name} is {value!r}: give text or a number")
    return str(value).strip()


def _check_columns(where: str, names: Iterable[str]) -> None:
    names = list(names)
    if "path" not in names and "transcript" not in names:
        raise UserError(f"{where} has no column 'path' (nor 'transcript', for text alone): found {', '.join(names)}")
    twice = [name for name in _KNOWN if names.count(name) > 1]
    if twice:
        raise UserError(f"{where} has the column {twice[0]!r} twice: keep one")


def _utterance(cells: Mapping[str, str], number: int, folder: Path) -> Utterance:
    def cell(name: str) -> str | None:
        return cells.get(name) or None

    audio, transcript = cell("path"), cell("transcript")
    if audio is None and transcript is None:
        raise UserError("neither a path nor a transcript: fill one of them")
    start, end = _seconds("start", cell("start")), _seconds("end", cell("end"))
    if end is not None and end <= (start or 0.0):
        raise UserError(f"end {end:g} s is not after start {start or 0:g} s: swap or correct them")
    part = f"#{start or 0:g}-{'' if end is None else format(end, 'g')}" if (start, end) != (None, None) else ""
    # The letter has priority: it is the class after merging (calm counts as N), and the corpus's own word is not.
    emotion = cell("msp") or cell("emotion")
    split = cell("split")
    if split is not None and split.lower() not in _SPLITS:
        raise UserError(f"unknown split {split!r}: known are {', '.join(_SPLITS)}")
    return Utterance(
        id=cell("id") or (f"{audio}{part}" if audio else f"row-{number}"),
        audio=_resolve_inside(folder, audio) if audio else None,
        start=start or 0.0,
        end=end,
        transcript=transcript,
        emotion=emotion_name(emotion) if emotion else None,
        speaker=cell("speaker"),
        gender=_GENDERS.get((cell("gender") or "").lower()),
        language=cell("language"),
        corpus=cell("corpus"),
        split=_SPLITS[split.lower()] if split else None,
        duration=_seconds("duration", cell("duration")),
        session=cell("session"),
        valence=_number("valence", cell("valence")),
        arousal=_number("arousal", cell("arousal")),
        dominance=_number("dominance", cell("dominance")),
        votes=_votes(cell("votes")),
    )


def _float(text: str | None) -> float | None:
    """Convert a cell to a number; NaN if it is not one."""
    try:
        return None if text is None else float(text)
    except ValueError:
        return math.nan


def _seconds(name: str, text: str | None) -> float | None:
    value = _float(text)
    if value is not None and not 0 <= value < math.inf:
        raise UserError(f"{name} {text!r} is not a number of seconds: give one such as 1.25, or leave the cell empty")
    return value


def _number(name: str, text: str | None) -> float | None:
    value = _float(text)
    if value is not None and not math.isfinite(value):
        raise UserError(f"{name} {text!r} is not a number: give one such as 3.5, or leave the cell empty")
    return value


def _votes(text: str | None) -> dict[str, int] | None:
    """Parse votes such as `{"angry": 3, "neutral": 2}`; emotions may be any common word."""
    if text is None:
        return None
    try:
        given = json.loads(text)
    except json.JSONDecodeError:
        given = None
    if not isinstance(given, dict) or any(type(count) is not int or count < 0 for count in given.values()):
        raise UserError(f'votes {text!r} are not raters by emotion: give JSON such as {{"angry": 3, "neutral": 2}}')
    votes: dict[str, int] = {}
    for word, count in given.items():
        name = emotion_name(word)
        if name is None:
            raise UserError(f"votes {text!r}: {word!r} is not an emotion: leave it out, or write other")
        votes[name] = votes.get(name, 0) + count
    return votes


def _resolve_inside(folder: Path, audio: str) -> Path:
    """Resolve a path in the manifest; a relative path must stay in its folder, since manifests can be unsafe."""
    if Path(os.path.normpath(audio)).parts[:1] == (os.pardir,):
        raise UserError(f"{audio!r} is a path outside the manifest's folder: move the manifest, or write it absolute")
    return folder / audio


def _cells(utterance: Utterance, folder: Path) -> dict[str, Any]:
    if utterance.audio is not None and not isinstance(utterance.audio, Path):
        raise UserError(f"utterance {utterance.id!r} has its audio in memory: save it to a file first")
    path = ""
    if utterance.audio is not None:
        audio, base = Path(os.path.abspath(utterance.audio)), Path(os.path.abspath(folder))  # noqa: PTH100
        path = (audio.relative_to(base) if audio.is_relative_to(base) else audio).as_posix()
    return {name: getattr(utterance, name, None) for name in COLUMNS} | {
        "path": path,
        "start": utterance.start or None,
        "votes": None if utterance.votes is None else dict(utterance.votes),
    }
