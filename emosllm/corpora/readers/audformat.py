"""Databases in audEERING's audformat (`db.yaml` and tables), read with the `audformat` package; emodb, for example.

The schemes are found by name in all tables: `emotion`, `speaker`, `gender`, `transcription`, `valence`, `arousal`,
`dominance`. An option can give each of them another name. Splits are those of the database. This needs the extra
`corpora`. Limitation: single raters are not read, only the gold standard of a table of ratings.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any

from emosllm.corpora.card import Card
from emosllm.corpora.corpus_folder import check_folder, missing_corpus_error
from emosllm.corpora.readers.audformat_tables import load_database
from emosllm.errors import UserError
from emosllm.labels import emotion_name
from emosllm.utterance import Split, Utterance

CARD = Card(
    title="an audformat database",
    layout="db.yaml, its tables db.<table>.csv (or parquet) and the recordings that they name",
    origin="see the database's db.yaml",
    licence="see the database's db.yaml",
    citation="of the format: Wagner, Wierstorf and others, audformat, https://audeering.github.io/audformat",
)

_SPLITS: dict[str, Split] = {"train": "train", "dev": "val", "test": "test"}
_GENDERS = ("female", "male")
Place = tuple[str, float, float | None]  # file as the table writes it, start and end in seconds


def read(
    root: Path,
    emotion: str = "emotion",
    speaker: str = "speaker",
    gender: str = "gender",
    transcript: str = "transcription",
    valence: str = "valence",
    arousal: str = "arousal",
    dominance: str = "dominance",
    tables: Sequence[str] = (),
) -> list[Utterance]:
    """Read the files or segments that have an emotion, in the order of their files and times.

    Args:
        root: the folder with `db.yaml`.
        emotion: the scheme, or column, of the emotion.
        speaker: the scheme, or column, of the speaker, if there is one; likewise for the options below.
        gender: the scheme, or a key of the labels of the speaker scheme.
        transcript: the spoken words.
        valence: in the database's own range.
        arousal: likewise.
        dominance: likewise.
        tables: names of the tables with the emotion; all tables if empty.

    Raises:
        UserError: there is no database, scheme or table of that name, the package is not installed, two tables
            contradict each other, or an emotion is unknown.
    """
    db = _load(root)
    name = str(db.name).lower().replace("-", "_")
    emotions = _values(db, root, emotion, tables)
    if not emotions:
        known = sorted({column for table in db.tables.values() for column in table.columns})
        raise UserError(f"{root} has no emotion in {emotion!r}: it has {', '.join(known)}; name it with emotion=NAME")
    more = {
        key: _values(db, root, scheme)
        for key, scheme in {
            "speaker": speaker, "gender": gender, "transcript": transcript, "valence": valence, "arousal": arousal,
            "dominance": dominance,
        }.items()
    }  # fmt: skip
    splits = _splits(db, root, emotion)
    language = _language(db)
    return [
        _utterance(root, name, place, _emotion(root, place, word), more, splits.get(place), language)
        for place, word in sorted(emotions.items(), key=lambda item: (item[0][0], item[0][1]))
    ]


def card(root: Path, valence: str = "valence", arousal: str = "arousal", dominance: str = "dominance") -> Card:
    """Return the card of the database, from `db.yaml`; the scales are those of its schemes.

    Args:
        root: the folder with `db.yaml`.
        valence: the scheme, or column, as of `read`.
        arousal: likewise.
        dominance: likewise.
    """
    db = _load(root)
    named = {"valence": valence, "arousal": arousal, "dominance": dominance}
    return replace(
        CARD,
        title=str(db.name),
        origin=str(db.source or CARD.origin),
        licence=str(db.license or CARD.licence) + (f" ({db.license_url})" if db.license_url else ""),
        citation=str(db.author or CARD.citation),
        scales={key: scale for key, name in named.items() if (scale := _scale(db, name)) is not None},
        notes=(" ".join(str(db.description).split()),) if db.description else (),
    )


def _scale(db: Any, name: str) -> tuple[float, float] | None:
    """Return the range of a scheme, or of the scheme of a column of that name; `None` if it has no range."""
    of_columns = [table[name].scheme_id for table in db.tables.values() if name in table.columns]
    for scheme in (name, *of_columns):
        if scheme in db.schemes:
            low, high = db.schemes[scheme].minimum, db.schemes[scheme].maximum
            if low is not None and high is not None:
                return float(low), float(high)
    return None


def _load(root: Path) -> Any:
    check_folder(root, CARD)
    if not (root / "db.yaml").is_file():
        raise missing_corpus_error(root, CARD)
    return load_database(root)


def _values(db: Any, root: Path, scheme: str, tables: Sequence[str] = (), split: str | None = None) -> dict[Place, Any]:
    """Return the values of a scheme or column by file or segment, without the missing values."""
    unknown = [table for table in tables if table not in db.tables]
    if unknown:
        raise UserError(f"{root} has no table {unknown[0]!r}: it has {', '.join(db.tables)}")
    try:
        frame = db.get(scheme, tables=list(tables) or None, splits=split)
    except (ValueError, TypeError) as error:
        line = " ".join(str(error).split())
        raise UserError(
            f"{root}: tables contradict each other in {scheme!r} ({line[:200]}): name one, tables=..."
        ) from None
    if scheme not in frame:
        return {}
    column = frame[scheme].dropna()
    return {_place(index): value for index, value in zip(column.index, column.tolist(), strict=True)}


def _place(index: Any) -> Place:
    if isinstance(index, str):
        return index, 0.0, None
    file, start, end = index
    # The end of a whole file is NaT, which is not equal to itself.
    return file, start.total_seconds(), None if end != end else end.total_seconds()


def _splits(db: Any, root: Path, emotion: str) -> dict[Place, Split]:
    found: dict[Place, Split] = {}
    for name, split in db.splits.items():
        ours = _SPLITS.get(str(split.type))
        for place in _values(db, root, emotion, split=name) if ours else ():
            if found.setdefault(place, ours or "train") != ours:
                raise UserError(f"{root}: {place[0]} is in split {found[place]} and in {ours}: correct the database")
    return found


def _language(db: Any) -> str | None:
    """Return the ISO 639-1 code of a database in one language; audformat stores ISO 639-3 codes."""
    if len(db.languages) != 1:
        return None
    return str(import_module("iso639").Lang(str(db.languages[0])).pt1) or None


def _emotion(root: Path, place: Place, word: Any) -> str | None:
    try:
        return emotion_name(str(word))
    except UserError as error:
        raise UserError(f"{root}, {place[0]}: {error}") from None


def _utterance(
    root: Path,
    corpus: str,
    place: Place,
    emotion: str | None,
    more: Mapping[str, dict[Place, Any]],
    split: Split | None,
    language: str | None,
) -> Utterance:
    file, start, end = place
    # A value of a whole file is valid for every segment of the file.
    known = {key: values.get(place, values.get((file, 0.0, None))) for key, values in more.items()}
    part = "" if (start, end) == (0.0, None) else f"#{start:g}-{'' if end is None else format(end, 'g')}"
    return Utterance(
        id=f"{file}{part}",
        audio=root / file,
        start=start,
        end=end,
        transcript=None if known["transcript"] is None else str(known["transcript"]),
        emotion=emotion,
        speaker=None if known["speaker"] is None else f"{corpus}_{known['speaker']}",
        gender=known["gender"] if known["gender"] in _GENDERS else None,
        language=language,
        corpus=corpus,
        split=split,
        valence=_number(known["valence"]),
        arousal=_number(known["arousal"]),
        dominance=_number(known["dominance"]),
    )


def _number(value: Any) -> float | None:
    return None if value is None else float(value)
