"""What to say when the extras `timeline` and `live` are not installed."""

from collections.abc import Iterator
from contextlib import contextmanager

from emosllm.errors import UserError


@contextmanager
def timeline_extra(purpose: str, extra: str = "timeline") -> Iterator[None]:
    """Around the imports of silero-vad, pyarrow or sounddevice.

    Args:
        purpose: what cannot be done without them ("finding speech").
        extra: which one brings them.

    Raises:
        UserError: a library of the extra is missing.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        library = (error.name or "").partition(".")[0]
        raise UserError(f"{purpose} needs {library}: pip install 'emosllm[{extra}]'") from error
