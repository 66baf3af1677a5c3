"""Request bodies that are still arriving: their number, their least rate, their deadline, their total size.

They are counted apart from the admitted requests, so a client that sends slowly takes no place in the queue.
"""

import asyncio
from dataclasses import dataclass

from starlette.types import Message, Receive

from emosllm.serving.batcher import BusyError
from emosllm.serving.error_responses import TooSlowError

_EVICTABLE = 5.0  # seconds of waiting after which a body makes room for another one, if there is no room
_RETRY = 5  # seconds


@dataclass(frozen=True)
class UploadLimits:
    """How fast a body has to arrive. Only the time that the server waits for the client counts.

    Attributes:
        part_bytes: bytes that have to arrive in every `part_seconds`.
        part_seconds: seconds for `part_bytes`, or for the whole of a smaller body.
        seconds: the deadline of a body.
        most: most bodies that arrive at a time.
    """

    part_bytes: int = 10_000
    part_seconds: float = 10.0
    seconds: float = 300.0
    most: int = 256


class UploadsInProgress:
    """The bodies that are arriving at one server.

    Args:
        limits: how fast they have to arrive.
        most_bytes: most bytes that they hold together.
    """

    def __init__(self, limits: UploadLimits, most_bytes: int) -> None:
        self.limits, self.most_bytes = limits, most_bytes
        self._bodies: set[IncomingBody] = set()
        self._stopping = False

    def __len__(self) -> int:
        return len(self._bodies)

    def stop(self) -> None:
        """Refuse the bodies that are arriving, and all later ones."""
        self._stopping = True
        for body in list(self._bodies):
            body.end(self._stopped())

    def enter(self, body: "IncomingBody") -> None:
        """Count a body that begins to arrive.

        Raises:
            BusyError: the server is stopping, or too many bodies are arriving.
        """
        if self._stopping:
            raise self._stopped()
        if len(self._bodies) >= self.limits.most and not self._evict(body):
            raise BusyError(f"{self.limits.most} uploads are in progress; retry in {_RETRY} s", _RETRY)
        self._bodies.add(body)

    def leave(self, body: "IncomingBody") -> None:
        """Count a body no more; it has arrived, or its request has ended."""
        self._bodies.discard(body)

    def check_bytes(self, body: "IncomingBody") -> None:
        """Keep the total size within its limit; slower bodies make room for `body`.

        Raises:
            BusyError: there is no room.
        """
        while sum(other.seen for other in self._bodies) > self.most_bytes:
            if not self._evict(body):
                raise BusyError(f"the uploads in progress fill the memory; retry in {_RETRY} s", _RETRY)

    def _evict(self, body: "IncomingBody") -> bool:
        """End the body for which the server waited longest, except `body`; return whether there was one."""
        slowest = max((other for other in self._bodies if other is not body), key=IncomingBody.waited, default=None)
        if slowest is None or slowest.waited() < _EVICTABLE:
            return False
        slowest.end(
            TooSlowError("the upload was slower than those of other clients, and there was no room: send it again")
        )
        self.leave(slowest)
        return True

    @staticmethod
    def _stopped() -> BusyError:
        return BusyError("the server is stopping; retry later", _RETRY)


class IncomingBody:
    """The body of one request, of which the time and the bytes are counted."""

    def __init__(self, uploads: UploadsInProgress) -> None:
        self.seen = 0
        self._uploads = uploads
        self._waited = self._part_waited = 0.0
        self._part_bytes = 0
        self._began: float | None = None  # when the current wait began
        self._timeout: asyncio.Timeout | None = None
        self._ended: Exception | None = None

    def waited(self) -> float:
        """Seconds that the server has waited for this body."""
        return self._waited + (0.0 if self._began is None else asyncio.get_running_loop().time() - self._began)

    def end(self, why: Exception) -> None:
        """Let the request fail with `why`, now or when it next reads."""
        self._ended = why
        if self._timeout is not None and not self._timeout.expired():
            self._timeout.reschedule(asyncio.get_running_loop().time())

    async def next(self, receive: Receive) -> Message:
        """The next part of the body.

        Raises:
            TooSlowError: the body arrives too slowly.
            BusyError: the server is stopping, or has no room.
        """
        limits, clock = self._uploads.limits, asyncio.get_running_loop().time
        if self._ended is not None:
            raise self._ended
        self._began = clock()
        try:
            async with asyncio.timeout(
                min(limits.part_seconds - self._part_waited, limits.seconds - self._waited)
            ) as self._timeout:
                message = await receive()
        except TimeoutError:
            raise self._ended or TooSlowError(
                f"the upload is too slow: the server takes {limits.part_bytes / limits.part_seconds / 1e3:g} kB/s or "
                f"more, for at most {limits.seconds:g} s"
            ) from None
        finally:
            self._timeout, waited = None, clock() - self._began
            self._waited, self._part_waited, self._began = self._waited + waited, self._part_waited + waited, None
        self._count(len(message.get("body", b"")))
        return message

    def _count(self, size: int) -> None:
        self.seen += size
        self._part_bytes += size
        if self._part_bytes >= self._uploads.limits.part_bytes:
            self._part_bytes, self._part_waited = 0, 0.0
        self._uploads.check_bytes(self)
