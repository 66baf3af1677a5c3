"""Report in one line that an optional dependency, an extra of this package, is not installed."""

from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import Literal

from emosllm.errors import UserError


@contextmanager
def extra(name: Literal["corpora", "cues", "eval", "live", "serve", "timeline"], purpose: str) -> Iterator[None]:
    """Turn a failed import of an extra's library into a `UserError`.

    Args:
        name: the extra that contains the library.
        purpose: what needs the library ("scoring").

    Raises:
        UserError: a library of the extra is missing.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        library = (error.name or "").partition(".")[0]
        if library == "emosllm":  # a mistake in this package, which no extra remedies
            raise
        raise UserError(f"{purpose} needs {library}: pip install 'emosllm[{name}]'") from error


def check_eval_extra() -> None:
    """Check that scoring is possible before a long recognition starts.

    Raises:
        UserError: a library that scoring needs is missing.
    """
    with extra("eval", "scoring"):
        for library in ("sklearn.metrics", "jiwer"):
            import_module(library)
