"""Text that nano's language model learns from: transcripts of the training speakers, and GoEmotions (CC BY 4.0).

Gives up: other emotion-labelled text at hand (MELD, MEACorpus), whose licences would bind the weights further.
"""

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from emosllm.corpora.manifest import read_manifest
from emosllm.prompting.conversation import plain

#: GoEmotions' words (Demszky et al. 2020) that name an emotion of ours; lines with two of them are text only.
EMOTION_OF: Mapping[str, str] = MappingProxyType(
    {
        "anger": "angry",
        "annoyance": "angry",
        "sadness": "sad",
        "grief": "sad",
        "disappointment": "sad",
        "joy": "happy",
        "amusement": "happy",
        "excitement": "happy",
        "love": "happy",
        "surprise": "surprise",
        "fear": "fear",
        "nervousness": "fear",
        "disgust": "disgust",
        "neutral": "neutral",
    }
)


@dataclass(frozen=True)
class Line:
    """A sentence, and the emotion it was labelled with, where that is one of ours."""

    text: str
    emotion: str | None = None


def transcripts(manifest: Path) -> list[Line]:
    """What the training speakers say, each sentence once."""
    said = {plain(u.transcript) for u in read_manifest(manifest) if u.split == "train" and u.transcript}
    return [Line(text) for text in sorted(said)]


def goemotions(folder: Path) -> list[Line]:
    """The rows of `train.tsv` (text, label numbers, id), names masked as in the corpus."""
    names = (folder / "labels.txt").read_text(encoding="utf-8").split()
    lines = []
    with (folder / "train.tsv").open(encoding="utf-8", newline="") as rows:
        for text, labels, _ in csv.reader(rows, delimiter="\t", quoting=csv.QUOTE_NONE):
            emotions = {EMOTION_OF.get(names[int(label)]) for label in labels.split(",")}
            lines.append(Line(plain(text), emotions.pop() if len(emotions) == 1 else None))
    return lines
