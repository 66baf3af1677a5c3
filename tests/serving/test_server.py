"""A real server in a process of its own: OpenAI's client, uploads without end, clients that leave, a graceful stop."""

import contextlib
import http.client
import re
import signal
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from serving_recordings import RECORDINGS

from bench.live_server import serving

httpx = pytest.importorskip("httpx", reason="httpx is not installed")
openai = pytest.importorskip("openai", reason="openai is not installed")

TOKEN = "correct-horse-battery"


@pytest.fixture(scope="module")
def server(tmp_path_factory, talking):
    token = tmp_path_factory.mktemp("token") / "token"
    token.write_text(TOKEN + "\n", encoding="utf-8")
    with serving("--no-page", "--token-file", token, "--max-megabytes", 2, "--queue", 4, "--compare", talking) as live:
        yield live


@pytest.fixture(scope="module")
def client(server):
    return openai.OpenAI(base_url=f"{server.url}/v1", api_key=TOKEN, max_retries=0)


def test_it_says_where_it_is_and_warns_of_nothing(server):
    assert len(server.lines) == 1
    assert server.lines[0].startswith("emosllm: nano, talker at http://127.0.0.1:")


def test_openais_client_gets_a_transcript(client, talker, clip):
    answer = client.audio.transcriptions.create(file=("clip.flac", clip), model="talker")
    assert answer.text == talker(clip).transcript
    text = client.audio.transcriptions.create(file=("clip.flac", clip), model="talker", response_format="text")
    assert text == talker(clip).transcript + "\n"


def test_openais_client_gets_no_transcript_of_a_system_that_does_not_transcribe(client, clip):
    for model in ("nano", "whisper-1"):
        with pytest.raises(openai.UnprocessableEntityError, match="nano recognises emotions without transcribing"):
            client.audio.transcriptions.create(file=("clip.flac", clip), model=model)


def test_openais_client_gets_emotions_by_segment(client, long_clip):
    answer = client.audio.transcriptions.create(
        file=("long.wav", long_clip),
        model="talker",
        response_format="verbose_json",
        timestamp_granularities=["segment"],
        language="en",
    )
    assert answer.language == "en"
    assert answer.text == " ".join(segment.text for segment in answer.segments if segment.text)
    assert len(answer.segments) >= 6
    assert any(segment.text for segment in answer.segments)
    for number, segment in enumerate(answer.segments):
        assert segment.id == number
        assert 0 <= segment.start < segment.end <= float(answer.duration) + 0.1
        assert (segment.compression_ratio > 0) == bool(segment.text)
        emotion = segment.emotion
        assert emotion["label"] == max(emotion["probabilities"], key=emotion["probabilities"].get)
        assert sum(emotion["probabilities"].values()) == pytest.approx(1, abs=1e-3)


def test_a_long_recording_has_a_transcript_too(client, long_clip):
    plain = client.audio.transcriptions.create(file=("long.wav", long_clip), model="talker")
    verbose = client.audio.transcriptions.create(
        file=("long.wav", long_clip), model="talker", response_format="verbose_json"
    )
    assert plain.text == verbose.text


def test_openais_client_gets_subtitles(client, long_clip):
    srt, vtt = (
        client.audio.transcriptions.create(file=("long.wav", long_clip), model="talker", response_format=kind)
        for kind in ("srt", "vtt")
    )
    assert srt.startswith("1\n00:00:0")
    assert srt.count(" --> ") == vtt.count(" --> ") >= 6
    assert vtt.startswith("WEBVTT\n\n")


def test_openais_client_shows_our_errors_as_its_own(client, server, clip):
    with pytest.raises(openai.UnprocessableEntityError, match=r"clip\.wav is not audio"):
        client.audio.transcriptions.create(file=("clip.wav", b"no audio"), model="talker")
    with pytest.raises(openai.UnprocessableEntityError, match=r"timestamp_granularities\.0: Input should be 'segment'"):
        client.audio.transcriptions.create(file=clip, model="talker", timestamp_granularities=["word"])
    with pytest.raises(openai.UnprocessableEntityError, match="stream: Input should be False"):
        client.audio.transcriptions.create(file=clip, model="talker", stream=True)
    with pytest.raises(openai.AuthenticationError, match="requires its token"):
        openai.OpenAI(base_url=f"{server.url}/v1", api_key="wrong").models.list()
    assert [model.id for model in client.models.list()] == ["nano", "talker"]


def headers(**more):
    return {"Authorization": f"Bearer {TOKEN}", "Content-Type": "multipart/form-data; boundary=x", **more}


def taken_by(server, **known):
    """Requests that it works on."""
    text = httpx.get(f"{server.url}/metrics", **known).text
    return float(re.search(r"^emosllm_queue_requests (\S+)", text, re.MULTILINE)[1])


def host_of(server):
    return server.url.removeprefix("http://")


def test_ten_gigabytes_announced_are_refused_before_a_byte_is_read(server):
    connection = http.client.HTTPConnection(host_of(server), timeout=20)
    connection.putrequest("POST", "/v1/emotions")
    for name, value in headers(**{"Content-Length": str(10**10)}).items():
        connection.putheader(name, value)
    connection.endheaders()
    answer = connection.getresponse()
    assert answer.status == 413
    assert b"larger than 2.1 MB" in answer.read()
    connection.close()


def test_ten_gigabytes_unannounced_are_refused_early(server):
    """A body in chunks has no length: it is counted as it comes."""
    host, port = host_of(server).split(":")
    head = "\r\n".join(["POST /v1/emotions HTTP/1.1", f"Host: {host}"])
    named = headers(**{"Transfer-Encoding": "chunked"})
    head += "".join(f"\r\n{name}: {value}" for name, value in named.items()) + "\r\n\r\n"
    part = b'--x\r\nContent-Disposition: form-data; name="file"; filename="big.wav"\r\n\r\n'
    chunk, sent = bytes(1 << 16), 0
    with socket.create_connection((host, int(port)), timeout=20) as connection:
        connection.sendall(head.encode() + f"{len(part):x}\r\n".encode() + part + b"\r\n")
        with contextlib.suppress(ConnectionError):
            while sent < 10**10:
                connection.sendall(f"{len(chunk):x}\r\n".encode() + chunk + b"\r\n")
                sent += len(chunk)
    assert sent < 20e6  # the limit, what is drained, and what the kernel keeps on its way


def test_who_leaves_gives_the_place_free(server, long_clip):
    def give_up():
        with contextlib.suppress(httpx.TimeoutException):
            httpx.post(
                f"{server.url}/v1/emotions",
                files={"file": long_clip},
                data={"segments": "true"},
                headers={"Authorization": f"Bearer {TOKEN}"},
                timeout=0.2,
            )

    with ThreadPoolExecutor(4) as pool:
        for _ in range(4):
            pool.submit(give_up)
    known = {"Authorization": f"Bearer {TOKEN}"}
    patience = time.monotonic() + 20
    while taken_by(server, headers=known) and time.monotonic() < patience:
        time.sleep(0.05)
    text = httpx.get(f"{server.url}/metrics", headers=known).text
    assert "emosllm_queue_requests 0.0" in text
    assert "emosllm_queue_clips 0.0" in text


def test_a_queue_that_is_full_refuses_and_the_rest_is_answered(server, clip):
    known = {"Authorization": f"Bearer {TOKEN}"}

    def ask(_):
        return httpx.post(f"{server.url}/v1/emotions", files={"file": clip}, headers=known, timeout=60)

    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(ask, range(48)))
    statuses = {answer.status_code for answer in answers}
    assert statuses == {200, 503}
    for answer in answers:
        if answer.status_code == 503:
            assert 1 <= int(answer.headers["retry-after"]) <= 60
            assert "queue is full (4 requests)" in answer.json()["error"]["message"]
    labels = {answer.json()["emotion"]["label"] for answer in answers if answer.status_code == 200}
    assert len(labels) == 1


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_stopping_finishes_what_was_taken(number):
    with serving("--no-page") as live:
        answers = []

        def ask(path: Path) -> None:
            try:
                answer = httpx.post(f"{live.url}/v1/emotions", files={"file": path.read_bytes()}, timeout=60)
                answers.append(answer.status_code)
            except httpx.TransportError:  # came too late to be taken
                answers.append(503)

        askers = [threading.Thread(target=ask, args=(path,)) for path in RECORDINGS * 3]
        for asker in askers:
            asker.start()
        while not (taken := taken_by(live)):
            time.sleep(0.001)
        assert live.stop(number) == 0
        for asker in askers:
            asker.join(10)
        assert answers.count(200) >= taken >= 1
        assert set(answers) <= {200, 503}
        assert live.lines[1:] == []
        with pytest.raises(httpx.ConnectError):
            httpx.get(f"{live.url}/healthz")
