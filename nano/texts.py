"""Load the training text of nano's language model: transcripts of the training speakers, and GoEmotions (CC BY 4.0).

Other emotion-labelled text (MELD, MEACorpus) is not used, because its licences would restrict the weights further.
"""

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from emosllm.corpora.manifest import read_manifest
from emosllm.prompting.conversation import without_markup

#: GoEmotions' label (Demszky et al. 2020) -> emotion of the vocabulary; a line with two emotions counts as unlabelled.
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
    """A sentence, and its emotion if its labels give exactly one of the vocabulary."""

    text: str
    emotion: str | None = None


def transcripts(manifest: Path) -> list[Line]:
    """Read the transcripts of the train split, each sentence once."""
    sentences = {without_markup(u.transcript) for u in read_manifest(manifest) if u.split == "train" and u.transcript}
    return [Line(text) for text in sorted(sentences)]


def goemotions(folder: Path) -> list[Line]:
    """Read the rows of `train.tsv` (text, label numbers, id); names are masked as in the corpus."""
    names = (folder / "labels.txt").read_text(encoding="utf-8").split()
    lines = []
    with (folder / "train.tsv").open(encoding="utf-8", newline="") as rows:
        for text, labels, _ in csv.reader(rows, delimiter="\t", quoting=csv.QUOTE_NONE):
            emotions = {EMOTION_OF.get(names[int(label)]) for label in labels.split(",")}
            lines.append(Line(without_markup(text), emotions.pop() if len(emotions) == 1 else None))
    return lines
