"""What a run learns from and what it chooses by: checked before anything is computed."""

import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass

from emosllm.corpora.manifest import missing_files
from emosllm.errors import UserError
from emosllm.recipe import Recipe
from emosllm.utterance import Utterance


@dataclass(frozen=True)
class RunData:
    """The utterances of one run.

    Attributes:
        train: to learn from.
        val: to choose by.
        left_out: how many were too long for the recipe, or lack the transcript that it reads.
    """

    train: Sequence[Utterance]
    val: Sequence[Utterance]
    left_out: int

    @classmethod
    def of(cls, utterances: Sequence[Utterance], recipe: Recipe, shared_speakers: bool = False) -> "RunData":
        """The train and val splits, what the recipe has no use for left out and counted.

        Args:
            utterances: of all splits.
            recipe: what is trained.
            shared_speakers: allow speakers on both sides, as some published splits (MELD's) have them.

        Raises:
            UserError: nothing to train on, recordings that are not there, or a speaker on both sides.
        """
        listens, reads = recipe.encoder is not None, recipe.prompt is not None and recipe.prompt.transcript
        fits = [
            utterance
            for utterance in utterances
            if (not listens or (utterance.duration or 0) <= recipe.audio.max_seconds)
            and (not reads or utterance.transcript)
        ]
        train = [utterance for utterance in fits if utterance.split == "train"]
        val = [
            utterance
            for utterance in fits
            if utterance.split == "val" and recipe.label_set.classify(utterance.emotion) is not None
        ]
        if not train:
            splits = Counter(utterance.split or "(none)" for utterance in utterances)
            raise UserError(f"no utterance of the split 'train' to learn from; the data have {dict(splits)}")
        if listens and (missing := missing_files([*train, *val])):
            raise UserError(f"recordings not there: {len(missing)}, the first is {missing[0]}; mend the manifest")
        both = {u.speaker for u in train if u.speaker} & {u.speaker for u in val}
        if both and not shared_speakers:
            raise UserError(
                f"speaker {sorted(both)[0]} is in train and in val, so val would measure nothing; split anew"
            )
        return cls(train, val, len(utterances) - len(fits))

    @property
    def digest(self) -> str:
        """Changes when anything about the utterances does."""
        rows = [repr(asdict(utterance)) for utterance in (*self.train, *self.val)]
        return hashlib.blake2b("\n".join(rows).encode(), digest_size=16).hexdigest()
