"""The error message for a missing extra `eval`."""

from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module

from emosllm.errors import UserError


@contextmanager
def eval_extra(purpose: str) -> Iterator[None]:
    """Wrap imports of scikit-learn, scipy, jiwer or matplotlib.

    Args:
        purpose: what needs the libraries ("scoring").

    Raises:
        UserError: a library of the extra is missing.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        library = (error.name or "").partition(".")[0]
        raise UserError(f"{purpose} needs {library}: pip install 'emosllm[eval]'") from error


def check_eval_extra() -> None:
    """Check that scoring is possible before a long recognition starts.

    Raises:
        UserError: a library that scoring needs is missing.
    """
    with eval_extra("scoring"):
        for library in ("sklearn.metrics", "jiwer"):
            import_module(library)
