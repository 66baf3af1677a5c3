"""EmoSPeech 2024 (IberLEF): the shared task's 3,000 training and 750 test clips of Spanish, text and speech.

The tables have the columns `id,label,transcription`. The recordings are beside them as `<hash>-<hash>.mp3`. The tables
alone are enough for systems that read transcripts. A table without `label` is the official test: its rows have no
emotion. Limitations: the corpus does not identify speakers. MEACorpus contains the labels of the test clips, but this
reader does not look them up.
"""

import re
from collections.abc import Iterator
from pathlib import Path

from emosllm.corpora.card import Card
from emosllm.corpora.corpus_folder import missing_corpus_error
from emosllm.corpora.readers.meacorpus import recordings_beside, tables_in, utterance_of_row
from emosllm.corpora.tables import UniqueNames, emotion_in, header_of, read_table
from emosllm.utterance import Split, Utterance

COLUMNS = ("id", "transcription")
CARD = Card(
    title="EmoSPeech 2024",
    layout="a table with id,label,transcription for training, one with id,transcription for test, and their mp3 files, "
    "if there are any",
    origin="https://codalab.lisn.upsaclay.fr/competitions/17647",
    licence="CC BY-NC 4.0, as Spanish MEACorpus 2023, of which it is a part",
    citation="Pan, García-Díaz, Rodríguez-García, García-Sánchez and Valencia-García (2024), Overview of EmoSPeech at "
    "IberLEF 2024: Multimodal Speech-text Emotion Recognition in Spanish, Procesamiento del Lenguaje Natural 73",
    expected=3750,
    splits={"train": 3000, "test": 750},
    speakers=0,
    notes=(
        "Spanish MEACorpus 2023 contains its test labels: never use both.",
        "It names no speakers, so no split can be shown to keep them apart.",
    ),
)

_TEST = re.compile(r"(?<![a-z])test(?![a-z])", re.IGNORECASE)  # EmoSPeech_test_gold, not train_latest


def read(root: Path) -> list[Utterance]:
    """Read the rows of all tables of the task in their order, training first, with the recordings that exist.

    A table is test if its name contains the word `test`, or if it has no labels. The others are training.

    Args:
        root: the folder with the tables, or one table.

    Raises:
        UserError: there is no table, a column is missing, an emotion is unknown, or a name occurs twice.
    """
    seen = UniqueNames()
    tables = tables_in(root, CARD, COLUMNS)
    found = [utterance for table in tables for utterance in _rows(table, seen)]
    if not found:
        raise missing_corpus_error(root, CARD)
    return sorted(found, key=lambda utterance: utterance.split == "test")


def _rows(table: Path, seen: UniqueNames) -> Iterator[Utterance]:
    labelled = "label" in header_of(table)
    split: Split = "test" if not labelled or _TEST.search(table.stem) else "train"
    beside = recordings_beside(table)
    for number, row in read_table(table, COLUMNS):
        seen.add(row["id"], table, number)
        emotion = emotion_in(table, number, row["label"]) if labelled else None
        yield utterance_of_row("emospeech", row["id"], row, emotion, split, beside)
