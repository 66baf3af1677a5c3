"""LibriSpeech: a thousand hours of English audio books, with transcripts and without emotions.

Transcripts are returned as published, in upper case and without punctuation.
"""

import re
from pathlib import Path
from typing import Literal

from emosllm.corpora.card import Card
from emosllm.corpora.corpus_folder import named_recordings
from emosllm.errors import UserError
from emosllm.utterance import Split, Utterance

EXPECTED_BY_SUBSET = {
    "dev-clean": 2703,
    "dev-other": 2864,
    "test-clean": 2620,
    "test-other": 2939,
    "train-clean-100": 28539,
    "train-clean-360": 104014,
    "train-other-500": 148688,
}
CARD = Card(
    title="LibriSpeech",
    layout="test-clean/1089/134686/1089-134686-0000.flac beside 1089-134686.trans.txt, for one subset or several",
    origin="https://www.openslr.org/12",
    licence="CC BY 4.0",
    citation="Panayotov, Chen, Povey and Khudanpur (2015), LibriSpeech: an ASR corpus based on public domain "
    "audio books, ICASSP",
    expected=sum(EXPECTED_BY_SUBSET.values()),
    speakers=2484,
    notes=("It has transcripts and no emotions: use it to train transcription.",),
)

# 1089-134686-0000: reader, chapter, number.
_NAME = re.compile(r"(?P<reader>\d+)-(?P<chapter>\d+)-\d{4}")
_SPLITS: dict[str, Split] = {"train": "train", "dev": "val", "test": "test"}


def read(root: Path) -> list[Utterance]:
    """Read all recordings below `root`: the whole corpus, one subset, or part of a subset.

    The gender is known if `SPEAKERS.TXT` is in `root` or above it.

    Raises:
        UserError: there is no recording, a name does not have the corpus's form, or a recording has no transcript.
    """
    genders = _genders(root)
    transcripts: dict[Path, dict[str, str]] = {}
    utterances = []
    for path, name in named_recordings(root, CARD, _NAME, "reader-chapter-number: 1089-134686-0000.flac"):
        listing = path.parent / f"{name['reader']}-{name['chapter']}.trans.txt"
        if listing not in transcripts:
            transcripts[listing] = _transcripts(listing)
        if path.stem not in transcripts[listing]:
            raise UserError(f"{path} has no transcript in {listing}: unpack the archive again")
        utterances.append(
            Utterance(
                id=path.stem,
                audio=path,
                transcript=transcripts[listing][path.stem],
                speaker=f"librispeech_{name['reader']}",
                gender=genders.get(name["reader"]),
                language="en",
                corpus="librispeech",
                split=_split(path),
            )
        )
    return utterances


def _split(path: Path) -> Split | None:
    for folder in reversed(path.absolute().parent.parts):
        if folder in EXPECTED_BY_SUBSET:
            return _SPLITS[folder.split("-")[0]]
    return None


def _transcripts(listing: Path) -> dict[str, str]:
    """Read lines such as `1089-134686-0000 HE HOPED THERE WOULD BE STEW FOR DINNER`."""
    if not listing.exists():
        return {}
    lines = (line.strip().partition(" ") for line in listing.read_text("utf-8").splitlines())
    return {name: text for name, _, text in lines}


def _genders(root: Path) -> dict[str, Literal["female", "male"]]:
    """Read lines such as `14   | F | train-clean-360  | 25.03 | Kristin LeMoine`; comments begin with a semicolon."""
    for folder in (root, *root.absolute().parents[:2]):
        if (folder / "SPEAKERS.TXT").is_file():
            lines = (folder / "SPEAKERS.TXT").read_text("utf-8", errors="replace").splitlines()
            rows = [[cell.strip() for cell in line.split("|")] for line in lines if line and line[0] != ";"]
            return {row[0]: "female" if row[1] == "F" else "male" for row in rows if len(row) > 1}
    return {}
