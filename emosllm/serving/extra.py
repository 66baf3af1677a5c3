"""Report in one line that the extra `serve` is not installed."""

from collections.abc import Iterator
from contextlib import contextmanager

from emosllm.errors import UserError


@contextmanager
def serve_extra() -> Iterator[None]:
    """Turn a failed import of FastAPI, uvicorn, Gradio, python-multipart or prometheus-client into a `UserError`.

    Raises:
        UserError: a library of the extra is missing.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        library = (error.name or "").partition(".")[0]
        if library == "emosllm":
            raise
        raise UserError(f"serving needs {library}: pip install 'emosllm[serve]'") from error
