"""A corpus's folder: find its recordings, by name alone, and say what was expected where there are none.

Gives up looking into the files: a corpus of a hundred thousand recordings is listed in seconds, and a broken one is
reported when it is loaded.
"""

from itertools import pairwise
from pathlib import Path

from emosllm.errors import UserError

SUFFIXES = (".wav", ".flac")


def recordings(root: Path, corpus: str, layout: str) -> list[Path]:
    """All recordings at any depth below `root`, sorted by name.

    Args:
        root: the corpus's folder.
        corpus: its name, for messages.
        layout: what lies in a complete one, for messages.

    Raises:
        UserError: `root` is no folder, holds no recording, or holds two of the same name.
    """
    if not root.is_dir():
        raise UserError(f"{root} is not a folder: {corpus} needs {layout}")
    # Names that begin with a dot are what macOS leaves beside the files of an archive.
    found = [path for path in root.rglob("*") if path.suffix.lower() in SUFFIXES and not path.name.startswith(".")]
    found.sort(key=lambda path: (path.stem, path))
    if not found:
        raise nothing_of(root, corpus, layout)
    for one, other in pairwise(found):
        if one.stem == other.stem:  # copies of RAVDESS and TESS in circulation hold the whole corpus twice
            raise UserError(f"{root} holds {corpus} twice: {one} and {other}; give the folder with one of them")
    return found


def nothing_of(root: Path, corpus: str, layout: str) -> UserError:
    """The error for a folder without the corpus."""
    return UserError(f"{root} holds no recording of {corpus}: expected {layout}")


def strange_name(path: Path, corpus: str, form: str) -> UserError:
    """The error for a file that no corpus of that name has."""
    return UserError(f"{path} is not named as in {corpus} ({form}): move it away, or write a manifest")
