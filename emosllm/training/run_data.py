"""Select and check a run's training and validation utterances before training."""

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
        train: the training utterances.
        val: the validation utterances, which select the best weights.
        left_out: number of utterances that are too long for the recipe, or lack the transcript that it reads.
    """

    train: Sequence[Utterance]
    val: Sequence[Utterance]
    left_out: int

    @classmethod
    def of(cls, utterances: Sequence[Utterance], recipe: Recipe, shared_speakers: bool = False) -> "RunData":
        """Select the train and val splits; leave out and count utterances that the recipe cannot use.

        Args:
            utterances: utterances of all splits.
            recipe: the system to train.
            shared_speakers: allow speakers that are in train and in val, as in some published splits (MELD).

        Raises:
            UserError: no training utterances, missing recordings, or a speaker that is in train and in val.
        """
        has_audio, has_text = recipe.encoder is not None, recipe.prompt is not None and recipe.prompt.transcript
        fits = [
            utterance
            for utterance in utterances
            if (not has_audio or (utterance.duration or 0) <= recipe.audio.max_seconds)
            and (not has_text or utterance.transcript)
        ]
        train = [utterance for utterance in fits if utterance.split == "train"]
        val = [
            utterance
            for utterance in fits
            if utterance.split == "val" and recipe.label_set.classify(utterance.emotion) is not None
        ]
        if not train:
            splits = Counter(utterance.split or "(none)" for utterance in utterances)
            raise UserError(f"no utterance of the split 'train' to train on; the data have {dict(splits)}")
        if has_audio and (missing := missing_files([*train, *val])):
            raise UserError(f"missing recordings: {len(missing)}, the first is {missing[0]}; correct the manifest")
        both = {u.speaker for u in train if u.speaker} & {u.speaker for u in val}
        if both and not shared_speakers:
            raise UserError(
                f"speaker {sorted(both)[0]} is in train and in val, so val would not measure unseen speakers; "
                "split the data again"
            )
        return cls(train, val, len(utterances) - len(fits))

    @property
    def digest(self) -> str:
        """Hash of all fields of all utterances: 32 hex digits."""
        rows = [repr(asdict(utterance)) for utterance in (*self.train, *self.val)]
        return hashlib.blake2b("\n".join(rows).encode(), digest_size=16).hexdigest()
