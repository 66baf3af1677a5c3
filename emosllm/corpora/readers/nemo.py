"""nEMO: nine Polish actors speak ninety sentences in six emotions.

The table `data.tsv` is beside `samples/`. Its raw text, with capitals and punctuation, is the transcript. In a copy
without the table, speaker and emotion are read from the file's name, and there is no transcript or gender.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from emosllm.corpora.card import Card
from emosllm.corpora.corpus_folder import check_folder, named_recordings, recordings
from emosllm.corpora.tables import UniqueNames, emotion_in, read_table
from emosllm.errors import UserError
from emosllm.labels import emotion_name
from emosllm.utterance import Utterance

CARD = Card(
    title="nEMO",
    layout="data.tsv and samples/WR0_surprised_64.wav and so on",
    origin="https://github.com/amu-cai/nEMO, also https://huggingface.co/datasets/amu-cai/nEMO",
    licence="CC BY-NC-SA 4.0",
    citation="Christop (2024), nEMO: Dataset of Emotional Speech in Polish, LREC-COLING",
    expected=4481,
    emotions={"neutral": 809, "sad": 769, "angry": 749, "happy": 749, "fear": 736, "surprise": 669},
    speakers=9,
    notes=("It has no split of its own.",),
)

_COLUMNS = ("file_id", "emotion", "raw_text", "speaker_id", "gender")
_GENDERS: dict[str, Literal["female", "male"]] = {"female": "female", "male": "male"}
_NAME = re.compile(r"(?P<speaker>[A-Z]{2}\d)_(?P<emotion>anger|fear|happiness|neutral|sadness|surprised)_\d+")


def read(root: Path) -> list[Utterance]:
    """Read the rows of `data.tsv`, or the recordings below `root` if there is no table; sorted by name.

    Raises:
        UserError: there is neither, a name does not have the corpus's form, or a row has an unknown emotion or occurs
            twice.
    """
    check_folder(root, CARD)
    table = root / "data.tsv"
    return sorted(_rows(root, table) if table.is_file() else _files(root), key=lambda utterance: utterance.id)


def _rows(root: Path, table: Path) -> Iterator[Utterance]:
    here = {path.stem: path for path in recordings(root, CARD)} if (root / "samples").is_dir() else {}
    seen, number = UniqueNames(), 0
    # WR0_surprised_64.wav	surprised	Ucho wykrywa...	ucho wykrywa...	WR0	male	23
    for number, row in read_table(table, _COLUMNS, "\t"):
        seen.add(row["file_id"], table, number)
        stem = Path(row["file_id"]).stem
        yield Utterance(
            id=stem,
            audio=here.get(stem, root / "samples" / row["file_id"]),
            transcript=row["raw_text"] or None,
            emotion=emotion_in(table, number, row["emotion"]),
            speaker=f"nemo_{row['speaker_id']}",
            gender=_GENDERS.get(row["gender"]),
            language="pl",
            corpus="nemo",
        )
    if not number:
        raise UserError(f"{table} is empty: download it again")


def _files(root: Path) -> Iterator[Utterance]:
    for path, name in named_recordings(root, CARD, _NAME, "speaker_emotion_sentence: WR0_surprised_64.wav"):
        yield Utterance(
            id=path.stem,
            audio=path,
            emotion=emotion_name(name["emotion"]),
            speaker=f"nemo_{name['speaker']}",
            language="pl",
            corpus="nemo",
        )
