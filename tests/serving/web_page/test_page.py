"""The page without a browser: nothing in it leads elsewhere, needless routes are closed, what is drawn is escaped."""

import json
import os
import re
import socket
import tempfile
from pathlib import Path

import pytest
from serving_recordings import RECORDINGS

pytest.importorskip("gradio", reason="the extra `serve` is not installed")

from emosllm.serving.schemas import Emotions, Turn
from emosllm.serving.web_page.results_html import results_html


@pytest.fixture(scope="module")
def served(serve):
    with serve(page=True) as client:
        yield client


def test_the_page_fetches_nothing_from_elsewhere(served):
    html = served.get("/").text
    assert "What does this voice sound like?" in html
    fetched = re.findall(r"<(?:script|img|iframe|audio|video|source)[^>]*\ssrc=[\"']?([^\"'>\s]+)", html)
    fetched += re.findall(r"<link[^>]*\shref=[\"']?([^\"'>\s]+)", html)
    assert fetched
    assert not [place for place in fetched if re.match(r"(?:https?:)?//", place)], fetched
    css = served.get("/theme.css").text
    assert not re.search(r"url\([\"']?(?:https?:)?//|@import", css)


def test_browsers_are_told_to_talk_to_nobody_else(served):
    for path in ("/", "/healthz", "/config", "/nothing"):
        policy = served.get(path).headers["content-security-policy"]
        assert "default-src 'self'" in policy
        assert "http" not in policy
    assert served.get("/").headers["referrer-policy"] == "no-referrer"


def test_gradio_calls_nobody():
    assert os.environ["GRADIO_ANALYTICS_ENABLED"] == "False"
    from emosllm.serving.web_page.page import page

    assert page({"nano": False}, asks_token=False).analytics_enabled is False


def test_the_server_calls_nobody(serve, clip, monkeypatch):
    called = []
    for name in ("connect", "connect_ex"):
        plain = getattr(socket.socket, name)
        noted = lambda self, address, plain=plain: (called.append(address), plain(self, address))[1]  # noqa: E731
        monkeypatch.setattr(socket.socket, name, noted)
    looked_up = []
    plain_lookup = socket.getaddrinfo
    monkeypatch.setattr(socket, "getaddrinfo", lambda *a, **k: (looked_up.append(a[0]), plain_lookup(*a, **k))[1])
    with serve(page=True) as client:
        assert client.get("/").status_code == 200
        assert client.post("/v1/emotions", files={"file": clip}, data={"segments": "true"}).status_code == 200
    assert [address for address in called if address[0] not in ("127.0.0.1", "::1")] == []
    assert [host for host in looked_up if host not in ("127.0.0.1", "localhost", "::1")] == []


@pytest.mark.parametrize(
    "path",
    [
        "/gradio_api/upload",
        "/gradio_api/file=/etc/hostname",
        "/file=/etc/hostname",
        "/gradio_api/proxy=https://example.org",
        "/gradio_api/queue/join",
        "/gradio_api/call/predict",
        "/gradio_api/info",
        "/gradio_api/component_server",
        "/gradio_api/runs",
        "/gradio_api/deep_link",
        "/monitoring",
        "/login",
        "/docs",
    ],
)
def test_routes_that_the_page_does_not_need_are_closed(served, path):
    for answer in (served.get(path), served.post(path, files={"files": b"voice"})):
        assert answer.status_code == 404
        assert "there is nothing here" in answer.json()["error"]["message"]


def test_gradios_cache_stays_empty(serve, clip):
    cache = Path(os.environ.get("GRADIO_TEMP_DIR") or Path(tempfile.gettempdir()) / "gradio")
    before = sorted(cache.rglob("*")) if cache.exists() else []
    with serve(page=True) as client:
        answer = client.post("/v1/emotions", files={"file": ("clip.flac", clip)}).json()
        results_html(json.dumps({"answers": [answer]}))
        client.get("/")
    assert (sorted(cache.rglob("*")) if cache.exists() else []) == before


def emotions(label="sad", transcript="Kids are talking by the door.", **changed) -> Emotions:
    turn = Turn(
        label=label,
        confidence=0.75,
        probabilities={"angry": 0.25, "sad": 0.75},
        start=0.0,
        end=2.0,
        transcript=transcript,
        transcript_from="model",
        cues={"pitch": 200.0, "jitter": 0.01},
        cues_in_words={},
        error=None,
    )
    facts = {
        "recording": "clip.wav",
        "duration": 2.0,
        "model": "nano",
        "labels": ["angry", "sad"],
        "emotion": turn,
        "shares": turn.probabilities,
        "segments": [turn],
    }
    return Emotions.model_validate({**facts, **changed})


def drawn(*answers: Emotions) -> str:
    return results_html(json.dumps({"answers": [answer.model_dump() for answer in answers]}))


def test_what_is_recognised_is_drawn():
    html = drawn(emotions())
    assert re.search(r'class="em-name-of">sad<', html)
    assert "75%" in html
    assert "Kids are talking by the door." in html
    assert "200.0 Hz" in html
    assert "1.0%" in html
    assert html.index(">sad<") < html.index(">angry<")  # the most probable one first
    assert re.findall(r'download="([^"]+)"', html) == [
        f"clip.nano.{kind}" for kind in ("csv", "json", "srt", "TextGrid")
    ]


def test_words_are_shown_with_where_they_come_from_or_not_at_all():
    assert "transcript by the system" in drawn(emotions())
    for source, told in (("given", "as you gave it"), ("asr scribe", "by asr scribe")):
        heard = emotions().segments[0].model_copy(update={"transcript_from": source})
        assert f"transcript {told}" in drawn(emotions(segments=[heard]))
        assert f"transcript {told}" in drawn(emotions(emotion=None, segments=[heard, heard]))
    silent = emotions().segments[0].model_copy(update={"transcript": None, "transcript_from": None})
    for html in (drawn(emotions(segments=[silent])), drawn(emotions(emotion=None, segments=[silent]))):
        assert "em-said" not in html
        assert "em-words" not in html
        assert "the words" not in html


def test_answers_in_free_words_have_no_numbers():
    free = emotions().segments[0].model_copy(update={"probabilities": {}, "confidence": None})
    html = drawn(emotions(segments=[free], shares={}))
    assert re.search(r'class="em-name-of">sad<', html)
    assert "without probabilities" in html
    assert "0%" not in html.replace("1.0%", "")
    unnamed = free.model_copy(update={"label": None})
    assert "no emotion named" in drawn(emotions(segments=[unnamed], shares={}))


def test_what_comes_from_outside_is_escaped():
    evil = "<img src=x onerror=alert(1)>\"'"
    html = drawn(emotions(transcript=evil, recording=evil, model=evil)) + results_html(json.dumps({"error": evil}))
    html += drawn(emotions(emotion=None, transcript=evil))
    assert "<img" not in html
    assert "&lt;img" in html


def test_errors_are_one_line():
    assert (
        results_html(json.dumps({"error": "clip.wav is silent"}))
        == '<p class="em-error" role="alert">clip.wav is silent</p>'
    )
    assert "could not be read" in results_html("no JSON")
    assert "no speech was found" in drawn(emotions(emotion=None, segments=[]))


def test_turns_can_be_clicked(served):
    answer = served.post("/v1/emotions", files={"file": RECORDINGS[0].read_bytes()}, data={"segments": "true"}).json()
    html = results_html(json.dumps({"answers": [answer]}))
    (turn,) = answer["segments"]
    assert html.count(f'data-turn="0" data-start="{turn["start"]}" data-end="{turn["end"]}"') == 2
    assert "1</b> turns" not in html
    assert "<b>1</b> turn," in html
