"""LSSED: spontaneous English speech of 820 speakers; papers use four of its emotions.

The table is `metadata_english_all.csv`, the recordings are `wav_all/<name>.wav`. Only the columns `name` and `faces`
(the emotion) are publicly documented, so the names of all columns are options: `emotion=faces speaker=subject`.
"""

from pathlib import Path

from emosllm.corpora.card import Card
from emosllm.corpora.corpus_folder import missing_corpus_error
from emosllm.corpora.tables import UniqueNames, header_of, read_table
from emosllm.errors import UserError
from emosllm.labels import emotion_name
from emosllm.utterance import Split, Utterance

CARD = Card(
    title="LSSED",
    layout="metadata_english_all.csv (name,faces,...) and wav_all/<name>.wav",
    origin="https://github.com/tobefans/LSSED",
    licence="an agreement with the South China University of Technology",
    citation="Fan, Xu, Xing, Chen and Huang (2021), LSSED: A Large-Scale Dataset and Benchmark for Speech Emotion "
    "Recognition, ICASSP",
    notes=(
        "Papers score angry, happy, neutral and sad. The label set selects the classes.",
        "The columns of its table are not publicly documented: check those that the reader used.",
    ),
)

_SPLITS: dict[str, Split] = {
    "train": "train", "dev": "val", "val": "val", "valid": "val", "validation": "val", "test": "test",
}  # fmt: skip


def read(
    root: Path,
    table: str = "metadata_english_all.csv",
    audio: str = "wav_all",
    name: str = "name",
    emotion: str = "faces",
    speaker: str = "",
    gender: str = "",
    split: str = "",
    transcript: str = "",
) -> list[Utterance]:
    """Read the rows of the table, in its order.

    Args:
        root: the folder with the table and the recordings.
        table: its name.
        audio: the folder of the recordings, inside `root`.
        name: column of the recording's name, with or without `.wav`.
        emotion: column of the emotion.
        speaker: column of the speaker; empty if there is none.
        gender: column of the gender; empty if there is none.
        split: column of the split, with the values train, dev (or val) and test; empty if there is none.
        transcript: column of the transcript; empty if there is none.

    Raises:
        UserError: there is no table, a column is missing, an emotion or split is unknown, or a name occurs twice.
    """
    path = root / table
    if not path.is_file():
        raise missing_corpus_error(root, CARD)
    columns = {"name": name, "emotion": emotion, "speaker": speaker, "gender": gender, "split": split}
    columns["transcript"] = transcript
    header = header_of(path)
    for option, column in columns.items():
        if column and column not in header:
            raise UserError(
                f"{path} has no column {column!r}: found {', '.join(header) or 'none'}; name it with {option}=COLUMN"
            )
    found, seen = [], UniqueNames()
    for number, row in read_table(path, ()):
        cells = {option: row.get(column, "") for option, column in columns.items()}
        seen.add(cells["name"], path, number)
        try:
            found.append(_utterance(root / audio, cells))
        except UserError as error:
            raise UserError(f"{path}, row {number}: {error}") from None
    if not found:
        raise missing_corpus_error(root, CARD)
    return found


def _utterance(folder: Path, cells: dict[str, str]) -> Utterance:
    side = cells["split"].lower()
    if side and side not in _SPLITS:
        raise UserError(f"unknown split {cells['split']!r}: known are {', '.join(_SPLITS)}")
    file = cells["name"] if cells["name"].lower().endswith(".wav") else f"{cells['name']}.wav"
    sex = cells["gender"].lower()[:1]
    return Utterance(
        id=file[:-4],
        audio=folder / file,
        transcript=cells["transcript"] or None,
        emotion=emotion_name(cells["emotion"]),
        speaker=f"lssed_{cells['speaker']}" if cells["speaker"] else None,
        gender="female" if sex == "f" else "male" if sex == "m" else None,
        language="en",
        corpus="lssed",
        split=_SPLITS[side] if side else None,
    )
