"""Detect corpora that share recordings, which must not be used together for training and testing.

The check covers documented overlaps and recordings with equal names. Limitation: it does not compare the audio.
"""

from collections.abc import Iterable
from pathlib import Path

from emosllm.errors import UserError
from emosllm.utterance import Utterance

#: Pairs of corpora of which one contains clips of the other -> description of the overlap.
OVERLAPS: dict[frozenset[str], str] = {
    frozenset({"emospeech", "meacorpus"}): "EmoSPeech's clips, test labels included, are part of MEACorpus",
}


def check_overlap(*groups: Iterable[Utterance]) -> None:
    """Check that the corpora share no recordings, by documented overlaps and by equal file names.

    Args:
        groups: the utterances of one manifest, or of several that are used together (train, test).

    Raises:
        UserError: two corpora overlap, so scores would be invalid; the message names them and the overlap.
    """
    utterances = [utterance for group in groups for utterance in group]
    names = {utterance.corpus for utterance in utterances} - {None}
    for pair, why in OVERLAPS.items():
        if pair <= names:
            one, other = sorted(pair)
            raise UserError(f"{one} and {other} must not be used together: {why}; leave one of them out")
    owner: dict[str, Utterance] = {}
    for utterance in utterances:
        # Two corpora can share a short name such as 001.wav by chance, but not a long one such as 55ea70ba-9ce28715.
        stem = _stem(utterance)
        if len(stem) < 12:
            continue
        first = owner.setdefault(stem, utterance)
        if first.corpus != utterance.corpus:
            raise UserError(
                f"{first.corpus or 'a corpus without a name'} and {utterance.corpus or 'one without a name'} both hold "
                f"{stem}: their clips overlap; leave one of them out"
            )


def _stem(utterance: Utterance) -> str:
    return utterance.audio.stem if isinstance(utterance.audio, Path) else utterance.id
