"""Access rules in front of every route: Host, Origin, the allowed requests, the bearer token, the page's framework.

A request that no rule allows does not reach a route. Gradio adds routes that this page does not use: uploads to a
folder, files, a proxy to the internet, calls whose body may name a file of this machine. Gradio therefore receives
requests for its page and its assets only, without body, query and the headers that it does not need.
"""

import hmac
import re
from contextlib import suppress
from dataclasses import dataclass
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from emosllm.serving.batcher import BusyError
from emosllm.serving.error_responses import (
    CrossSiteError,
    NotFoundError,
    TooLargeError,
    TooSlowError,
    UnauthorisedError,
    refusal,
)

_HOST = re.compile(r"(?P<name>[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?")
_NOTHING = "there is nothing here; the page is at /, the API is described at /openapi.json"
_READING = frozenset({"GET", "HEAD"})


@dataclass(frozen=True)
class AllowedRequests:
    """The requests that a server answers, as regular expressions of whole paths. Everything else is answered 404.

    Attributes:
        api: paths of the API; they require the token.
        public: paths that may be read without the token.
        page: paths of the page's framework, which may be read without the token.
    """

    api: tuple[str, ...]
    public: tuple[str, ...]
    page: tuple[str, ...] = ()


class CrossSiteGuard:
    """Middleware that refuses what another site's page makes a browser ask, and names that are not this machine's.

    A page of another site may send a form to this server although it cannot read the answer. With a host name that
    resolves to 127.0.0.1 it could also read the answer (DNS rebinding). Programs send no `Origin` and pass.

    Args:
        app: the next app.
        only_local: whether the server listens on this machine alone, so that `Host` has to be one of its names.
    """

    _LOCAL = frozenset({"127.0.0.1", "localhost", "[::1]"})

    def __init__(self, app: ASGIApp, only_local: bool) -> None:
        self.app, self.only_local = app, only_local

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Call the app, or answer 403."""
        if scope["type"] == "http" and (problem := self._problem(Headers(scope=scope))):
            await refusal(CrossSiteError(problem))(scope, receive, send)
            return
        await self.app(scope, receive, send)

    def _problem(self, headers: Headers) -> str:
        """Why a request with these headers is refused; empty if it is not."""
        host, origin = headers.get("host", ""), headers.get("origin")
        found = _HOST.fullmatch(host)
        if self.only_local and (found is None or found["name"].lower() not in self._LOCAL):
            return f"this server is 127.0.0.1 or localhost, not {host!r}: ask it by that name"
        if found is None:
            return f"the header Host is {host!r}: send the name of this server"
        if origin is not None and _netloc(origin) != host.lower():
            return f"pages of {origin} may not use this server: open the server's own page"
        return ""


def _netloc(origin: str) -> str | None:
    """Name and port of an origin; `None` if it is not an address."""
    try:
        return urlsplit(origin).netloc.lower()
    except ValueError:  # "http://[bad"
        return None


class AccessGuard:
    """Middleware that passes on the allowed requests, and those of the API only with the token.

    The token is checked before a byte of the body is read. WebSockets are never passed on.

    Args:
        app: the next app.
        allowed: the requests that the server answers.
        token: the bearer token of the API; `None` if it requires none.
    """

    def __init__(self, app: ASGIApp, allowed: AllowedRequests, token: str | None) -> None:
        self.app, self._token = app, token
        self._api, self._public, self._page = map(_any_of, (allowed.api, allowed.public, allowed.page))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Call the app, or answer 401 or 404."""
        if scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008})
            return
        if scope["type"] == "http":
            path, reading = scope["path"], scope["method"] in _READING
            if reading and self._page.fullmatch(path):
                await self._ask_framework(scope, receive, send)
                return
            if not (self._api.fullmatch(path) or self._public.fullmatch(path)):
                nothing = NotFoundError(
                    "there is nothing here; the page is at /, the API is described at /openapi.json"
                )
                await refusal(nothing)(scope, receive, send)
                return
            if not (reading and self._public.fullmatch(path)) and not self._knows_token(Headers(scope=scope)):
                unknown = UnauthorisedError(
                    "this server requires its token: send the header Authorization: Bearer TOKEN"
                )
                await refusal(unknown)(scope, receive, send)
                return
        await self.app(scope, receive, send)

    async def _ask_framework(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on a request of the page; an error of the framework is 404, without the framework's words."""
        failed = False

        async def checked(message: Message) -> None:
            nonlocal failed
            failed = failed or (message["type"] == "http.response.start" and message["status"] >= 400)
            if not failed:
                await send(message)

        await self.app(_bare(scope), _without_body(receive), checked)
        if failed:
            await refusal(NotFoundError(_NOTHING))(scope, receive, send)

    def _knows_token(self, headers: Headers) -> bool:
        if self._token is None:
            return True
        scheme, _, credentials = headers.get("authorization", "").partition(" ")
        return scheme.lower() == "bearer" and hmac.compare_digest(credentials.strip().encode(), self._token.encode())


def _any_of(patterns: tuple[str, ...]) -> re.Pattern[str]:
    return re.compile("|".join(f"(?:{pattern})" for pattern in patterns) or r"(?!)")


#: Headers that the framework reads for its page; the forwarded ones give the address behind a proxy.
_PAGE_HEADERS = frozenset({b"host", b"accept", b"if-none-match", b"if-modified-since"})
_FORWARDED = frozenset({b"x-forwarded-host", b"x-forwarded-proto"})


def _bare(scope: Scope) -> Scope:
    """A request of the page without its query and without headers that the page does not need.

    Gradio opens a folder that the query names (`deep_link`).
    """
    headers = [
        (name, value)
        for name, value in scope["headers"]
        if name in _PAGE_HEADERS or (name in _FORWARDED and _HOST.fullmatch(value.decode("latin-1")))
    ]
    return {**scope, "query_string": b"", "headers": headers}


def _without_body(receive: Receive) -> Receive:
    """Receives an empty body, then what ends the request; bytes that the client sends are dropped."""
    began = False

    async def received() -> Message:
        nonlocal began
        if not began:
            began = True
            return {"type": "http.request", "body": b"", "more_body": False}
        with suppress(BusyError, TooLargeError, TooSlowError):  # the framework does not know these
            while (await receive())["type"] == "http.request":
                pass
        return {"type": "http.disconnect"}

    return received
