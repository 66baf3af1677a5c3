"""A corpus's folder: find its recordings, by name alone, and say what was expected where there are none.

Gives up looking into the files: a corpus of a hundred thousand recordings is listed in seconds, and a broken one is
reported when it is loaded.
"""

from itertools import pairwise
from pathlib import Path

from emosllm.corpora.card import Card
from emosllm.errors import UserError

SUFFIXES = (".wav", ".flac")


def recordings(root: Path, card: Card) -> list[Path]:
    """All recordings at any depth below `root`, sorted by name.

    Args:
        root: the corpus's folder.
        card: says in messages which corpus it is and what lies in a complete one.

    Raises:
        UserError: `root` is no folder, holds no recording, or holds two of the same name.
    """
    check_folder(root, card)
    # Names that begin with a dot are what macOS leaves beside the files of an archive.
    found = [path for path in root.rglob("*") if path.suffix.lower() in SUFFIXES and not path.name.startswith(".")]
    found.sort(key=lambda path: (path.stem, path))
    if not found:
        raise nothing_of(root, card)
    for one, other in pairwise(found):
        if one.stem == other.stem:  # copies of RAVDESS and TESS in circulation hold the whole corpus twice
            raise UserError(f"{root} holds {card.title} twice: {one} and {other}; give the folder with one of them")
    return found


def check_folder(root: Path, card: Card) -> None:
    """Refuse what is no folder.

    Raises:
        UserError: `root` is not there, or is a file.
    """
    if not root.is_dir():
        raise UserError(f"{root} is not a folder: {card.title} needs {card.layout}")


def nothing_of(root: Path, card: Card, part: str = "") -> UserError:
    """The error for a folder without the corpus, or without the part of it that was asked for (` speech`)."""
    return UserError(f"{root} holds nothing of {card.title}{part}: expected {card.layout}")


def strange_name(path: Path, card: Card, form: str) -> UserError:
    """The error for a file that no corpus of that name has."""
    return UserError(f"{path} is not named as in {card.title} ({form}): move it away, or write a manifest")
