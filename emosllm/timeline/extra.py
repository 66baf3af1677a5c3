"""Report in one line that the extra `timeline` or `live` is not installed."""

from collections.abc import Iterator
from contextlib import contextmanager

from emosllm.errors import UserError


@contextmanager
def timeline_extra(purpose: str, extra: str = "timeline") -> Iterator[None]:
    """Turn a failed import of silero-vad, pyarrow or sounddevice into a `UserError`.

    Args:
        purpose: what needs the library ("finding speech").
        extra: the extra that contains the library.

    Raises:
        UserError: a library of the extra is missing.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        library = (error.name or "").partition(".")[0]
        raise UserError(f"{purpose} needs {library}: pip install 'emosllm[{extra}]'") from error
