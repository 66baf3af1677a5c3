"""Error responses: one line, as on the command line, with the matching HTTP status.

The body is `{"error": {"message": ..., "type": ...}}`, the format of OpenAI, so OpenAI's clients show the message.
Unexpected errors are logged here. Their text is not sent, since it may contain paths.
"""

import logging
from collections.abc import Sequence

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from pydantic import ValidationError
from starlette.exceptions import HTTPException
from starlette.formparsers import MultiPartException
from starlette.requests import ClientDisconnect
from starlette.responses import JSONResponse, Response

from emosllm.errors import UserError
from emosllm.serving.batcher import BusyError, StoppedError

_MOST_REPEATED = 120  # characters of a client's text that an answer repeats

log = logging.getLogger(__name__)


class TooLargeError(Exception):
    """The upload is larger than the server's limit."""

    def __init__(self, most: int) -> None:
        super().__init__(
            f"the upload is larger than {most / 1e6:g} MB, the most that this server takes: cut it, or compress it "
            "(FLAC halves a WAV file)"
        )


class TooSlowError(Exception):
    """The upload arrives too slowly."""


class ClientGoneError(Exception):
    """The client went away before the answer was there."""


class NotFoundError(Exception):
    """A path behind which there is nothing."""


class CrossSiteError(Exception):
    """A request that another site's page had a browser send."""


class UnauthorisedError(Exception):
    """The bearer token is missing or wrong."""


_STATUS: dict[type[Exception], tuple[int, str]] = {
    UnauthorisedError: (401, "authentication_error"),
    CrossSiteError: (403, "invalid_request_error"),
    NotFoundError: (404, "not_found_error"),
    TooSlowError: (408, "invalid_request_error"),
    TooLargeError: (413, "invalid_request_error"),
    MultiPartException: (422, "invalid_request_error"),
    UserError: (422, "invalid_request_error"),
    ClientDisconnect: (499, "invalid_request_error"),
    ClientGoneError: (499, "invalid_request_error"),
    BusyError: (503, "server_busy"),
    StoppedError: (503, "server_busy"),
}


def refusal(error: Exception) -> Response:
    """The response to an error of these kinds."""
    status, kind = next(found for cause, found in _STATUS.items() if isinstance(error, cause))
    headers = {}
    if isinstance(error, UnauthorisedError):
        headers["WWW-Authenticate"] = "Bearer"
    if status == 503:
        headers["Retry-After"] = str(getattr(error, "retry_after", 1))
    return one_line(status, str(error), kind, headers)


def one_line(status: int, message: str, kind: str, headers: dict[str, str] | None = None) -> Response:
    """A response with the body of an error."""
    line = " ".join(message.split())
    return JSONResponse({"error": {"message": line, "type": kind}}, status, headers)


def shortened(text: str) -> str:
    """Text of a client as an answer repeats it."""
    return text if len(text) <= _MOST_REPEATED else f"{text[:_MOST_REPEATED]}..."


def in_words(errors: Sequence[object]) -> str:
    """The first of pydantic's errors of a form, in one line."""
    first = errors[0]
    assert isinstance(first, dict)
    where = ".".join(str(part) for part in first["loc"] if part != "body")
    return f"{where}: {first['msg']}".removeprefix(": ")


def install_error_handlers(app: FastAPI) -> None:
    """Make an app answer all errors so."""

    async def ours(request: Request, error: Exception) -> Response:
        return refusal(error)

    async def theirs(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        kind = "not_found_error" if error.status_code == 404 else "invalid_request_error"
        return one_line(error.status_code, str(error.detail), kind, dict(error.headers or {}))

    async def form(request: Request, error: Exception) -> Response:
        assert isinstance(error, RequestValidationError | ValidationError)
        return one_line(422, in_words(error.errors()), "invalid_request_error")

    async def unforeseen(request: Request, error: Exception) -> Response:
        log.error("%s %s failed", request.method, request.url.path, exc_info=error)
        return one_line(500, "the server failed to process this request; its log says why", "server_error")

    for cause in _STATUS:
        app.add_exception_handler(cause, ours)
    app.add_exception_handler(HTTPException, theirs)
    app.add_exception_handler(RequestValidationError, form)
    app.add_exception_handler(ValidationError, form)
    app.add_exception_handler(Exception, unforeseen)
