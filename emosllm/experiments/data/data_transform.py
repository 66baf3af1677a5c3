"""Change the data of an experiment: fewer training clips, or other transcripts in the test.

Smaller training sets are nested (a tenth of the clips is a subset of a quarter) and keep the classes' shares. A
transcript is corrupted by substitutions, deletions and insertions of words until the given share of words is wrong.
Inserted words come from the other test clips. Not simulated: the errors of a real recogniser, which sound
like the spoken words.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from emosllm.errors import UserError
from emosllm.labels import LabelSet
from emosllm.utterance import Utterance

#: Of test clips: the system's own transcripts, the true ones, those of other clips, or the true ones with wrong words.
Transcripts = Literal["own", "given", "swapped", "corrupted"]


@dataclass(frozen=True)
class DataTransform:
    """Changes to the data of an experiment.

    Attributes:
        share: share of the training clips of each class that is kept.
        transcripts: the transcripts that the system gets in the test.
        word_errors: share of wrong words in corrupted transcripts.
    """

    share: float = 1.0
    transcripts: Transcripts = "own"
    word_errors: float = 0.0

    def __post_init__(self) -> None:
        if not 0 < self.share <= 1:
            raise UserError(f"share {self.share}: give a share of the training clips above 0, at most 1")
        if self.transcripts not in ("own", "given", "swapped", "corrupted"):
            raise UserError(f"transcripts {self.transcripts!r}: known are own, given, swapped, corrupted")
        if not 0 <= self.word_errors <= 1:
            raise UserError(f"word_errors {self.word_errors}: give a share of words from 0 to 1")

    @property
    def training(self) -> float:
        """The part of these changes that affects training."""
        return self.share

    def train(self, utterances: Sequence[Utterance], labels: LabelSet, seed: int = 0) -> tuple[Utterance, ...]:
        """The training clips, in their order; at least one of each class."""
        if self.share == 1:
            return tuple(utterances)
        classes: dict[str | None, list[int]] = {}
        for index, utterance in enumerate(utterances):
            classes.setdefault(labels.classify(utterance.emotion), []).append(index)
        kept: set[int] = set()
        for number, members in enumerate(classes.values()):
            order = np.random.default_rng((seed, number)).permutation(members)
            kept |= set(order[: max(1, round(self.share * len(members)))].tolist())
        return tuple(utterance for index, utterance in enumerate(utterances) if index in kept)

    def test(self, utterances: Sequence[Utterance], seed: int = 0) -> list[Utterance]:
        """The test clips, with the transcripts that the system gets."""
        if self.transcripts in ("own", "given"):
            return list(utterances)
        rng = np.random.default_rng(seed)
        texts = [utterance.transcript for utterance in utterances]
        spoken = [index for index, text in enumerate(texts) if text]
        if self.transcripts == "swapped":
            order = rng.permutation(spoken).tolist() if spoken else []
            source = dict(zip(order, order[1:] + order[:1], strict=True))  # one cycle: no clip keeps its own transcript
            return [
                replace(u, transcript=texts[source[index]]) if index in source else u
                for index, u in enumerate(utterances)
            ]
        words = [word for text in texts if text for word in text.split()]
        return [replace(u, transcript=_corrupted(u.transcript, words, self.word_errors, rng)) for u in utterances]


def _corrupted(text: str | None, words: Sequence[str], share: float, rng: np.random.Generator) -> str | None:
    """Corrupt about that share of the words: half of the errors substitute, a quarter each delete and insert."""
    if not text:
        return text
    found: list[str] = []
    for word in text.split():
        wrong = rng.random() < share
        kind = rng.choice(["substituted", "substituted", "deleted", "inserted"]) if wrong else "right"
        found += [word] if kind in ("right", "inserted") else []
        found += [str(rng.choice(words))] if kind in ("substituted", "inserted") else []
    return " ".join(found) or str(rng.choice(words))
