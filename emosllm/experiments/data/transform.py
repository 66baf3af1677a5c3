"""What an experiment does to the data themselves: fewer clips to learn from, other transcripts to be told in the test.

Smaller training sets are nested (the tenth is within the quarter) and keep the classes' shares. A transcript is
corrupted by substituting, deleting and inserting words until the wanted share of words is wrong; the words put in come
from the other test clips. Given up: the errors that a real recogniser makes, which sound like what was said.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from emosllm.errors import UserError
from emosllm.labels import LabelSet
from emosllm.utterance import Utterance

#: Of test clips: the system's own, the true ones, those of other clips, or the true ones with wrong words.
Transcripts = Literal["own", "given", "swapped", "corrupted"]


@dataclass(frozen=True)
class Reshaping:
    """Changes to the data of an experiment.

    Attributes:
        share: of the training clips of each class.
        transcripts: what the system is told in the test.
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
        """What of it changes a training."""
        return self.share

    def train(self, utterances: Sequence[Utterance], labels: LabelSet, seed: int = 0) -> tuple[Utterance, ...]:
        """The clips to learn from, in their order; at least one of each class."""
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
        """The clips to be tested on, with the transcripts that the system is told."""
        if self.transcripts in ("own", "given"):
            return list(utterances)
        rng = np.random.default_rng(seed)
        texts = [utterance.transcript for utterance in utterances]
        spoken = [index for index, text in enumerate(texts) if text]
        if self.transcripts == "swapped":
            order = rng.permutation(spoken).tolist() if spoken else []
            told = dict(zip(order, order[1:] + order[:1], strict=True))  # one round: nobody keeps his own
            return [
                replace(u, transcript=texts[told[index]]) if index in told else u for index, u in enumerate(utterances)
            ]
        words = [word for text in texts if text for word in text.split()]
        return [replace(u, transcript=_corrupted(u.transcript, words, self.word_errors, rng)) for u in utterances]


def _corrupted(text: str | None, words: Sequence[str], share: float, rng: np.random.Generator) -> str | None:
    """With about that share of the words substituted (half of the errors), deleted or inserted (a quarter each)."""
    if not text:
        return text
    found: list[str] = []
    for word in text.split():
        wrong = rng.random() < share
        kind = rng.choice(["substituted", "substituted", "deleted", "inserted"]) if wrong else "right"
        found += [word] if kind in ("right", "inserted") else []
        found += [str(rng.choice(words))] if kind in ("substituted", "inserted") else []
    return " ".join(found) or str(rng.choice(words))
