"""`UserError` and `Caution`: a mistake in the user's input, and a warning for the user, each reported as one line."""

from collections.abc import Iterable
from difflib import get_close_matches
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pydantic import ValidationError


class UserError(ValueError):
    """A mistake in the user's input: a file, a manifest, a recipe, a checkpoint, an option.

    The message is one line that names the thing, the value and the remedy. The command line prints it and exits with
    code 2. In Python it is an ordinary `ValueError`. A mistake in the package itself is an `assert` with a traceback.
    """


class Caution(UserWarning):
    """A warning for the user, in one line. The command line prints it and continues."""


def first_fault(error: "ValidationError") -> str:
    """Return the first mistake that pydantic found, with its place: `tasks.joint: Field required`."""
    first = error.errors()[0]
    where = ".".join(map(str, first["loc"]))
    reason = first["msg"].removeprefix("Value error, ")
    return f"{where}: {reason}" if where else reason


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return ` (did you mean nano?)` to follow an unknown word; empty if no known word is similar."""
    close = get_close_matches(word, sorted(set(known)), n=3, cutoff=0.6)
    return f" (did you mean {' or '.join(close)}?)" if close else ""
