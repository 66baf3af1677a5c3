"""What to say when the extra `eval` is not installed."""

from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module

from emosllm.errors import UserError


@contextmanager
def eval_extra(purpose: str) -> Iterator[None]:
    """Around the imports of scikit-learn, scipy, jiwer or matplotlib.

    Args:
        purpose: what cannot be done without them ("scoring").

    Raises:
        UserError: a library of the extra is missing.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        library = (error.name or "").partition(".")[0]
        raise UserError(f"{purpose} needs {library}: pip install 'emosllm[eval]'") from error


def check_eval_extra() -> None:
    """Know that scoring is possible before an hour of recognising.

    Raises:
        UserError: a library that scoring needs is missing.
    """
    with eval_extra("scoring"):
        for library in ("sklearn.metrics", "jiwer"):
            import_module(library)
