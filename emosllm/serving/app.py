"""Build the ASGI app: routes, middleware, error responses and the web page."""

import re
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace

from fastapi import APIRouter, Depends, FastAPI
from fastapi.routing import APIRoute
from fastapi.security import HTTPBearer

from emosllm import __version__
from emosllm.serving import error_responses
from emosllm.serving.guards.access import AccessGuard, AllowedRequests, CrossSiteGuard
from emosllm.serving.guards.middleware import BodyLimit, SecurityHeaders
from emosllm.serving.metrics import RequestTimer
from emosllm.serving.openai_routes import openai_routes
from emosllm.serving.routes import emotion_routes, health_routes, metric_routes
from emosllm.serving.service import Service

STOP_SECONDS = 60.0  # seconds that a stopping server has to finish the admitted requests
#: Functions that make the routes of the API, which require the token.
API_ROUTES: tuple[Callable[[Service], APIRouter], ...] = (emotion_routes, openai_routes, metric_routes)
_FORM_BYTES = 100_000  # bytes that a form may have besides its file


def build_app(service: Service, token: str | None = None, *, page: bool = True, only_local: bool = False) -> FastAPI:
    """An ASGI app that serves systems.

    The app's lifespan is the service's: the model's thread starts with the app and finishes the admitted requests when
    the app ends. There is no CORS, so pages of other sites cannot read the answers.

    Args:
        service: recognises the recordings.
        token: required for recognition and metrics if given; the page asks its user for it.
        page: whether the web page is served too.
        only_local: whether the `Host` header has to be a name of this machine.
    """

    @asynccontextmanager
    async def life(app: FastAPI) -> AsyncIterator[None]:
        service.start()
        yield
        service.stop(STOP_SECONDS)

    app = FastAPI(
        title="emosllm",
        version=__version__,
        summary="Emotions in speech, on your own machine.",
        description="Recordings are read into memory, recognised and forgotten. Errors are one line.",
        lifespan=life,
        docs_url=None,  # FastAPI's own page would load its script from a CDN
        redoc_url=None,
    )
    app.state.service = service
    error_responses.install_error_handlers(app)
    # `AccessGuard` checks the token. The scheme is here for OpenAPI's description of the routes.
    known = [Depends(HTTPBearer(auto_error=False, description="The token of --token-file, where the server has one."))]
    routers = [make(service) for make in API_ROUTES]
    for router in routers:
        app.include_router(router, dependencies=known)
    health = health_routes(service)
    app.include_router(health)
    api, public = _paths(routers), _paths([health])
    allowed = AllowedRequests(api=tuple(map(_pattern, api)), public=(*map(_pattern, public), "/openapi.json"))
    if page:
        from emosllm.serving.web_page.page import PAGE_PATHS, RESULTS_PATH, mount_page, page_routes

        app.include_router(page_routes(service), dependencies=known)
        mount_page(app, service, asks_token=token is not None)
        allowed = replace(allowed, api=(*allowed.api, RESULTS_PATH), page=PAGE_PATHS)
    # The middleware that is added last handles a request first.
    app.add_middleware(AccessGuard, allowed=allowed, token=token)
    app.add_middleware(CrossSiteGuard, only_local=only_local)
    app.add_middleware(SecurityHeaders)
    app.add_middleware(BodyLimit, most=service.limits.max_bytes + _FORM_BYTES, uploads=service.uploads)
    app.add_middleware(RequestTimer, metrics=service.metrics, paths=frozenset((*api, *public)))
    return app


def _paths(routers: Sequence[APIRouter]) -> list[str]:
    """The paths of the routes, with their parameters in braces."""
    return [route.path for router in routers for route in router.routes if isinstance(route, APIRoute)]


def _pattern(path: str) -> str:
    """A regular expression of the whole path; a parameter stands for one or more characters."""
    return ".+".join(re.escape(part) for part in re.split(r"\{[^}]*\}", path))
