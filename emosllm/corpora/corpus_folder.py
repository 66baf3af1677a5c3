"""Find the recordings in a corpus's folder, and build the errors for a folder with unexpected content.

Only file names are read, so a corpus of a hundred thousand recordings is listed in seconds. A broken recording is
reported when it is loaded.
"""

import re
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

from emosllm.corpora.card import Card
from emosllm.errors import UserError

SUFFIXES = (".wav", ".flac")


def recordings(root: Path, card: Card) -> list[Path]:
    """List all recordings at any depth below `root`, sorted by name.

    Args:
        root: the corpus's folder.
        card: the corpus's title and layout, for messages.

    Raises:
        UserError: `root` is not a folder, contains no recording, or contains two of the same name.
    """
    check_folder(root, card)
    # macOS adds files whose names begin with a dot to archives.
    found = [path for path in root.rglob("*") if path.suffix.lower() in SUFFIXES and not path.name.startswith(".")]
    found.sort(key=lambda path: (path.stem, path))
    if not found:
        raise missing_corpus_error(root, card)
    for one, other in pairwise(found):
        if one.stem == other.stem:  # some distributed copies of RAVDESS and TESS contain the whole corpus twice
            raise UserError(f"{root} holds {card.title} twice: {one} and {other}; give the folder with one of them")
    return found


def named_recordings(
    root: Path, card: Card, form: re.Pattern[str], example: str
) -> Iterator[tuple[Path, re.Match[str]]]:
    """Yield all recordings at any depth below `root`, sorted by name, with the parts of their names.

    Args:
        root: the corpus's folder.
        card: the corpus's title and layout, for messages.
        form: the form of a name without its ending.
        example: describes the form, for messages.

    Raises:
        UserError: as of `recordings`, or a name does not have the form.
    """
    for path in recordings(root, card):
        name = form.fullmatch(path.stem)
        if name is None:
            raise UserError(f"{path} is not named as in {card.title} ({example}): move it away, or write a manifest")
        yield path, name


def check_folder(root: Path, card: Card) -> None:
    """Check that `root` is a folder.

    Raises:
        UserError: `root` does not exist, or is a file.
    """
    if not root.is_dir():
        raise UserError(f"{root} is not a folder: {card.title} needs {card.layout}")


def missing_corpus_error(root: Path, card: Card, part: str = "") -> UserError:
    """Return the error for a folder without the corpus, or without the requested part of it (` speech`)."""
    return UserError(f"{root} holds nothing of {card.title}{part}: expected {card.layout}")
