"""What to say when the extra `eval` is not installed."""

from collections.abc import Iterator
from contextlib import contextmanager

from emosllm.errors import UserError


@contextmanager
def eval_extra(purpose: str) -> Iterator[None]:
    """Around the imports of scikit-learn, jiwer or matplotlib.

    Args:
        purpose: what cannot be done without them ("scoring").

    Raises:
        UserError: a library of the extra is missing.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        raise UserError(f"{purpose} needs {error.name}: pip install 'emosllm[eval]'") from error
