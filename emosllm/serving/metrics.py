"""Metrics for Prometheus: requests and their latency, the queue, batches, seconds of audio, and the process.

They are numbers only and contain no file names, transcripts or client addresses.
"""

import time
from collections.abc import Sized

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, generate_latest
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from emosllm.serving.batcher import Batcher

_SECONDS = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300)
_SIZES = (1, 2, 4, 8, 16, 32, 64)


class Metrics:
    """Prometheus metrics in a separate registry, so that two servers in one process (tests) do not share counts."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        self.requests = Counter(
            "emosllm_requests", "Requests by path and status.", ["path", "status"], registry=self.registry
        )
        self.latency = Histogram(
            "emosllm_request_seconds", "From request to answer.", ["path"], buckets=_SECONDS, registry=self.registry
        )
        self.batch_size = Histogram(
            "emosllm_batch_size", "Clips recognised together.", buckets=_SIZES, registry=self.registry
        )
        self.batch_seconds = Histogram(
            "emosllm_batch_seconds", "Time that a batch took.", buckets=_SECONDS, registry=self.registry
        )
        self.audio_seconds = Counter("emosllm_audio_seconds", "Seconds of audio recognised.", registry=self.registry)

    def watch(self, batcher: Batcher, uploads: Sized) -> None:
        """Report the queue of a batcher and the number of uploads in progress at each scrape."""
        waiting = Gauge("emosllm_queue_clips", "Clips that wait for the model.", registry=self.registry)
        waiting.set_function(lambda: batcher.waiting)
        admitted = Gauge("emosllm_queue_requests", "Requests taken and not answered yet.", registry=self.registry)
        admitted.set_function(lambda: batcher.admitted)
        arriving = Gauge("emosllm_uploads", "Uploads in progress.", registry=self.registry)
        arriving.set_function(lambda: len(uploads))

    def observe_batch(self, size: int, seconds: float) -> None:
        """Record the size and the seconds of a batch."""
        self.batch_size.observe(size)
        self.batch_seconds.observe(seconds)

    def page(self) -> bytes:
        """All metrics in Prometheus' text format."""
        return generate_latest(self.registry)


class RequestTimer:
    """Middleware that counts and times requests, each under one of a few known paths."""

    def __init__(self, app: ASGIApp, metrics: Metrics, paths: frozenset[str]) -> None:
        self.app, self.metrics, self.paths = app, metrics, paths

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Call the app, then record path, status and seconds."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        # Unknown paths share one name: with a name per path, arbitrary requests would grow the memory without limit.
        path = "/v1/models" if scope["path"].startswith("/v1/models/") else scope["path"]
        path = path if path in self.paths else "page"
        status, began = "gone", time.monotonic()

        async def noted(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = str(message["status"])
            await send(message)

        try:
            await self.app(scope, receive, noted)
        finally:
            self.metrics.requests.labels(path, status).inc()
            self.metrics.latency.labels(path).observe(time.monotonic() - began)
