"""MELD: dialogues from the television series Friends, seven emotions, in the authors' splits.

Three tables (`train_sent_emo.csv`, `dev_sent_emo.csv`, `test_sent_emo.csv`) are enough for systems that read
transcripts. A recording is a wav or flac file with the clip's name beside the clip, or the audio of the clip, which
ffmpeg extracts into the folder `audio`. Dialogue and utterance numbers restart in each split, so the split is part of
the id. Limitations: the sentiment is not read. The times are not read, as they refer to the episode, not to the clip.
"""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Literal

from emosllm.corpora.audio_extraction import extract_audio
from emosllm.corpora.card import Card
from emosllm.corpora.corpus_folder import check_folder, missing_corpus_error
from emosllm.corpora.tables import UniqueNames, emotion_in, read_table
from emosllm.utterance import Split, Utterance

CARD = Card(
    title="MELD",
    layout="train_sent_emo.csv, dev_sent_emo.csv, test_sent_emo.csv and, for audio, train/train_splits/dia0_utt0.mp4, "
    "dev_splits_complete/, output_repeated_splits_test/ (mp4, or wav or flac of the same names)",
    origin="https://github.com/declare-lab/MELD",
    licence="GPL-3.0 for the labels; the series belongs to its owners",
    citation="Poria, Hazarika, Majumder, Naik, Cambria and Mihalcea (2019), MELD: A Multimodal Multi-Party Dataset for "
    "Emotion Recognition in Conversations, ACL",
    expected=13708,
    splits={"train": 9989, "val": 1109, "test": 2610},
    emotions={
        "neutral": 6436,
        "happy": 2308,
        "surprise": 1636,
        "angry": 1607,
        "sad": 1002,
        "disgust": 361,
        "fear": 358,
    },
    notes=(
        "The six main characters speak in all three of the authors' splits.",
        "Two published clips are broken, train dia125_utt3 and dev dia110_utt7, so 13,706 utterances have audio.",
        "The audio is that of a sitcom, with laughter and music in many utterances.",
    ),
)

_COLUMNS = ("Utterance", "Speaker", "Emotion", "Dialogue_ID", "Utterance_ID")
_TABLES: dict[Split, str] = {"train": "train_sent_emo.csv", "val": "dev_sent_emo.csv", "test": "test_sent_emo.csv"}
_FOLDERS: dict[Split, tuple[str, ...]] = {
    "train": ("train_splits", "train"),
    "val": ("dev_splits_complete", "dev"),
    "test": ("output_repeated_splits_test", "test"),
}
_ID_PREFIX: dict[Split, str] = {"train": "train", "val": "dev", "test": "test"}
#: Clips of the published archive that cannot be decoded or are missing. Their transcripts and labels are kept.
BROKEN = frozenset({"train_dia125_utt3", "dev_dia110_utt7"})
_GENDERS: dict[str, Literal["female", "male"]] = {
    "Monica": "female", "Phoebe": "female", "Rachel": "female", "Chandler": "male", "Joey": "male", "Ross": "male",
}  # fmt: skip


def read(root: Path, audio: Path | None = None) -> list[Utterance]:
    """Read the rows of the existing tables, with the existing recordings.

    Args:
        root: the folder that the archives unpack to, or a folder with the tables alone.
        audio: a folder for the audio of clips that have no wav or flac beside them; `None` extracts nothing.

    Raises:
        UserError: there is no table, a column is missing, an emotion is unknown, an utterance occurs twice, or ffmpeg
            is needed and not installed.
    """
    check_folder(root, CARD)
    found = [utterance for split in _TABLES for utterance in _rows(root, split)]
    if not found:
        raise missing_corpus_error(root, CARD)
    sounds, videos = _clips(root)
    if audio is not None:
        waiting = {name: video for name, video in videos.items() if name not in sounds and name not in BROKEN}
        pairs = {name: audio / name.partition("_")[0] / f"{name.partition('_')[2]}.flac" for name in waiting}
        extract_audio([(waiting[name], pairs[name]) for name in waiting])
        # A clip that ffmpeg could not read keeps its path, so that it is listed as missing.
        sounds |= pairs
    return [
        replace(utterance, audio=sounds[utterance.id]) if utterance.id in sounds.keys() - BROKEN else utterance
        for utterance in found
    ]


def _rows(root: Path, split: Split) -> Iterator[Utterance]:
    tables = sorted(root.rglob(_TABLES[split]), key=lambda path: len(path.parts))
    seen = UniqueNames()
    for number, row in read_table(tables[0], _COLUMNS) if tables else ():
        name = f"{_ID_PREFIX[split]}_dia{row['Dialogue_ID']}_utt{row['Utterance_ID']}"
        seen.add(name, tables[0], number)
        yield Utterance(
            id=name,
            transcript=row["Utterance"] or None,
            emotion=emotion_in(tables[0], number, row["Emotion"]),
            speaker=f"meld_{row['Speaker']}" if row["Speaker"] else None,
            gender=_GENDERS.get(row["Speaker"]),
            language="en",
            corpus="meld",
            split=split,
        )


def _clips(root: Path) -> tuple[dict[str, Path], dict[str, Path]]:
    """Find the audio files and videos, by the utterance's id."""
    sounds: dict[str, Path] = {}
    videos: dict[str, Path] = {}
    for split, folders in _FOLDERS.items():
        for path in (p for name in folders for p in sorted(root.glob(f"**/{name}/dia*_utt*.*"))):
            kind = {".wav": sounds, ".flac": sounds, ".mp4": videos}.get(path.suffix.lower())
            if kind is not None:
                kind.setdefault(f"{_ID_PREFIX[split]}_{path.stem}", path)
    return sounds, videos
