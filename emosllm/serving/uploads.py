"""Read a form with a recording into memory, and cancel the recognition when the client disconnects.

Starlette's own parser writes files above a megabyte to a temporary file. This server never stores recordings.
"""

import asyncio
import sys
from collections.abc import Coroutine, Mapping
from dataclasses import dataclass
from pathlib import PureWindowsPath
from typing import Any, Generic, TypeVar

from pydantic import BaseModel
from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartParser
from starlette.requests import Request

from emosllm.errors import UserError
from emosllm.serving.error_responses import ClientGoneError

_MOST_FIELDS = 32
_NAME = 120  # characters of a file name that answers repeat

F = TypeVar("F", bound=BaseModel)
T = TypeVar("T")


@dataclass(frozen=True)
class Upload(Generic[F]):
    """A recording and the other fields of its form.

    Attributes:
        name: the file's name as the client sent it, without folders.
        audio: the file's bytes.
        fields: the rest of the form, validated.
    """

    name: str
    audio: bytes
    fields: F


class _InMemory(MultiPartParser):
    """Starlette's parser without its temporary files; `BodyLimit` has counted the body before."""

    spool_max_size = sys.maxsize


async def read_upload(request: Request, form: type[F]) -> Upload[F]:
    """Read a multipart form with one file named `file`.

    Args:
        request: its body has not been read.
        form: the other fields that it may have.

    Raises:
        UserError: the body is not a form with a file.
        ValidationError: a field's value is not allowed.
        TooSlowError: the upload arrived too slowly.
        ClientDisconnect: the client disconnected.
    """
    if request.url.query:
        raise UserError("this route takes no query: send options as fields of the form")
    kind = request.headers.get("content-type", "")
    if not kind.startswith("multipart/form-data"):
        raise UserError(f"the body is {kind or 'untyped'}: send multipart/form-data with a file named `file`")
    parser = _InMemory(request.headers, request.stream(), max_files=1, max_fields=_MOST_FIELDS)
    parsed = await parser.parse()
    file = parsed.get("file")
    if not isinstance(file, UploadFile):
        raise UserError("the form has no file named `file`: send the recording under that name")
    audio = await file.read()
    await parsed.close()
    # Names may have a folder in front; Windows separates it with backslashes.
    name = PureWindowsPath(file.filename or "").name[-_NAME:] or "the upload"
    values: dict[str, Any] = {}
    for key, value in parsed.multi_items():
        if key == "file":
            continue
        if key.endswith("[]"):
            values.setdefault(key.removesuffix("[]"), []).append(value)
        else:
            values[key] = value
    return Upload(name, audio, form.model_validate(values))


def body_of(form: type[BaseModel], example: Mapping[str, object]) -> dict[str, object]:
    """OpenAPI's description of a form with a file, for routes that parse the form themselves."""
    schema = form.model_json_schema()
    file = {"type": "string", "format": "binary", "description": "WAV, FLAC, MP3, Ogg Vorbis or Opus."}
    properties = {"file": file, **schema.get("properties", {})}
    required = ["file", *schema.get("required", [])]
    described = {"type": "object", "properties": properties, "required": required, "example": dict(example)}
    return {"requestBody": {"required": True, "content": {"multipart/form-data": {"schema": described}}}}


async def cancel_on_disconnect(request: Request, work: Coroutine[Any, Any, T]) -> T:
    """Return what `work` returns; if the client disconnects first, cancel it.

    Raises:
        ClientGoneError: the client disconnected.
    """
    task = asyncio.ensure_future(work)
    gone = asyncio.ensure_future(_gone(request))
    try:
        await asyncio.wait({task, gone}, return_when=asyncio.FIRST_COMPLETED)
        if task.done():
            return task.result()
        raise ClientGoneError("the client went away")
    finally:
        gone.cancel()
        task.cancel()


async def _gone(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
