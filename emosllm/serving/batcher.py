"""Dynamic batching: one thread owns the model and processes the items of several clients in one batch.

A request is either admitted, as a `Line`, or refused at once with the time after which to retry, so every admitted
request is answered. Clients take turns, so a client with many items does not delay the others. Not done: sorting by
length (a short clip may be padded to a long one in the same batch) and priorities.
"""

import logging
import math
import threading
import time
from collections import OrderedDict, deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from types import TracebackType
from typing import Generic, Self, TypeVar

J = TypeVar("J")
R = TypeVar("R")

LONGEST_RETRY = 60  # seconds; a longer estimate would not be reliable
_SMOOTHING = 0.2  # weight of the newest batch in the mean time that an item takes

log = logging.getLogger(__name__)


class BusyError(Exception):
    """The queue is full, or the server is stopping: retry after `retry_after` seconds."""

    def __init__(self, message: str, retry_after: int) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class StoppedError(Exception):
    """The server stopped before it processed this item."""


@dataclass(frozen=True)
class _Job(Generic[J, R]):
    item: J
    future: Future[R] = field(default_factory=Future)


class Line(Generic[J, R]):
    """One admitted request: it may submit any number of items until it is closed.

    It is a context manager. Leaving it frees the place in the queue and drops the submitted items that have not begun.
    """

    def __init__(self, batcher: "Batcher[J, R]", client: str) -> None:
        self.client = client
        self._batcher = batcher
        self._futures: set[Future[R]] = set()
        self._lock = threading.Lock()
        self._closed = False

    def submit(self, item: J) -> Future[R]:
        """Submit one item; the future holds its result, or the error of this item alone.

        Raises:
            StoppedError: the line was closed (the client went away), or the worker has ended.
        """
        job: _Job[J, R] = _Job(item)
        with self._lock:
            if self._closed:
                raise StoppedError("the client no longer waits for this answer")
            self._futures.add(job.future)
        job.future.add_done_callback(self._forget)
        self._batcher._enqueue(self.client, job)
        return job.future

    def close(self) -> None:
        """Close the line: it takes no more items, and items that have not begun are dropped. May be called twice."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
            waiting = list(self._futures)
        for future in waiting:
            future.cancel()
        self._batcher._leave(self)

    def _forget(self, future: Future[R]) -> None:
        with self._lock:
            self._futures.discard(future)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()


class Batcher(Generic[J, R]):
    """A queue in which clients take turns, and one thread that processes it batch by batch.

    Args:
        work: processes a batch and returns one result per item, in order; only the worker thread calls it.
        batch_size: most items in one batch.
        queue: most requests admitted at a time; further ones are refused.
        linger: seconds that an incomplete batch waits for more items after its first one.
        observe: called with the size of each batch and the seconds that it took.
    """

    def __init__(
        self,
        work: Callable[[Sequence[J]], Sequence[R]],
        *,
        batch_size: int = 8,
        queue: int = 32,
        linger: float = 0.005,
        observe: Callable[[int, float], None] | None = None,
    ) -> None:
        assert batch_size >= 1
        assert queue >= 1
        self._work, self._observe = work, observe
        self._batch_size, self._queue, self._linger = batch_size, queue, linger
        self._changed = threading.Condition()
        self._waiting: OrderedDict[str, deque[_Job[J, R]]] = OrderedDict()  # client -> its items, in the order of turns
        self._lines: set[Line[J, R]] = set()
        self._stopping = self._ended = False
        self._item_seconds = 0.0
        self._thread = threading.Thread(target=self._run, name="emosllm-model", daemon=True)

    def start(self) -> Self:
        """Start the worker thread."""
        self._thread.start()
        return self

    @property
    def alive(self) -> bool:
        """Whether the worker runs and admits requests."""
        return self._thread.is_alive() and not self._stopping

    @property
    def waiting(self) -> int:
        """Number of submitted items that have not begun."""
        with self._changed:
            return self._count()

    @property
    def admitted(self) -> int:
        """Number of admitted requests that are not closed."""
        return len(self._lines)

    def admit(self, client: str) -> Line[J, R]:
        """Admit a request of `client`; clients take turns by this name.

        Raises:
            BusyError: the queue is full, or the server is stopping.
        """
        with self._changed:
            self.check_room()
            line = Line(self, client)
            self._lines.add(line)
            return line

    def check_room(self) -> None:
        """Check whether a request would be admitted now.

        Raises:
            BusyError: the queue is full, or the server is stopping.
        """
        with self._changed:
            if self._stopping or self._ended:
                raise BusyError("the server is stopping; retry later", self._retry_after())
            if len(self._lines) >= self._queue:
                raise BusyError(
                    f"the queue is full ({self._queue} requests); retry in {self._retry_after()} s",
                    self._retry_after(),
                )

    def refuse_more(self) -> None:
        """Admit no new requests; admitted ones continue."""
        with self._changed:
            self._stopping = True
            self._changed.notify_all()

    def stop(self, timeout: float | None = None) -> bool:
        """Admit no new requests, finish the admitted ones and end the thread.

        Args:
            timeout: seconds to wait; after that, the current batch is the last one and all other items fail.

        Returns:
            Whether every item was processed.
        """
        self.refuse_more()
        with self._changed:
            whole = self._changed.wait_for(lambda: self._ended or not (self._lines or self._waiting), timeout)
            self._ended = True
            self._changed.notify_all()
        if self._thread.is_alive():
            self._thread.join(timeout)
        return whole

    def _enqueue(self, client: str, job: _Job[J, R]) -> None:
        with self._changed:
            if not self._ended:
                self._waiting.setdefault(client, deque()).append(job)
                self._changed.notify_all()
                return
        job.future.cancel()
        raise StoppedError("the server stopped before it processed this request; retry later")

    def _leave(self, line: Line[J, R]) -> None:
        with self._changed:
            self._lines.discard(line)
            self._changed.notify_all()

    def _count(self) -> int:
        return sum(len(jobs) for jobs in self._waiting.values())

    def _retry_after(self) -> int:
        """Estimated seconds until half of the waiting items are done, from the time that recent batches took."""
        expected = self._item_seconds * max(self._count(), len(self._lines)) / 2
        return min(LONGEST_RETRY, max(1, math.ceil(expected)))

    def _run(self) -> None:
        try:
            while (batch := self._take()) is not None:
                began = time.monotonic()
                self._answer(batch)
                self._note(len(batch), time.monotonic() - began)
        finally:
            self._fail_the_rest()

    def _take(self) -> list[_Job[J, R]] | None:
        """The next batch, one item per client in turn; `None` when the worker has to end."""
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._waiting or self._ended)
                if self._ended:
                    return None
                self._changed.wait_for(
                    lambda: self._count() >= self._batch_size or self._stopping or self._ended, self._linger
                )
                taken: list[_Job[J, R]] = []
                while self._waiting and len(taken) < self._batch_size:
                    client, jobs = self._waiting.popitem(last=False)
                    taken.append(jobs.popleft())
                    if jobs:
                        self._waiting[client] = jobs  # after the other clients
            begun = [job for job in taken if job.future.set_running_or_notify_cancel()]
            if begun:
                return begun

    def _answer(self, batch: Sequence[_Job[J, R]]) -> None:
        try:
            results = self._work([job.item for job in batch])
            assert len(results) == len(batch), f"{len(results)} answers to {len(batch)} items"
        except Exception as error:
            if len(batch) == 1:
                batch[0].future.set_exception(error)
                return
            log.exception("a batch of %d failed; its items are answered one by one", len(batch))
            for job in batch:
                self._answer([job])
        else:
            for job, result in zip(batch, results, strict=True):
                job.future.set_result(result)

    def _note(self, size: int, seconds: float) -> None:
        old = self._item_seconds or seconds / size
        self._item_seconds = old + _SMOOTHING * (seconds / size - old)
        if self._observe is not None:
            self._observe(size, seconds)

    def _fail_the_rest(self) -> None:
        with self._changed:
            self._stopping = self._ended = True
            rest = [job for jobs in self._waiting.values() for job in jobs]
            self._waiting.clear()
            self._changed.notify_all()
        for job in rest:
            if job.future.set_running_or_notify_cancel():
                job.future.set_exception(StoppedError("the server stopped before it processed this item; retry later"))
