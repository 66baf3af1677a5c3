"""OpenAI's transcription route, extended by emotions, so that OpenAI's clients work without changes.

The text comes from the system, or from the speech recogniser that the server was started with. A recording that fits
one utterance is recognised whole for `json` and `text`. Formats with times (`verbose_json`, `srt`, `vtt`) and longer
recordings use the timeline.
"""

import zlib
from typing import Any
from urllib.parse import quote

from fastapi import APIRouter, Request
from starlette.responses import JSONResponse, PlainTextResponse, Response

from emosllm.errors import UserError
from emosllm.serving.routes import client_of
from emosllm.serving.schemas import (
    REFUSALS,
    Emotion,
    Transcription,
    TranscriptionForm,
    TranscriptionSegment,
    VerboseTranscription,
)
from emosllm.serving.service import RequestOptions, Service
from emosllm.serving.uploads import body_of, cancel_on_disconnect, read_upload
from emosllm.timeline.exports.lines import srt, vtt
from emosllm.timeline.segments import Segment, Timeline

_WITH_TIMES = ("verbose_json", "srt", "vtt")
_EXAMPLE = {"model": "nano", "response_format": "verbose_json"}


def openai_routes(service: Service) -> APIRouter:
    """`POST /v1/audio/transcriptions`."""
    routes = APIRouter(prefix="/v1/audio", tags=["OpenAI's way"])
    responses: dict[int | str, dict[str, Any]] = {200: {"content": {"text/plain": {}}}, **REFUSALS}

    @routes.post(
        "/transcriptions",
        response_model=VerboseTranscription | Transcription,
        responses=responses,
        openapi_extra=body_of(TranscriptionForm, _EXAMPLE),
    )
    async def transcriptions(request: Request) -> Response:
        """Transcribe a recording; `verbose_json` carries the emotion of each segment.

        Example: `client.audio.transcriptions.create(file=clip, model="nano", response_format="verbose_json")`
        """
        service.batcher.check_room()  # before the upload, since a full queue would refuse it afterwards
        upload = await read_upload(request, TranscriptionForm)
        wanted = upload.fields.response_format
        system = upload.fields.model if upload.fields.model in service.systems else None
        _check_writes(service, system)
        with service.batcher.admit(client_of(request)) as line:
            options = RequestOptions(turns=True if wanted in _WITH_TIMES else None, system=system)
            timeline = await cancel_on_disconnect(request, service.recognise(line, upload.audio, upload.name, options))
        return _written(timeline, upload.fields)

    return routes


def _check_writes(service: Service, system: str | None) -> None:
    """Refuse a system whose answers hold no transcript, before anything is computed."""
    name = service.chosen(system)
    if service.has_words(name):
        return
    own = " or --strategy transcript-first" if service.systems[name].model.recipe.transcribes else ""
    raise UserError(
        f"{name} recognises emotions without transcribing: use /v1/emotions, or start the server with --asr{own}"
    )


def _written(timeline: Timeline, form: TranscriptionForm) -> Response:
    """The answer in the requested format; headers name the system and the fields without an effect in all formats."""
    headers, ignored = {"X-Emosllm-Model": quote(timeline.model)}, form.ignored()
    if ignored:
        headers["X-Emosllm-Ignored"] = ", ".join(map(quote, ignored))
    text = " ".join(segment.transcript for segment in timeline.segments if segment.transcript)
    if form.response_format == "text":
        return PlainTextResponse(text + "\n", headers=headers)
    if form.response_format == "srt":
        return PlainTextResponse(srt(timeline), headers=headers, media_type="application/x-subrip")
    if form.response_format == "vtt":
        return PlainTextResponse(vtt(timeline), headers=headers, media_type="text/vtt")
    if form.response_format == "json":
        other = None if form.model in ("", timeline.model) else timeline.model
        short = Transcription(text=text, model=other, ignored=ignored or None)
        return JSONResponse(short.model_dump(exclude_none=True), headers=headers)
    verbose = VerboseTranscription(
        language=form.language,
        duration=round(timeline.duration, 3),
        text=text,
        model=timeline.model,
        ignored=ignored,
        segments=[_segment(number, segment) for number, segment in enumerate(timeline.segments)],
    )
    return JSONResponse(verbose.model_dump(), headers=headers)


def _segment(number: int, segment: Segment) -> TranscriptionSegment:
    text = segment.transcript or ""
    raw = text.encode()
    return TranscriptionSegment(
        id=number,
        seek=round(segment.start * 100),
        start=round(segment.start, 3),
        end=round(segment.end, 3),
        text=text,
        tokens=[],
        temperature=0.0,
        avg_logprob=0.0,
        compression_ratio=round(len(raw) / len(zlib.compress(raw)), 4),
        no_speech_prob=0.0,
        emotion=Emotion.of(segment),
    )
