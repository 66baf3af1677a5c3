"""MSP-Podcast: spontaneous speech from podcasts, labelled by at least five raters each.

All releases with a table of the consensus are read, 1.6 to 2.0. Their spellings differ: folders `label`, `labels`,
`Labels`; `concensus` before 1.10; `Validation` for `Development`. Valence, arousal and dominance are means on 1..7. The
votes come from `labels_detailed.csv`, if it exists. Text that raters wrote under Other counts as `other`. A row without
an emotion is not counted. Limitation: secondary emotions are not read. The corpus grows with each release, so its card
has no counts.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Literal

from emosllm.corpora.card import Card
from emosllm.corpora.corpus_folder import check_folder, missing_corpus_error
from emosllm.corpora.tables import Row, UniqueNames, emotion_in, header_of, read_table, read_text
from emosllm.errors import UserError
from emosllm.labels import emotion_name
from emosllm.utterance import Split, Utterance

CARD = Card(
    title="MSP-Podcast",
    layout="Labels/labels_consensus.csv, Audios/MSP-PODCAST_0001_0008.wav and, optionally, Labels/labels_detailed.csv, "
    "Transcripts/ and Partitions.txt",
    origin="https://lab-msp.com/MSP/MSP-Podcast.html",
    licence="an agreement with the University of Texas at Dallas",
    citation="Lotfian and Busso (2019), Building naturalistic emotionally balanced speech corpus by retrieving "
    "emotional speech from existing podcast recordings, IEEE Transactions on Affective Computing 10(4)",
    scales={"valence": (1, 7), "arousal": (1, 7), "dominance": (1, 7)},
    notes=(
        "It grows with every release: state the release with each result.",
        "X (no agreement) is not an emotion. Test2 has other speakers than the other sets. Test3 has no public labels.",
    ),
)

#: The default sets of `read`, and the split of each. Release 1.8 has Validation in place of Development.
SPLITS: dict[str, Split] = {"Train": "train", "Development": "val", "Validation": "val", "Test1": "test"}
#: Other test sets. They get no split: Test2 has no speaker names, Test3 has no labels.
EXTRA_SETS = ("Test2", "Test3")

# FileName,EmoClass,EmoAct,EmoVal,EmoDom,SpkrID,Gender,Split_Set
# MSP-PODCAST_0001_0008.wav,N,4.2,4.4,4.0,127,Male,Train
_COLUMNS = ("FileName", "EmoClass", "EmoAct", "EmoVal", "EmoDom", "SpkrID", "Gender", "Split_Set")
_GENDERS: dict[str, Literal["female", "male"]] = {"Female": "female", "Male": "male"}


def read(root: Path, sets: Sequence[str] = tuple(SPLITS)) -> list[Utterance]:
    """Read the utterances of some of the corpus's sets, in the order of their file names.

    Utterances without agreement (`X`) have no emotion, and utterances of the speaker `Unknown` have no speaker.

    Args:
        root: the folder with `Labels/` and `Audios/`.
        sets: values of `Split_Set`; those of `EXTRA_SETS` are not read by default.

    Raises:
        UserError: there is no label file, a column is missing, a set, label or number is invalid, a file occurs twice,
            or the sets are empty.
    """
    unknown = [name for name in sets if name not in (*SPLITS, *EXTRA_SETS)]
    if unknown:
        raise UserError(f"MSP-Podcast has no set {unknown[0]!r}: known are {', '.join((*SPLITS, *EXTRA_SETS))}")
    check_folder(root, CARD)
    files = _Files(root)
    found = {utterance.id: utterance for utterance in _labelled(files, sets)}
    for name, file in _partitions(root):
        if name in sets and name in EXTRA_SETS and Path(file).stem not in found:
            found[Path(file).stem] = files.utterance(file, name)
    if not found:
        raise missing_corpus_error(root, CARD, f" in {', '.join(sets)}")
    return [found[key] for key in sorted(found)]


class _Files:
    """The files of a release, whose places differ between releases."""

    def __init__(self, root: Path) -> None:
        self.consensus = _first(root, _spellings("consensus"))
        if self.consensus is None:
            raise missing_corpus_error(root, CARD)
        self.audio = _first(root, ("Audios", "Audio", "audios", "audio")) or root / "Audios"
        texts = _first(root, ("Transcripts", "transcripts"))
        self._texts = {path.stem: path for path in texts.glob("*.txt")} if texts else {}
        detailed = _first(root, _spellings("detailed"))
        self._votes = _votes(detailed) if detailed else {}

    def utterance(self, file: str, name: str, row: Row | None = None, **known: float | str | None) -> Utterance:
        """Build the utterance of a recording of the set `name`; `row` is its row of the consensus, if there is one."""
        stem, row = Path(file).stem, row or {}
        text = self._texts.get(stem)
        speaker = row.get("SpkrID", "")
        return Utterance(
            id=stem,
            audio=self.audio / file,
            transcript=(text.read_text("utf-8", errors="replace").strip() or None) if text else None,
            speaker=f"msp_podcast_{speaker}" if speaker not in ("", "Unknown") else None,
            gender=_GENDERS.get(row.get("Gender", "")),
            language="en",
            corpus="msp_podcast",
            split=SPLITS.get(name),
            votes=self._votes.get(stem),
            **known,  # type: ignore[arg-type]
        )


def _first(root: Path, names: Sequence[str]) -> Path | None:
    return next((root / name for name in names if (root / name).exists()), None)


def _spellings(kind: str) -> list[str]:
    """Return the paths of a label file in all releases: 1.6 `label/`, 1.9 `labels/`, `concensus` up to 1.9."""
    names = {"consensus": ("labels_consensus.csv", "labels_concensus.csv"), "detailed": ("labels_detailed.csv",)}[kind]
    return [f"{folder}{name}" for name in names for folder in ("Labels/", "labels/", "label/", "")]


def _labelled(files: _Files, sets: Sequence[str]) -> Iterator[Utterance]:
    """Yield the utterances of the label file that are in `sets`."""
    path, seen = files.consensus, UniqueNames()
    assert path is not None
    for number, row in read_table(path, _COLUMNS):
        seen.add(row["FileName"], path, number)
        name = row["Split_Set"]
        if name not in (*SPLITS, *EXTRA_SETS):
            known = ", ".join((*SPLITS, *EXTRA_SETS))
            raise UserError(f"{path}, row {number}: unknown Split_Set {name!r}: known are {known}")
        if name in sets:
            yield files.utterance(
                row["FileName"],
                name,
                row,
                emotion=emotion_in(path, number, row["EmoClass"]),
                valence=_mean(path, number, row, "EmoVal"),
                arousal=_mean(path, number, row, "EmoAct"),
                dominance=_mean(path, number, row, "EmoDom"),
            )


def _mean(path: Path, number: int, row: Row, column: str) -> float | None:
    if not row[column]:
        return None
    try:
        return float(row[column])
    except ValueError:
        raise UserError(f"{path}, row {number}: {column} {row[column]!r} is not a number: correct it") from None


def _votes(path: Path) -> dict[str, Mapping[str, int]]:
    """Count the raters of each primary emotion, by recording.

    Release 1.6 has a column `EmoClass_Major`; later ones have `FileName,EmoDetail` with cells such as
    `WORKER00000014; Sad; Frustrated,Sad; A:4; V:3; D:3;`.
    """
    header = header_of(path)
    plain = "EmoClass_Major" in header
    counts: dict[str, dict[str, int]] = {}
    for _, row in read_table(path, ("FileName", "EmoClass_Major" if plain else "EmoDetail")):
        word = row["EmoClass_Major"] if plain else row["EmoDetail"].partition(";")[2].partition(";")[0].strip()
        if word:
            votes = counts.setdefault(Path(row["FileName"]).stem, {})
            name = _primary(word)
            votes[name] = votes.get(name, 0) + 1
    # Hundreds of thousands of recordings have a few thousand different distributions. Equal ones share one object.
    known: dict[tuple[tuple[str, int], ...], Mapping[str, int]] = {}
    return {stem: known.setdefault(tuple(sorted(votes.items())), votes) for stem, votes in counts.items()}


def _primary(word: str) -> str:
    """Return the emotion's name, or `other` for text that a rater wrote under Other, such as `Other-Curious`."""
    try:
        return emotion_name(word) or "other"
    except UserError:
        return "other"


def _partitions(root: Path) -> Iterator[tuple[str, str]]:
    """Yield set and file of lines such as `Test3; MSP-PODCAST_test3_0001.wav`. No other file lists Test3."""
    path = root / "Partitions.txt"
    for line in read_text(path).splitlines() if path.is_file() else ():
        name, _, file = line.partition(";")
        if file:
            yield name.strip(), file.strip()
