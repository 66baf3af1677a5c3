"""Load a corpus folder or a manifest into a list of `Utterance`s.

Each corpus has one file in `readers`, with a card: origin, licence, citation and the counts of the complete corpus. The
readers do not decode audio and do not need torch. A corpus without a reader is read through the generic manifest
(`emosllm.corpora.manifest`).
"""

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from types import MappingProxyType, ModuleType
from typing import Any

from emosllm.corpora.card import Card
from emosllm.corpora.readers import audb, audformat, emobox
from emosllm.errors import UserError
from emosllm.utterance import Utterance

#: The modules of `readers` that read a corpus. The name of the module is the name of the corpus.
NAMES = (
    "audformat",
    "crema_d",
    "emobox",
    "emodb",
    "emospeech",
    "iemocap",
    "librispeech",
    "lssed",
    "meacorpus",
    "meld",
    "msp_podcast",
    "nemo",
    "ravdess",
    "tess",
)
#: Corpus -> its module, with a function `read` and a `CARD`.
CORPORA: Mapping[str, ModuleType] = MappingProxyType(
    {name: import_module(f"emosllm.corpora.readers.{name}") for name in NAMES}
)
READERS: Mapping[str, Callable[..., list[Utterance]]] = MappingProxyType(
    {name: module.read for name, module in CORPORA.items()}
)
CARDS: Mapping[str, Card] = MappingProxyType({name: module.CARD for name, module in CORPORA.items()})


@dataclass(frozen=True, slots=True)
class Download:
    """A source of corpora that are downloaded before they are read.

    Attributes:
        reader: the key of `READERS` that reads the downloaded folder.
        fetch: downloads a corpus by its name; see `readers.audb.fetch`.
        card: the source's own card.
    """

    reader: str
    fetch: Callable[[str, Path, str | None, Callable[[Path], Sequence[Utterance]] | None], Path]
    card: Card


DOWNLOADS: Mapping[str, Download] = MappingProxyType({"audb": Download("audformat", audb.fetch, audb.CARD)})


def read_corpus(name: str, root: Path, options: Mapping[str, str] = MappingProxyType({})) -> list[Utterance]:
    """Read a corpus from the folder that its archive unpacks to.

    Args:
        name: a key of `READERS`; dashes count as underscores.
        root: the folder; the corpus's card describes its layout.
        options: values of the reader's own arguments as text, such as `{"sets": "Test1,Test2"}`.

    Returns:
        Its utterances, in the order of their ids, or of the corpus's own table.

    Raises:
        UserError: no reader has that name or that option, the folder does not contain the corpus, or a file in it is
            invalid.
    """
    name = corpus_name(name)
    return READERS[name](root, **_arguments(name, options))


def card_of(name: str, root: Path, options: Mapping[str, str] = MappingProxyType({})) -> Card:
    """Return the card of the corpus that `read_corpus` reads with the same arguments.

    The readers `audformat` and `emobox` read several corpora, so their cards depend on the arguments.

    Raises:
        UserError: no reader has that name, or the folder contains no database.
    """
    name = corpus_name(name)
    if name == "audformat":
        scales = ("valence", "arousal", "dominance")
        return audformat.card(root, **{key: value for key, value in options.items() if key in scales})
    if name == "emobox":
        return emobox.card(options.get("corpus", ""))
    return CARDS[name]


def corpus_name(name: str) -> str:
    """Return the key of `READERS` for a name typed by the user.

    Raises:
        UserError: no reader has that name.
    """
    known = name.replace("-", "_").lower()
    if known not in READERS:
        raise UserError(f"unknown corpus {name!r}: there are readers for {', '.join(READERS)}; others need a manifest")
    return known


def options_of(name: str) -> dict[str, inspect.Parameter]:
    """Return the arguments of a reader except the folder, by name."""
    parameters = inspect.signature(READERS[name], eval_str=True).parameters
    return {key: parameter for key, parameter in parameters.items() if key != "root"}


def _arguments(name: str, options: Mapping[str, str]) -> dict[str, Any]:
    known = options_of(name)
    found: dict[str, Any] = {}
    for key, value in options.items():
        if key not in known:
            listed = ", ".join(known) or "none"
            raise UserError(f"the reader of {name} has no option {key!r}: it has {listed}")
        found[key] = _converted(f"{name}: {key}", known[key].annotation, value)
    lacking = [key for key, p in known.items() if p.default is inspect.Parameter.empty and key not in found]
    if lacking:
        raise UserError(f"the reader of {name} needs {lacking[0]}: add {lacking[0]}=...")
    return found


def _converted(what: str, kind: Any, text: str) -> Any:
    """Convert text to a reader's argument: a comma-separated list, a whole number, a path, or the text itself."""
    if "Sequence" in str(kind):
        return [word.strip() for word in text.split(",") if word.strip()]
    if kind is int or str(kind).startswith("int |"):
        if not text.isdecimal():
            raise UserError(f"{what} {text!r} is not a whole number: give one such as 1")
        return int(text)
    return Path(text) if "Path" in str(kind) else text
