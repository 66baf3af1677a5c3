"""The routes of this project: emotions of an upload, the served systems, health and metrics."""

import time

from fastapi import APIRouter, Request
from starlette.responses import JSONResponse, Response

from emosllm.serving.error_responses import NotFoundError, shortened
from emosllm.serving.schemas import REFUSALS, Emotions, EmotionsForm, Health, Model, Models, Refusal
from emosllm.serving.service import RequestOptions, Service
from emosllm.serving.uploads import body_of, cancel_on_disconnect, read_upload

_FORM = body_of(EmotionsForm, {"segments": True, "model": "nano"})


def client_of(request: Request) -> str:
    """The name by which clients take turns: the request's address."""
    return request.client.host if request.client else "unknown"


def emotion_routes(service: Service) -> APIRouter:
    """Routes that recognise a recording and list the systems."""
    routes = APIRouter(prefix="/v1", tags=["emotions"])
    began = int(time.time())

    @routes.post("/emotions", response_model=Emotions, responses=REFUSALS, openapi_extra=_FORM)
    async def emotions(request: Request) -> Emotions:
        """Recognise the emotion of a recording as a whole, or of each of its turns with `segments=true`.

        Example: `curl -F file=@interview.wav -F segments=true http://127.0.0.1:7860/v1/emotions`

        The recording is read into memory, recognised and forgotten.
        """
        service.batcher.check_room()  # before the upload, since a full queue would refuse it afterwards
        upload = await read_upload(request, EmotionsForm)
        fields = upload.fields
        with service.batcher.admit(client_of(request)) as line:
            options = RequestOptions(
                turns=fields.segments,
                system=fields.model or None,
                transcript=None if fields.segments else fields.transcript or None,
                cues=fields.cues,
                session=fields.session,
            )
            timeline = service.recognise(line, upload.audio, upload.name, options)
            return Emotions.of(await cancel_on_disconnect(request, timeline), whole=not fields.segments)

    def described(name: str) -> Model:
        system = service.systems[name]
        return Model(
            id=name,
            created=began,
            labels=list(system.labels.names),
            longest=system.processor.longest,
            transcribes=service.has_words(name),
        )

    @routes.get("/models", response_model=Models)
    async def models() -> Models:
        """List the served systems; the first one is the default."""
        return Models(data=[described(name) for name in service.systems])

    @routes.get("/models/{name:path}", response_model=Model, responses={404: {"model": Refusal}})
    async def model(name: str) -> Model:
        """Describe one system."""
        if name not in service.systems:
            raise NotFoundError(f"model {shortened(name)!r} is not served here; there is {', '.join(service.systems)}")
        return described(name)

    return routes


def health_routes(service: Service) -> APIRouter:
    """The health check; it requires no token."""
    routes = APIRouter(tags=["operation"])

    @routes.get("/healthz", response_model=Health, responses={503: {"model": Health}})
    async def healthz() -> Response:
        """Report whether requests are admitted: 200, or 503 while the server stops."""
        well = service.batcher.alive
        health = Health(
            status="ok" if well else "stopping",
            models=list(service.systems),
            waiting=service.batcher.waiting,
            uploads=len(service.uploads),
        )
        return JSONResponse(health.model_dump(), 200 if well else 503)

    return routes


def metric_routes(service: Service) -> APIRouter:
    """The route for Prometheus."""
    routes = APIRouter(tags=["operation"])

    @routes.get("/metrics", response_class=Response, responses={200: {"content": {"text/plain": {}}}})
    async def metrics() -> Response:
        """Report requests, latencies, queue, batches and seconds of audio in Prometheus' text format."""
        return Response(service.metrics.page(), media_type="text/plain; version=0.0.4; charset=utf-8")

    return routes
