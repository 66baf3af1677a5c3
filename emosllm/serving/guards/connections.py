"""Connections with limits that uvicorn does not have: their number, and deadlines for sending and for reading."""

import asyncio

from uvicorn.protocols.http.h11_impl import H11Protocol

HEAD_SECONDS = 10.0  # for the request line and the headers
READ_SECONDS = 60.0  # in which a client has to read what is buffered for it, 64 kB
MOST_CONNECTIONS = 512  # half of the files that a process may usually open


class LimitedConnection(H11Protocol):
    """uvicorn's connection, closed if its client neither completes the head of a request nor reads the answer.

    If there are too many connections, a new one replaces the oldest one without a request.
    """

    _opened = 0.0
    _head_timer: asyncio.TimerHandle | None = None
    _read_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Make room, and wait for the first request."""
        super().connection_made(transport)
        self._opened = self.loop.time()
        self._wait_for_head()
        if len(self.connections) > MOST_CONNECTIONS:
            ours = [other for other in self.connections if isinstance(other, LimitedConnection)]
            idle = [other for other in ours if other._between_requests()]
            min(idle, key=lambda other: other._opened).transport.close()  # there is at least this one

    def data_received(self, data: bytes) -> None:
        """Wait for the rest of a head, or no more once it is there."""
        super().data_received(data)
        if self._between_requests():
            self._wait_for_head()
        else:
            self._cancel_head_timer()

    def pause_writing(self) -> None:
        """Wait for the client to read."""
        super().pause_writing()
        self._read_timer = self.loop.call_later(READ_SECONDS, self.transport.abort)

    def resume_writing(self) -> None:
        """The client reads."""
        self._cancel_read_timer()
        super().resume_writing()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the deadlines."""
        self._cancel_head_timer()
        self._cancel_read_timer()
        super().connection_lost(exc)

    def _between_requests(self) -> bool:
        return self.cycle is None or self.cycle.response_complete

    def _wait_for_head(self) -> None:
        if self._head_timer is None:
            self._head_timer = self.loop.call_later(HEAD_SECONDS, self._expire)

    def _expire(self) -> None:
        self._head_timer = None
        if self._between_requests() and not self.transport.is_closing():
            self.transport.close()

    def _cancel_head_timer(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _cancel_read_timer(self) -> None:
        if self._read_timer is not None:
            self._read_timer.cancel()
            self._read_timer = None
