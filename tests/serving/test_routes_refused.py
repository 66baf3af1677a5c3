"""Requests that the server refuses: one line with the way out, and nothing of this machine."""

import getpass
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from rest_requests import ask, line_of
from serving_recordings import RECORDINGS, as_wav
from starlette.testclient import TestClient

from emosllm.serving.app import build_app
from emosllm.serving.service import Service


def test_a_system_that_reads_wants_to_be_told_what_is_said(serve, nano, clip):
    reading = type(nano)(nano.model, nano.processor)
    reading.processor = SimpleNamespace(takes_transcript=True, takes_audio=True, longest=nano.processor.longest)
    first = type(nano)(nano.model, nano.processor, "transcript-first")
    with serve(systems={"reader": reading, "first": first}) as client:
        assert "send the field `transcript` too" in line_of(ask(client, clip, model="first"), 422)
        assert ask(client, clip, model="first", transcript="So.").status_code == 200
        assert "send the field `transcript` too" in line_of(ask(client, clip), 422)
        assert "reader needs a transcript" in line_of(ask(client, clip, segments="true"), 422)


BAD = {
    "empty": (b"", "clip.flac is empty (0 bytes)"),
    "text": (b"no audio at all" * 100, "clip.flac is not audio"),
    "silent": (as_wav(np.zeros(16_000, np.float32)), "clip.flac is silent"),
    "short": (as_wav(np.ones(160, np.float32)), "too short"),
    "cut off": (RECORDINGS[0].read_bytes()[:3000], "clip.flac is truncated"),
}


@pytest.mark.parametrize(("audio", "words"), BAD.values(), ids=BAD)
@pytest.mark.parametrize("segments", ["false", "true"])
def test_a_bad_recording_is_told_in_one_line(client, audio, words, segments):
    if (words, segments) == (BAD["silent"][1], "true"):
        assert ask(client, audio, segments=segments).json()["segments"] == []  # a long recording may be silent
        return
    message = line_of(ask(client, audio, segments=segments), 422)
    assert words in message
    assert "given" not in message


def test_a_bad_recording_hurts_no_other(client, clip):
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda audio: ask(client, audio), [clip, b"broken", clip, b"", clip]))
    assert [answer.status_code for answer in answers] == [200, 422, 200, 422, 200]


def test_too_long_is_refused_with_the_way_out(client, serve, long_clip):
    assert "at most 30 s as one utterance: ask with segments=true" in line_of(ask(client, long_clip), 422)
    with serve(max_seconds=20.0) as strict:
        message = line_of(ask(strict, long_clip, segments="true"), 422)
    assert message.endswith("and this server takes at most 20 s: cut it")


def test_too_large_is_refused(serve, clip):
    with serve(max_bytes=1000) as client:
        assert "larger than 0.101 MB" in line_of(ask(client, bytes(300_000)), 413)


@pytest.mark.parametrize(
    ("sent", "words"),
    [
        ({"json": {"file": "x"}}, "the body is application/json: send multipart/form-data with a file named `file`"),
        ({"files": {"audio": b"x"}}, "the form has no file named `file`"),
        ({"files": {"file": b"x"}, "data": {"segments": "perhaps"}}, "segments: Input should be a valid boolean"),
        ({"files": {"file": b"x"}, "data": {"colour": "red"}}, "colour: Extra inputs are not permitted"),
        ({"files": [("file", b"x"), ("file", b"y")]}, "Too many files"),
    ],
)
def test_another_form_is_refused(client, sent, words):
    assert words in line_of(client.post("/v1/emotions", **sent), 422)


def test_other_paths_and_methods_are_told_in_one_line(client):
    assert "there is nothing here" in line_of(client.get("/v2/emotions"), 404)
    assert line_of(client.get("/v1/emotions"), 405) == "Method Not Allowed"


def test_the_token_is_asked_of_who_recognises(serve, clip):
    with serve(token="s3cret") as client:
        for wrong in ({}, {"Authorization": "Bearer s3cre"}, {"Authorization": "Basic s3cret"}):
            answer = client.post("/v1/emotions", files={"file": clip}, headers=wrong)
            assert "Authorization: Bearer" in line_of(answer, 401)
            assert answer.headers["www-authenticate"] == "Bearer"
            assert client.get("/metrics", headers=wrong).status_code == 401
        client.headers["Authorization"] = "Bearer s3cret"
        assert ask(client, clip).status_code == 200
        assert client.get("/metrics").status_code == 200
        del client.headers["Authorization"]
        assert client.get("/healthz").json() == {"status": "ok", "models": ["nano"], "waiting": 0, "uploads": 0}


def test_a_full_queue_is_a_clear_503(serve, clip):
    with serve(queue=1) as client:
        service = client.app.state.service
        with service.batcher.admit("somebody"):
            answer = ask(client, clip)
        assert "the queue is full (1 requests); retry in 1 s" in line_of(answer, 503)
        assert answer.headers["retry-after"] == "1"
        assert ask(client, clip).status_code == 200


def test_a_stopping_server_says_so(serve, clip):
    with serve() as client:
        client.app.state.service.batcher.refuse_more()
        assert "stopping" in line_of(ask(client, clip), 503)
        answer = client.get("/healthz")
        assert (answer.status_code, answer.json()["status"]) == (503, "stopping")


def test_what_is_our_fault_is_told_without_its_words(serve, nano, clip, caplog):
    broken = type(nano)(nano.model, nano.processor)
    broken.recognise = lambda *_: (_ for _ in ()).throw(RuntimeError(f"no memory at {sys.prefix}"))
    with serve(systems={"broken": broken}) as client:
        assert line_of(ask(client, clip), 500) == "the server failed to process this request; its log says why"
        assert client.get("/healthz").status_code == 200
    assert "no memory" in caplog.text


def test_no_answer_names_a_path_of_this_machine(serve, clip, long_clip):
    with serve(page=True) as client:
        answers = [
            ask(client, clip),
            ask(client, long_clip, segments="true"),
            ask(client, b"broken"),
            ask(client, clip, "/etc/secret/clip.flac"),
            ask(client, clip, "C:\\Users\\me\\clip.flac"),
            *(client.get(path) for path in ("/", "/config", "/openapi.json", "/v1/models", "/healthz", "/metrics")),
        ]
    here = {str(Path.home()), sys.prefix, tempfile.gettempdir(), str(Path.cwd()), str(Path(__file__).parents[2])}
    for answer in answers:
        for place in here - {"/"}:
            assert place not in answer.text, (answer.url, place)
    assert getpass.getuser()
    assert {answer.json()["recording"] for answer in answers[3:5]} == {"clip.flac"}


def test_other_sites_may_neither_read_nor_ask(serve, clip):
    elsewhere = {"Origin": "https://elsewhere.example"}
    with serve(page=True) as client:
        for path in ("/", "/v1/models", "/healthz", "/config"):
            answer = client.get(path, headers=elsewhere)
            assert "pages of https://elsewhere.example may not use" in line_of(answer, 403)
            assert "access-control-allow-origin" not in answer.headers
            same = client.get(path, headers={"Origin": "http://testserver"})
            assert same.status_code == 200
            assert not [name for name in same.headers if name.startswith("access-control")]
        answer = client.post("/v1/emotions", files={"file": clip}, headers=elsewhere)
        assert answer.status_code == 403
        answer = client.options("/v1/emotions", headers={**elsewhere, "Access-Control-Request-Method": "POST"})
        assert answer.status_code == 403
        counts = client.get("/metrics").text
    assert "emosllm_batch_size_count 0.0" in counts


def test_a_local_server_goes_by_local_names(nano):
    with TestClient(build_app(Service({"nano": nano}), page=False, only_local=True)) as client:
        for name in ("127.0.0.1:7860", "localhost", "[::1]:7860"):
            assert client.get("/healthz", headers={"Host": name}).status_code == 200
        answer = client.get("/healthz", headers={"Host": "rebound.example:7860"})
        assert "127.0.0.1 or localhost, not 'rebound.example:7860'" in line_of(answer, 403)
