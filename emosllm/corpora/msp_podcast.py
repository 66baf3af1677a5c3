"""MSP-Podcast: spontaneous speech from podcasts, labelled by at least five raters each.

Origin: https://lab-msp.com/MSP/MSP-Podcast.html. Licence: an agreement with the University of Texas at Dallas.
Citation: Lotfian and Busso (2019), Building naturalistic emotionally balanced speech corpus by retrieving emotional
speech from existing podcast recordings, IEEE Transactions on Affective Computing 10(4).
The corpus grows with each release, so no count is expected. The attributes (activation, valence, dominance) and the
single ratings of `labels_detailed.csv` are not read.
"""

import csv
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Literal

from emosllm.corpora.card import Card
from emosllm.corpora.folder import nothing_of
from emosllm.errors import UserError
from emosllm.labels import emotion_name
from emosllm.utterance import Split, Utterance

CARD = Card(
    title="MSP-Podcast",
    layout="Labels/labels_consensus.csv, Audios/MSP-PODCAST_0001_0008.wav and, optionally, Transcripts/ "
    "and Partitions.txt",
    origin="https://lab-msp.com/MSP/MSP-Podcast.html",
    licence="an agreement with the University of Texas at Dallas",
    citation="Lotfian and Busso (2019), Building naturalistic emotionally balanced speech corpus by retrieving "
    "emotional speech from existing podcast recordings, IEEE Transactions on Affective Computing 10(4)",
)

#: What `read` returns unless told otherwise, with our word for each. Release 1.8 wrote Validation for Development.
SPLITS: dict[str, Split] = {"Train": "train", "Development": "val", "Validation": "val", "Test1": "test"}
#: Other test sets, with no split of ours: Test2 has no speaker names, Test3 no labels.
EXTRA_SETS = ("Test2", "Test3")

# FileName,EmoClass,EmoAct,EmoVal,EmoDom,SpkrID,Gender,Split_Set
# MSP-PODCAST_0001_0008.wav,N,4.2,4.4,4.0,127,Male,Train
_COLUMNS = ("FileName", "EmoClass", "SpkrID", "Gender", "Split_Set")
_GENDERS: dict[str, Literal["female", "male"]] = {"Female": "female", "Male": "male"}


def read(root: Path, sets: Sequence[str] = tuple(SPLITS)) -> list[Utterance]:
    """The utterances of some of the corpus's sets, in the order of their file names.

    No agreement (`X`) is no emotion, speaker `Unknown` is no speaker, a transcript that is not there is none.

    Args:
        root: the folder with `Labels/` and `Audios/`.
        sets: names of `Split_Set`; those of `EXTRA_SETS` are read only when asked for by name.

    Raises:
        UserError: no label file, a column is missing, a set, label or name that the corpus does not have, or nothing
            in the sets asked for.
    """
    strangers = [name for name in sets if name not in (*SPLITS, *EXTRA_SETS)]
    if strangers:
        raise UserError(f"MSP-Podcast has no set {strangers[0]!r}: known are {', '.join((*SPLITS, *EXTRA_SETS))}")
    found = {utterance.id: utterance for utterance in _labelled(root, sets)}
    for name, file in _partitions(root):
        if name in sets and name in EXTRA_SETS and Path(file).stem not in found:
            found[Path(file).stem] = _utterance(root, file, name)
    if not found:
        raise nothing_of(root, CARD, f" in {', '.join(sets)}")
    return [found[key] for key in sorted(found)]


def _labelled(root: Path, sets: Sequence[str]) -> Iterator[Utterance]:
    """The rows of the label file that belong to `sets`."""
    path = _label_file(root)
    with path.open(encoding="utf-8-sig", newline="") as lines:
        rows = csv.DictReader(lines)
        missing = [column for column in _COLUMNS if column not in (rows.fieldnames or ())]
        if missing:
            raise UserError(f"{path} has no column {missing[0]!r}: found {', '.join(rows.fieldnames or ('none',))}")
        for number, row in enumerate(rows, start=2):
            if row["Split_Set"] not in (*SPLITS, *EXTRA_SETS):
                known = ", ".join((*SPLITS, *EXTRA_SETS))
                raise UserError(f"{path}, row {number}: unknown Split_Set {row['Split_Set']!r}: known are {known}")
            if row["Split_Set"] not in sets:
                continue
            try:
                emotion = emotion_name(row["EmoClass"] or "")
            except UserError as error:
                raise UserError(f"{path}, row {number}: {error}") from None
            yield _utterance(root, row["FileName"], row["Split_Set"], emotion, row["SpkrID"], row["Gender"])


def _label_file(root: Path) -> Path:
    for name in ("labels_consensus.csv", "labels_concensus.csv"):  # spelt so in release 1.8
        for folder in (root / "Labels", root):
            if (folder / name).is_file():
                return folder / name
    raise nothing_of(root, CARD)


def _partitions(root: Path) -> Iterator[tuple[str, str]]:
    """Set and file of lines such as `Test3; MSP-PODCAST_test3_0001.wav`; Test3 stands nowhere else."""
    path = root / "Partitions.txt"
    for line in path.read_text("utf-8").splitlines() if path.is_file() else ():
        name, _, file = line.partition(";")
        if file:
            yield name.strip(), file.strip()


def _utterance(
    root: Path, file: str, name: str, emotion: str | None = None, speaker: str | None = None, gender: str | None = None
) -> Utterance:
    transcript = root / "Transcripts" / f"{Path(file).stem}.txt"
    return Utterance(
        id=Path(file).stem,
        audio=root / "Audios" / file,
        transcript=(transcript.read_text("utf-8", errors="replace").strip() or None) if transcript.is_file() else None,
        emotion=emotion,
        speaker=f"msp_podcast_{speaker}" if speaker and speaker != "Unknown" else None,
        gender=_GENDERS.get(gender or ""),
        language="en",
        corpus="msp_podcast",
        split=SPLITS.get(name),
    )
