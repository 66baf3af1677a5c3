"""Read several manifests as one list of utterances with unique ids; corpora that overlap are rejected.

A feature cache, a report and a paired test identify a clip by its id, and ids are unique in one manifest only.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from emosllm.corpora.manifest import read_manifest
from emosllm.corpora.overlap import check_overlap
from emosllm.errors import UserError
from emosllm.utterance import Utterance


def read_manifests(manifests: Sequence[Path]) -> list[Utterance]:
    """Read manifests that are used together.

    If two corpora use the same id, the corpus name is put in front (`ravdess:01.wav`), in both.

    Args:
        manifests: one or more.

    Raises:
        UserError: `read_manifest` raises it, two manifests contain the same clip of a corpus, or two corpora contain
            each other's clips (`check_overlap`).
    """
    found = [utterance for path in manifests for utterance in read_manifest(path)]
    check_overlap(found)
    times = Counter(utterance.id for utterance in found)
    twice = Counter((utterance.corpus, utterance.id) for utterance in found if times[utterance.id] > 1)
    for (corpus, clip), count in twice.items():
        if count > 1:
            raise UserError(
                f"clip {clip!r} of {corpus or 'a corpus without a name'} is in {count} of the manifests: give it in "
                "one, or distinguish them in a column `corpus`"
            )
    return [
        replace(utterance, id=f"{utterance.corpus}:{utterance.id}") if times[utterance.id] > 1 else utterance
        for utterance in found
    ]
