"""Corpora: a folder as its authors ship it, or a manifest, as a list of `Utterance`s.

One corpus a file, each with origin, licence, citation and the count of the complete corpus. Nothing here decodes
audio or needs torch. A corpus without a reader goes through the generic manifest (`emosllm.corpora.manifest`).
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

from emosllm.corpora import crema_d, emodb, librispeech, msp_podcast, ravdess, tess
from emosllm.errors import UserError
from emosllm.utterance import Utterance

READERS: Mapping[str, Callable[[Path], list[Utterance]]] = MappingProxyType(
    {
        "crema_d": crema_d.read,
        "emodb": emodb.read,
        "librispeech": librispeech.read,
        "msp_podcast": msp_podcast.read,
        "ravdess": ravdess.read,
        "tess": tess.read,
    }
)

#: Utterances of the complete corpus. MSP-Podcast grows with every release and has no entry.
EXPECTED: Mapping[str, int] = MappingProxyType(
    {
        "crema_d": crema_d.EXPECTED,
        "emodb": emodb.EXPECTED,
        "librispeech": librispeech.EXPECTED,
        "ravdess": ravdess.EXPECTED,
        "tess": tess.EXPECTED,
    }
)


def read_corpus(name: str, root: Path) -> list[Utterance]:
    """Read a corpus from the folder that its archive unpacks to.

    Args:
        name: a key of `READERS`.
        root: the folder; what it should look like is said at the top of the corpus's file.

    Returns:
        Its utterances, in the order of their ids.

    Raises:
        UserError: no reader has that name, nothing of the corpus lies there, or a file's name does not parse.
    """
    name = name.replace("-", "_")
    if name not in READERS:
        raise UserError(f"unknown corpus {name!r}: there are readers for {', '.join(READERS)}; others need a manifest")
    return READERS[name](root)


def incompleteness(name: str, utterances: Sequence[Utterance]) -> str | None:
    """One line where a corpus has not the published number of utterances, to print as a warning; else `None`."""
    expected = EXPECTED.get(name, len(utterances))
    if len(utterances) == expected:
        return None
    return f"{name}: {len(utterances)} utterances, the complete corpus has {expected}; scores will not compare"
