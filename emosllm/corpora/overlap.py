"""Corpora that hold each other's clips: which must never meet in one manifest, one training or one test.

Knows the overlaps that are documented, and recordings that are named alike; gives up comparing their sound.
"""

from collections.abc import Iterable
from pathlib import Path

from emosllm.errors import UserError
from emosllm.utterance import Utterance

#: Corpora of which one holds clips of the other, and what of it.
OVERLAPS: dict[frozenset[str], str] = {
    frozenset({"emospeech", "meacorpus"}): "EmoSPeech's clips, test labels included, are part of MEACorpus",
}


def check_not_mixed(*groups: Iterable[Utterance]) -> None:
    """Refuse corpora that hold each other's clips, and recordings that two corpora name alike.

    Args:
        groups: the utterances of one manifest, or of several that shall be used together (train, test).

    Raises:
        UserError: they are mixed; the message says which, and why that makes every score worthless.
    """
    utterances = [utterance for group in groups for utterance in group]
    names = {utterance.corpus for utterance in utterances} - {None}
    for pair, why in OVERLAPS.items():
        if pair <= names:
            one, other = sorted(pair)
            raise UserError(f"{one} and {other} must not be used together: {why}; leave one of them out")
    owner: dict[str, Utterance] = {}
    for utterance in utterances:
        # Names as unlikely as 55ea70ba-9ce28715 are no coincidence; 001.wav is one.
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
