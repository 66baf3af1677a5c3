"""Clients that send slowly, stop half-way or send nonsense: they take no places, and nothing of them stays."""

import asyncio
import contextlib
import random
import signal
import socket
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from bench.live_server import serving
from emosllm.serving.batcher import BusyError
from emosllm.serving.error_responses import TooSlowError
from emosllm.serving.guards.uploads_in_progress import IncomingBody, UploadLimits, UploadsInProgress

httpx = pytest.importorskip("httpx", reason="httpx is not installed")
pytest.importorskip("gradio", reason="the extra `serve` is not installed")

FORM = b'--x\r\nContent-Disposition: form-data; name="file"; filename="clip.flac"\r\n\r\n'


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """A server with a page whose temporary folder is known."""
    folder = tmp_path_factory.mktemp("temporary")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TMPDIR", str(folder))
        patch.delenv("GRADIO_TEMP_DIR", raising=False)
        patch.setattr(tempfile, "tempdir", None)
        with serving("--max-megabytes", 2) as live:
            live.folder = folder
            yield live


def connected(live) -> socket.socket:
    host, port = live.url.removeprefix("http://").split(":")
    return socket.create_connection((host, int(port)), timeout=30)


def head(length: int, path: str = "/v1/emotions") -> bytes:
    lines = [f"POST {path} HTTP/1.1", "Host: 127.0.0.1", "Content-Type: multipart/form-data; boundary=x"]
    return "\r\n".join([*lines, f"Content-Length: {length}", "", ""]).encode()


def uploads(live) -> int:
    return httpx.get(f"{live.url}/healthz").json()["uploads"]


def reply(connection: socket.socket) -> bytes:
    """What the server says before it closes the connection."""
    parts = []
    with contextlib.suppress(OSError):
        while part := connection.recv(1 << 16):
            parts.append(part)
    return b"".join(parts)


def within(seconds: float, expected) -> bool:
    """Whether something becomes true in time."""
    until = time.monotonic() + seconds
    while not (met := expected()) and time.monotonic() < until:
        time.sleep(0.05)
    return met


def test_a_byte_a_second_takes_no_place(server, clip):
    slow = [connected(server) for _ in range(40)]  # more than the queue has places
    headless = connected(server)
    headless.sendall(b"POST /v1/emotions HTTP/1.1\r\nHost: 127.0.0.1\r\nX: ")
    for path, connection in zip(["/v1/emotions", "/v1/audio/transcriptions", "/page/results"] * 20, slow, strict=False):
        connection.sendall(head(100_000, path) + FORM)
    assert within(5, lambda: uploads(server) == 40)
    for _ in range(8):
        for connection in (*slow, headless):
            connection.sendall(b"y")
        answer = httpx.post(f"{server.url}/v1/emotions", files={"file": ("clip.flac", clip)}, timeout=30)
        assert answer.status_code == 200
        time.sleep(1)
    for connection in slow:
        answer = reply(connection)
        assert answer.startswith(b"HTTP/1.1 408"), answer
        assert b'"the upload is too slow: the server takes 1 kB/s or more, for at most 300 s"' in answer
        connection.close()
    assert reply(headless) == b""  # closed
    headless.close()
    assert uploads(server) == 0
    assert len(server.lines) == 1, server.lines


def test_a_stop_does_not_wait_for_uploads_or_readers(tmp_path):
    with serving() as live:
        half = [connected(live) for _ in range(3)]
        for connection in half:
            connection.sendall(head(100_000) + FORM)
        headless, reader = connected(live), connected(live)
        headless.sendall(b"POST /v1/emotions HTTP/1.1\r\nHost: 127.0.0.1\r\n")
        reader.sendall(b"GET /config HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n" * 200)  # reads no answer
        assert within(5, lambda: uploads(live) == 3)
        began = time.monotonic()
        live.process.send_signal(signal.SIGTERM)
        for connection in half:
            answer = reply(connection)
            assert answer.startswith(b"HTTP/1.1 503")
            assert b"the server is stopping" in answer
        assert time.monotonic() - began < 5
        assert live.process.wait(60) == 0
        # Python's own end takes 2 s of a processor, after an idle server too. A busy machine makes it longer.
        assert time.monotonic() - began < 15
        for connection in (*half, headless, reader):
            connection.close()
        told = [line for line in live.lines[1:] if "graceful shutdown exceeded" not in line]
        assert set(told) <= {"emosllm: ASGI callable returned without completing response."}, live.lines


def test_many_silent_connections_keep_nobody_out(server, clip):
    silent = [connected(server) for _ in range(700)]
    answer = httpx.post(f"{server.url}/v1/emotions", files={"file": ("clip.flac", clip)}, timeout=30)
    assert answer.status_code == 200
    assert reply(silent[0]) == b""  # the oldest one made room
    for connection in silent:
        connection.close()
    assert len(server.lines) == 1, server.lines


def mutated(request: bytes, chance: random.Random) -> bytes:
    """A request with a few bytes changed, removed, repeated or replaced by hostile ones."""
    parts = bytearray(request)
    hostile = [
        b"\x00",
        b"\r\n",
        b"\xff\xfe",
        b"%00",
        b"../" * 20,
        b"[" * 500,
        b"9" * 30,
        b": ",
        b"/dev/zero",
        b"\xed\xa0\x80",
    ]
    for _ in range(chance.randint(1, 4)):
        at, size = chance.randrange(len(parts)), chance.randint(1, 20)
        kind = chance.randrange(4)
        if kind == 0:
            parts[at] = chance.randrange(256)
        elif kind == 1:
            del parts[at : at + size]
        elif kind == 2:
            parts[at:at] = parts[at : at + size] * chance.randint(1, 50)
        else:
            parts[at:at] = chance.choice(hostile)
        parts = parts or bytearray(b" ")
    return bytes(parts)


def requests(clip: bytes) -> list[bytes]:
    """A request to each route, whole."""
    host = b"Host: 127.0.0.1\r\nOrigin: http://127.0.0.1\r\n"
    paths = ["/", "/config", "/theme.css", "/static/img/logo.svg", "/assets/x.js", "/v1/models", "/v1/models/nano"]
    paths += ["/healthz", "/metrics", "/openapi.json", "/gradio_api/file=/etc/hostname"]
    found = [f"GET {path} HTTP/1.1\r\n".encode() + host + b"\r\n" for path in paths]
    fields = b"".join(
        b'\r\n--x\r\nContent-Disposition: form-data; name="%s"\r\n\r\n%s' % pair
        for pair in ((b"model", b"nano"), (b"session", b"room"), (b"transcript", b"So."))
    )
    form = FORM + clip[:3000] + fields + b"\r\n--x--\r\n"
    call = b'{"data": [{"path": "/dev/zero", "meta": {"_type": "gradio.FileData"}}], "fn_index": 0}'
    found += [head(len(form), path) + form for path in ("/v1/emotions", "/v1/audio/transcriptions") * 4]
    for path in ("/page/results", "/gradio_api/run/predict"):
        found.append(head(len(call), path).replace(b"multipart/form-data; boundary=x", b"application/json") + call)
    return found


def rss(live) -> float:
    """Resident memory of a server, in MB."""
    status = Path(f"/proc/{live.process.pid}/status")
    if not status.exists():
        pytest.skip("the memory of a process is read from /proc")
    return int(status.read_text().split("VmRSS:")[1].split()[0]) / 1000


def test_mutated_requests_leave_nothing_behind(server, clip):
    def ask(request: bytes) -> bytes:
        with connected(server) as connection:
            connection.settimeout(0.7)  # an incomplete request has no answer
            with contextlib.suppress(OSError):
                connection.sendall(request)
            answer = b""
            with contextlib.suppress(OSError):
                answer = connection.recv(1 << 16)
            return answer

    chance, plain = random.Random(16), requests(clip)
    with ThreadPoolExecutor(8) as pool:
        whole = list(pool.map(ask, plain))
        assert {answer[9:12] for answer in whole} == {b"200", b"404", b"422"}
        list(pool.map(ask, [mutated(chance.choice(plain), chance) for _ in range(100)]))
        files, memory = sorted(server.folder.rglob("*")), rss(server)
        answers = list(pool.map(ask, [mutated(chance.choice(plain), chance) for _ in range(300)]))
    statuses = {answer[9:12] for answer in answers}
    assert len(statuses) >= 5
    assert b"500" not in statuses
    assert within(15, lambda: uploads(server) == 0)
    assert sorted(server.folder.rglob("*")) == files
    assert rss(server) - memory < 60
    assert len(server.lines) == 1, server.lines  # nonsense does not fill the log
    answer = httpx.post(f"{server.url}/v1/emotions", files={"file": ("clip.flac", clip)}, timeout=30)
    assert answer.status_code == 200


def arriving(*parts: tuple[float, int]):
    """A `receive` whose parts come after so many seconds."""
    left = list(parts)

    async def receive():
        seconds, size = left.pop(0)
        await asyncio.sleep(seconds)
        return {"type": "http.request", "body": bytes(size), "more_body": bool(left)}

    return receive


def read(limits: UploadLimits, *parts: tuple[float, int], before: float = 0.0) -> int:
    """Bytes that arrive under these limits; `before` is the time that the server itself takes between two parts."""

    async def all_parts() -> int:
        body, receive = IncomingBody(UploadsInProgress(limits, 10**6)), arriving(*parts)
        while (await body.next(receive))["more_body"]:
            await asyncio.sleep(before)
        return body.seen

    return asyncio.run(all_parts())


def test_the_least_rate_counts_every_part_and_the_deadline_all_of_them():
    limits = UploadLimits(part_bytes=1000, part_seconds=0.3, seconds=1.0)
    assert read(limits, (0.05, 500), (0.05, 100)) == 600
    assert read(limits, *[(0.1, 1000)] * 4) == 4000
    with pytest.raises(TooSlowError):  # much at first, then nothing
        read(limits, (0.0, 100_000), (0.5, 1))
    with pytest.raises(TooSlowError):  # a little all the time
        read(limits, *[(0.1, 10)] * 9)
    with pytest.raises(TooSlowError):  # fast enough, for too long
        read(limits, *[(0.1, 1000)] * 15)
    assert read(limits, *[(0.0, 500)] * 4, before=0.2) == 2000  # the server's own time does not count


def test_the_slowest_upload_makes_room(monkeypatch):
    monkeypatch.setattr("emosllm.serving.guards.uploads_in_progress._EVICTABLE", 0.2)

    async def together() -> None:
        uploads = UploadsInProgress(UploadLimits(most=2), most_bytes=1000)
        slow, slower, late, large = (IncomingBody(uploads) for _ in range(4))
        uploads.enter(slower)
        waiting = asyncio.ensure_future(slower.next(arriving((9.0, 1))))
        uploads.enter(slow)
        with pytest.raises(BusyError, match="2 uploads are in progress"):
            uploads.enter(late)
        await asyncio.sleep(0.3)
        uploads.enter(late)
        with pytest.raises(TooSlowError, match="slower than those of other clients"):
            await waiting
        assert len(uploads) == 2
        uploads.leave(slow)
        uploads.enter(large)
        with pytest.raises(BusyError, match="fill the memory"):
            await large.next(arriving((0.0, 1001)))
        uploads.stop()
        with pytest.raises(BusyError, match="stopping"):
            await late.next(arriving((0.0, 1)))
        with pytest.raises(BusyError, match="stopping"):
            uploads.enter(slow)

    asyncio.run(together())
