"""What stands before every route: uploads end at the limit, pages talk to nobody else, needless routes do not exist.

Gradio brings routes that this page has no use for (uploads to a folder, files, a proxy to the internet); they are not
there. Given up: a client that sends gigabytes without asking first may see its connection reset before it reads why.
"""

import asyncio
import re

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from emosllm.serving.refusals import MissingError, TooLargeError, refusal

_DRAIN_BYTES = 1 << 20  # what is still read of a refused upload, so that its sender reads the answer
_DRAIN_SECONDS = 1.0


class BodyLimit:
    """Middleware that answers 413 as soon as a body's header, or the body itself, is beyond the limit.

    Args:
        app: what comes after.
        most: bytes that a body may have.
    """

    def __init__(self, app: ASGIApp, most: int) -> None:
        self.app, self.most = app, most

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on with a counted body, or refuse."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        body = _Body(receive, self.most)
        length = dict(scope["headers"]).get(b"content-length", b"0")
        if length.isdigit() and int(length) > self.most:
            await refusal(TooLargeError(self.most))(scope, receive, send)  # not a byte of it was asked for
            return

        async def answering(message: Message) -> None:
            if message["type"] == "http.response.start" and not await body.drained():
                message["headers"] = [*message.get("headers", ()), (b"connection", b"close")]
            await send(message)

        await self.app(scope, body.receive, answering)


class _Body:
    """A request's body, counted."""

    def __init__(self, receive: Receive, most: int) -> None:
        self._receive, self._most = receive, most
        self._seen, self._over = 0, False

    async def receive(self) -> Message:
        message = await self._receive()
        if message["type"] == "http.request":
            self._seen += len(message.get("body", b""))
            self._over = not message.get("more_body", False)
            if self._seen > self._most:
                raise TooLargeError(self._most)
        else:
            self._over = True
        return message

    async def drained(self) -> bool:
        """Read on a little before an early answer, and say whether that was all there was to read.

        Closing on unread bytes would take the answer from the client; reading all of them would take gigabytes.
        """
        until = self._seen + _DRAIN_BYTES
        try:
            async with asyncio.timeout(_DRAIN_SECONDS):
                while not self._over and self._seen < until:
                    message = await self._receive()
                    self._seen += len(message.get("body", b""))
                    self._over = message["type"] != "http.request" or not message.get("more_body", False)
        except TimeoutError:
            return False
        return self._over


class Sealed:
    """Middleware that tells browsers, with every answer, to talk to this server only and to show it in no frame."""

    POLICY = (
        "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval'; style-src 'self' 'unsafe-inline'; "
        "img-src 'self' data: blob:; font-src 'self' data:; media-src 'self' blob:; worker-src 'self' blob:; "
        "connect-src 'self' data: blob:; form-action 'self'; base-uri 'self'; frame-ancestors 'none'"
    )
    HEADERS = (
        (b"content-security-policy", POLICY.encode()),
        (b"referrer-policy", b"no-referrer"),
        (b"x-content-type-options", b"nosniff"),
        (b"cache-control", b"no-store"),
    )

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on, and add the headers to the answer."""

        async def sealed(message: Message) -> None:
            if message["type"] == "http.response.start":
                there = {name.lower() for name, _ in message.get("headers", ())}
                added = [(name, value) for name, value in self.HEADERS if name not in there]
                message["headers"] = [*message.get("headers", ()), *added]
            await send(message)

        await self.app(scope, receive, sealed)


class OnlyThese:
    """Middleware for whom a path that no pattern matches does not exist.

    Args:
        app: what comes after.
        patterns: regular expressions of whole paths.
    """

    def __init__(self, app: ASGIApp, patterns: tuple[str, ...]) -> None:
        self.app = app
        self.known = re.compile("|".join(f"(?:{pattern})" for pattern in patterns))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on, or answer 404; of WebSockets there are none."""
        if scope["type"] == "http" and not self.known.fullmatch(scope["path"]):
            nothing = MissingError("there is nothing here; the page is at /, the API is described at /openapi.json")
            await refusal(nothing)(scope, receive, send)
            return
        if scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008})
            return
        await self.app(scope, receive, send)
