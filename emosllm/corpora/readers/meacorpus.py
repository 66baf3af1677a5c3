"""Spanish MEACorpus 2023: Spanish speech from YouTube, segmented, transcribed and labelled with six emotions.

The tables have the columns `filename,label,transcription,split`. The recordings are beside them as `<hash>-<hash>.mp3`.
The tables alone are enough for systems that read transcripts. EmoSPeech 2024 was drawn from this corpus: never train on
one and test on the other. Limitation: the corpus does not identify speakers.
"""

from collections.abc import Iterator
from pathlib import Path

from emosllm.corpora.card import Card
from emosllm.corpora.corpus_folder import missing_corpus_error
from emosllm.corpora.tables import Row, UniqueNames, emotion_in, header_of, read_table
from emosllm.errors import UserError
from emosllm.utterance import Split, Utterance

COLUMNS = ("filename", "label", "transcription", "split")
SPLITS: dict[str, Split] = {"train": "train", "val": "val", "dev": "val", "test": "test"}
CARD = Card(
    title="Spanish MEACorpus 2023",
    layout="spanish-meacorpus-2023-dataset.csv (filename,label,transcription,split) and its mp3 files, if "
    "there are any",
    origin="https://github.com/NLP-UMUTeam/Spanish-MEACorpus-2023",
    licence="CC BY-NC 4.0 for labels and transcriptions; the recordings remain YouTube's and their authors'",
    citation="Pan, García-Díaz, Rodríguez-García and Valencia-García (2024), Spanish MEACorpus 2023: A multimodal "
    "speech-text corpus for emotion analysis in Spanish from natural environments, Computer Standards & Interfaces 90",
    expected=5129,
    splits={"train": 4102, "test": 1027},
    emotions={"neutral": 1999, "disgust": 1200, "angry": 668, "happy": 643, "sad": 582, "fear": 37},
    speakers=0,
    notes=(
        "EmoSPeech 2024 was drawn from this corpus, its test labels included: never use both.",
        "Its authors say that its split keeps speakers apart. It names no speakers, so this cannot be checked.",
    ),
)


def read(root: Path) -> list[Utterance]:
    """Read the rows of all tables of the corpus in their order, with the recordings that exist.

    Args:
        root: the folder with the tables, or one table.

    Raises:
        UserError: there is no table, a column is missing, an emotion or split is unknown, or a name occurs twice.
    """
    seen = UniqueNames()
    found = [utterance for table in tables_in(root, CARD, COLUMNS) for utterance in _rows(table, seen)]
    if not found:
        raise missing_corpus_error(root, CARD)
    return found


def _rows(table: Path, seen: UniqueNames) -> Iterator[Utterance]:
    beside = recordings_beside(table)
    for number, row in read_table(table, COLUMNS):
        seen.add(row["filename"], table, number)
        if row["split"].lower() not in SPLITS:
            raise UserError(f"{table}, row {number}: unknown split {row['split']!r}: known are {', '.join(SPLITS)}")
        emotion = emotion_in(table, number, row["label"])
        yield utterance_of_row("meacorpus", row["filename"], row, emotion, SPLITS[row["split"].lower()], beside)


def tables_in(root: Path, card: Card, columns: tuple[str, ...]) -> list[Path]:
    """List the tables below a folder that have the columns; `root` itself if it is a file.

    Raises:
        UserError: there is no such table.
    """
    if root.is_file():
        return [root]
    tables = sorted(path for path in root.rglob("*.csv") if not path.name.startswith("."))
    fitting = [path for path in tables if {*columns} <= {*header_of(path)}]
    if not fitting:
        raise missing_corpus_error(root, card)
    return fitting


def recordings_beside(table: Path) -> dict[str, Path]:
    """Map the names of the mp3 files in a table's folder and below to their paths."""
    return {path.name: path for path in sorted(table.parent.rglob("*.mp3"))}


def utterance_of_row(
    corpus: str, file: str, row: Row, emotion: str | None, split: Split, beside: dict[str, Path]
) -> Utterance:
    """Build the utterance of a row of MEACorpus or EmoSPeech."""
    return Utterance(
        id=Path(file).stem,
        audio=beside.get(file),
        transcript=row["transcription"] or None,
        emotion=emotion,
        language="es",
        corpus=corpus,
        split=split,
    )
