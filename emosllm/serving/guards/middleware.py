"""Middleware: limit size and duration of bodies, set the security headers.

Known limit: the connection of a client that sends gigabytes without `Expect: 100-continue` may be reset before the
client has read the reason.
"""

import asyncio

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from emosllm.serving.batcher import BusyError
from emosllm.serving.error_responses import TooLargeError, TooSlowError, refusal
from emosllm.serving.guards.uploads_in_progress import IncomingBody, UploadsInProgress

_DRAIN_BYTES = 1 << 20  # bytes of a refused upload that are still read, so that the client reads the answer
_DRAIN_SECONDS = 1.0


class BodyLimit:
    """Middleware that answers 413 to a body that is too large, and 408 to one that arrives too slowly.

    A length header above the limit is refused before any of the body is read.

    Args:
        app: the next app.
        most: largest body, in bytes.
        uploads: the bodies that are arriving.
    """

    def __init__(self, app: ASGIApp, most: int, uploads: UploadsInProgress) -> None:
        self.app, self.most, self.uploads = app, most, uploads

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Call the app with a counted body, or refuse the request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        body = _Body(receive, self.most, self.uploads)
        length = dict(scope["headers"]).get(b"content-length", b"0")
        if length.isdigit() and int(length) > self.most:
            await refusal(TooLargeError(self.most))(scope, receive, send)
            return

        async def answering(message: Message) -> None:
            if message["type"] == "http.response.start" and not await body.drained():
                message["headers"] = [*message.get("headers", ()), (b"connection", b"close")]
            await send(message)

        try:
            await self.app(scope, body.receive, answering)
        finally:
            body.close()


class _Body:
    """The body of a request, which is an upload in progress from its first part to its last one."""

    def __init__(self, receive: Receive, most: int, uploads: UploadsInProgress) -> None:
        self._receive, self._most, self._uploads = receive, most, uploads
        self._incoming: IncomingBody | None = None
        self._over = self._failed = False

    async def receive(self) -> Message:
        if self._over:
            return await self._receive()
        if self._incoming is None:
            self._incoming = IncomingBody(self._uploads)
            self._uploads.enter(self._incoming)
        try:
            message = await self._incoming.next(self._receive)
        except (TooSlowError, BusyError):
            self._failed = True  # its rest is not worth waiting for
            raise
        self._over = message["type"] != "http.request" or not message.get("more_body", False)
        if self._over:
            self.close()
        if self._incoming.seen > self._most:
            raise TooLargeError(self._most)
        return message

    def close(self) -> None:
        """Count this body no more."""
        if self._incoming is not None:
            self._uploads.leave(self._incoming)

    async def drained(self) -> bool:
        """Read a limited part of the remaining body before an early answer; return whether the body ended there.

        Closing the connection with unread bytes could lose the answer. Reading the whole body could take gigabytes.
        """
        self.close()
        drained = 0
        try:
            async with asyncio.timeout(_DRAIN_SECONDS):
                while not (self._over or self._failed) and drained < _DRAIN_BYTES:
                    message = await self._receive()
                    drained += len(message.get("body", b""))
                    self._over = message["type"] != "http.request" or not message.get("more_body", False)
        except TimeoutError:
            return False
        return self._over


class SecurityHeaders:
    """Middleware whose headers restrict browsers to this server and forbid frames, in every answer."""

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
        """Call the app, and add the headers to the answer."""

        async def sealed(message: Message) -> None:
            if message["type"] == "http.response.start":
                # Gradio allows other sites to read answers if it assumes that it is public, so its headers are removed.
                sent = [pair for pair in message.get("headers", ()) if not pair[0].startswith(b"access-control-")]
                there = {name for name, _ in sent}
                message["headers"] = [*sent, *(pair for pair in self.HEADERS if pair[0] not in there)]
            await send(message)

        await self.app(scope, receive, sealed)
