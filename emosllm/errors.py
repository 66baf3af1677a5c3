"""The one exception, and the one warning, for users: they name the thing, the value and the way out."""

from collections.abc import Iterable
from difflib import get_close_matches


class UserError(ValueError):
    """A mistake in what the user gave: a file, a manifest, a recipe, a checkpoint, an option.

    The message is one line. The command line prints it and leaves with exit code 2; in Python it is an
    ordinary `ValueError`. Mistakes of our own are `assert`s and keep their traceback.
    """


class Caution(UserWarning):
    """A warning that is a user's to read: one line. The command line prints it and goes on."""


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """` (did you mean nano?)`, to be put behind a word that nobody knows; empty where nothing known is like it."""
    close = get_close_matches(word, sorted(set(known)), n=3, cutoff=0.6)
    return f" (did you mean {' or '.join(close)}?)" if close else ""
