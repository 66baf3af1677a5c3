"""Load test of the server: many clients at once for minutes, with a check of every answer and of the memory.

    python -m bench.serving_load --seconds 120 --clients 16

`--plain SECONDS` also measures the same server with batches of one clip. Clients and server share the machine's cores,
so the figures are a lower bound. The exit code is 1 after a failure: a 5xx status other than the queue's 503, an answer
that differs from `predict`'s, a request that was accepted and not answered, or memory that grows.
"""

import argparse
import http.client
import json
import re
import signal
import sys
import threading
import time
import urllib.request
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from bench.live_server import ROOT, serving
from emosllm import load
from emosllm.inference.recogniser import as_utterance
from emosllm.utterance import Prediction

CLIPS = sorted((ROOT / "demo" / "recordings").glob("*.flac"))
TOLERANCE = 2e-4  # probabilities are sent with four digits, and batches round differently in the last bits
GROWTH = 0.05  # allowed growth from a quarter of the time to the end, as a share
WARM_UP = 300  # answers before the measurement: the allocator has then seen most lengths and batch sizes
MOST_BROKEN = 100  # failures after which clients stop, so that the warm-up ends if the server is down
_BOUNDARY = "a-boundary-that-no-recording-holds"


@dataclass
class LoadTest:
    """The record of a load test.

    Attributes:
        seconds: duration of the test.
        statuses: HTTP status -> number of responses.
        latencies: of each answered request, in seconds.
        broken: failures, one line each.
        memory: pairs of the seconds since the start and the server's resident memory in MB.
    """

    seconds: float
    statuses: Counter[int] = field(default_factory=Counter)
    latencies: list[float] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)
    memory: list[tuple[float, float]] = field(default_factory=list)

    def figures(self) -> dict[str, float]:
        """The figures of the table."""
        answered = self.statuses[200]
        requests = sum(self.statuses.values())
        after, end = self._memory()
        return {
            "answered": answered,
            "requests_per_second": round(answered / self.seconds, 2),
            "p50_seconds": round(float(np.percentile(self.latencies or [0.0], 50)), 3),
            "p95_seconds": round(float(np.percentile(self.latencies or [0.0], 95)), 3),
            "busy_share": round(self.statuses[503] / max(1, requests), 4),
            "other_than_200_and_503": requests - answered - self.statuses[503],
            "rss_mb_after_a_quarter": round(after, 1),
            "rss_mb_end": round(end, 1),
        }

    def verdict(self) -> list[str]:
        """The failures, one line each."""
        other = {status: count for status, count in self.statuses.items() if status not in (200, 503)}
        after, end = self._memory()
        grown = [f"memory grew from {after:.0f} to {end:.0f} MB"] if end > after * (1 + GROWTH) else []
        answered = [] if self.statuses[200] else ["nothing was answered"]
        return [
            *self.broken[:10],
            *(f"status {status}, {count} times" for status, count in other.items()),
            *grown,
            *answered,
        ]

    def _memory(self) -> tuple[float, float]:
        """Medians of the memory in MB after a quarter of the time, when caches are filled, and at the end."""
        if not self.memory:
            return 0.0, 0.0
        values = [used for _, used in self.memory]
        few = max(1, len(values) // 10)
        quarter = len(values) // 4
        return float(np.median(values[quarter : quarter + few])), float(np.median(values[-few:]))


def put_load(seconds: float, clients: int, options: Sequence[object] = ()) -> LoadTest:
    """Start a server, send requests from many threads, and stop it.

    Args:
        seconds: duration of the measurement, which begins after `WARM_UP` answers.
        clients: number of threads; each sends one request after another.
        options: of `emosllm serve`.
    """
    expected = {Path(p.path).name: p for p in load("nano", device="cpu").predict(map(as_utterance, CLIPS))}
    found, lock = LoadTest(seconds), threading.Lock()
    with serving("--no-page", *options) as server:
        place = server.url.removeprefix("http://")
        warm = LoadTest(0.0)
        for thread in _start_clients(clients, place, lambda: warm.statuses[200] < WARM_UP, expected, warm, lock):
            thread.join()
        found.broken += warm.broken
        began = time.monotonic()
        until = began + seconds
        threads = _start_clients(clients, place, lambda: time.monotonic() < until, expected, found, lock)
        while time.monotonic() < until:
            found.memory.append((time.monotonic() - began, _resident(server.url) / 1e6))
            time.sleep(min(1.0, seconds / 20))
        for thread in threads:
            thread.join()
        if (code := server.stop(signal.SIGTERM)) != 0:
            found.broken.append(f"the server ended with exit code {code}: {server.lines[-3:]}")
    return found


def _start_clients(
    clients: int,
    place: str,
    going: Callable[[], bool],
    expected: Mapping[str, Prediction],
    found: LoadTest,
    lock: threading.Lock,
) -> list[threading.Thread]:
    """Start clients, which send requests while `going` returns true."""
    threads = [
        threading.Thread(target=_send_clips, args=(number, place, going, expected, found, lock))
        for number in range(clients)
    ]
    for thread in threads:
        thread.start()
    return threads


def _send_clips(
    number: int,
    place: str,
    going: Callable[[], bool],
    expected: Mapping[str, Prediction],
    found: LoadTest,
    lock: threading.Lock,
) -> None:
    """Send one clip after another; after a 503, wait as long as its Retry-After states."""
    connection = http.client.HTTPConnection(place, timeout=120)
    turn = number
    while going() and len(found.broken) < MOST_BROKEN:
        clip = CLIPS[turn % len(CLIPS)]
        turn += 1
        began = time.monotonic()
        try:
            connection.request("POST", "/v1/emotions", *_form(clip))
            answer = connection.getresponse()
            body = json.loads(answer.read())
        except (OSError, http.client.HTTPException, ValueError) as error:
            with lock:
                found.broken.append(f"no answer: {type(error).__name__}: {error}")
            connection.close()
            continue
        wrong = difference(body, expected[clip.name]) if answer.status == 200 else ""
        with lock:
            found.statuses[answer.status] += 1
            if answer.status == 200:
                found.latencies.append(time.monotonic() - began)
            if wrong:
                found.broken.append(f"{clip.name}: {wrong}")
        if answer.status == 503:
            wait = time.monotonic() + float(answer.headers["Retry-After"])
            while going() and time.monotonic() < wait:
                time.sleep(0.05)
    connection.close()


def _resident(url: str) -> float:
    """The server's resident memory in bytes, from its metrics; Linux only."""
    with urllib.request.urlopen(f"{url}/metrics", timeout=30) as answer:
        found = re.search(r"^process_resident_memory_bytes (\S+)", answer.read().decode(), re.MULTILINE)
    return float(found[1]) if found else 0.0


def difference(body: Mapping, expected: Prediction) -> str:
    """Describe how an answer differs from `predict`'s; an empty text if it does not."""
    (segment,) = body["segments"]
    if segment["transcript"] != expected.transcript:
        return f"transcript {segment['transcript']!r} instead of {expected.transcript!r}"
    answered = segment["probabilities"]
    if list(answered) != list(expected.probabilities):
        return f"labels {list(answered)}"
    furthest = max(abs(answered[name] - value) for name, value in expected.probabilities.items())
    return f"probabilities off by {furthest:.5f}" if furthest > TOLERANCE else ""


def _form(clip: Path) -> tuple[bytes, dict[str, str]]:
    head = f'--{_BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="{clip.name}"\r\n\r\n'
    body = head.encode() + clip.read_bytes() + f"\r\n--{_BOUNDARY}--\r\n".encode()
    return body, {"Content-Type": f"multipart/form-data; boundary={_BOUNDARY}"}


def main(words: Sequence[str] | None = None) -> int:
    """Run the load test and print its figures and failures."""
    parser = argparse.ArgumentParser("python -m bench.serving_load", description="Load test of the server.")
    parser.add_argument("--seconds", type=float, default=120.0)
    parser.add_argument("--clients", type=int, default=16)
    parser.add_argument("--queue", type=int, default=12, help="fewer than the clients, so that some get a 503")
    parser.add_argument("--batch-size", type=int, default=8)
    parser.add_argument("--plain", type=float, default=0.0, metavar="SECONDS", help="also measure batches of one")
    parser.add_argument("--out", type=Path, help="the JSON file to write")
    given = parser.parse_args(words)
    runs = {f"batches of up to {given.batch_size}": (given.seconds, given.batch_size)}
    if given.plain:
        runs["one at a time"] = (given.plain, 1)
    results, broken = {}, []
    for name, (seconds, size) in runs.items():
        found = put_load(seconds, given.clients, ("--queue", given.queue, "--batch-size", size))
        results[name] = found.figures()
        broken += [f"{name}: {line}" for line in found.verdict()]
        print(f"{name}, {given.clients} clients, {seconds:g} s")
        for what, value in results[name].items():
            print(f"  {what.replace('_', ' '):28} {value:g}")
    print("\n".join(broken) or "no failures")
    if given.out:
        given.out.write_text(json.dumps({"runs": results, "broken": broken}, indent=2) + "\n", encoding="utf-8")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
