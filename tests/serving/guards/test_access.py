"""Every route, Gradio's included, asks for token, Host and Origin; a path that a client names is never opened."""

import json
import os
import re
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from starlette.routing import Mount, Route
from starlette.testclient import TestClient

pytest.importorskip("gradio", reason="the extra `serve` is not installed")

from emosllm.serving.app import build_app
from emosllm.serving.service import ServerLimits, Service
from emosllm.serving.web_page.page import RESULTS_PATH

TOKEN = {"Authorization": "Bearer correct-horse-battery"}
PUBLIC = {"/", "/config", "/theme.css", "/favicon.ico", "/manifest.json", "/robots.txt", "/healthz", "/openapi.json"}
MARK = "named-by-a-client"
HOSTS = ["[bad", "bad]", "[::1", "rebound.example", "127.0.0.1.rebound.example", "me@localhost", "", "a b", "::1", "[]"]
ORIGINS = ["https://elsewhere.example", "null", "http://[bad", "http://localhost:1", "localhost", "http://localhost@b"]

opened: list[str] = []


def _note(event: str, arguments: tuple) -> None:
    if event == "open" and MARK in str(arguments[0]):
        opened.append(str(arguments[0]))


sys.addaudithook(_note)  # sees every file that this process opens


@pytest.fixture(scope="module")
def guarded(nano):
    """A client of a local server with a page and a token; it sends no token of its own."""
    app = build_app(Service({"nano": nano}), "correct-horse-battery", only_local=True)
    with TestClient(app, "http://localhost", raise_server_exceptions=False) as client:
        yield client


def routes_of(app) -> list[tuple[str, str]]:
    """Method and path of all routes of an app and of what it mounts, with parameters filled."""
    found = set()

    def walk(routes, prefix):
        for route in routes:
            if isinstance(route, Mount):
                walk(route.routes, prefix + route.path)
            elif isinstance(route, Route):
                path = re.sub(r"\{[^}]*\}", "x", prefix + route.path)
                found.update((method, path) for method in route.methods or {"GET"})
            elif hasattr(route, "original_router"):
                walk(route.original_router.routes, prefix)

    walk(app.routes, "")
    return sorted(found)


@pytest.fixture(scope="module")
def routes(guarded):
    found = routes_of(guarded.app)
    paths = {path for _, path in found}
    assert {"/v1/emotions", "/v1/models", "/v1/models/x", "/v1/audio/transcriptions", "/metrics", RESULTS_PATH} <= paths
    assert {"/gradio_api/run/x", "/gradio_api/upload", "/gradio_api/queue/join", "/gradio_api/file=x"} <= paths
    return found


def refused(answer, *statuses) -> str:
    """The one line of a refusal."""
    assert answer.status_code in statuses, (answer.request.method, answer.url, answer.status_code, answer.text[:200])
    if answer.request.method == "HEAD":
        return ""
    message = answer.json()["error"]["message"]
    assert message
    assert "\n" not in message
    return message


def test_no_route_answers_without_the_token(guarded, routes):
    for method, path in routes:
        for headers in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": "Basic correct-horse-battery"}):
            answer = guarded.request(method, path, headers=headers)
            if path in PUBLIC and method in ("GET", "HEAD"):
                assert answer.status_code in (200, 404), (method, path)  # Gradio reads some by GET alone
            else:
                assert refused(answer, 401, 404) or method == "HEAD", (method, path)
    assert refused(guarded.post("/v1/emotions"), 401)
    assert refused(guarded.post(RESULTS_PATH, content=b"{}"), 401)


@pytest.mark.parametrize("host", HOSTS)
def test_no_route_answers_to_another_name(guarded, routes, host):
    for method, path in routes:
        answer = guarded.request(method, path, headers={**TOKEN, "Host": host})
        assert refused(answer, 403) or method == "HEAD", (method, path)  # an answer to HEAD has no body


@pytest.mark.parametrize("host", ["[bad", "", "a b", "a/b"])
def test_a_public_server_refuses_a_host_that_is_no_name(serve, host):
    with serve() as client:
        assert "the header Host is" in refused(client.get("/healthz", headers={"Host": host}), 403)


@pytest.mark.parametrize("origin", ORIGINS)
def test_no_route_answers_to_a_page_of_another_site(guarded, routes, origin):
    for method, path in routes:
        answer = guarded.request(method, path, headers={**TOKEN, "Origin": origin})
        assert refused(answer, 403) or method == "HEAD", (method, path)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """The temporary folder, with a file and a pipe that a client names; opening the pipe would wait for ever."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path / "gradio"))
    monkeypatch.setattr(tempfile, "tempdir", None)
    (tmp_path / f"{MARK}.wav").write_text("secret", encoding="utf-8")
    os.mkfifo(tmp_path / f"{MARK}.pipe")
    opened.clear()
    return tmp_path


def bodies(path: str) -> list[object]:
    """Bodies that name a file, as Gradio's clients send them."""
    file = {"path": path, "meta": {"_type": "gradio.FileData"}, "orig_name": "x.wav", "url": f"file://{path}"}
    call = {"data": [file, "auto", [], "", False, ""], "fn_index": 0, "session_hash": "x", "event_id": "x"}
    return [call, {**call, "data": [[file], {"deep": [file]}]}, {"files": [file]}, file, [file], path]


def test_a_path_in_a_body_is_never_opened(guarded, routes, folder):
    before = sorted(folder.rglob("*"))
    for name in (f"{folder}/{MARK}.wav", f"{folder}/{MARK}.pipe", "/dev/zero", f"../../{MARK}.wav"):
        for method, path in routes:
            if method == "POST":
                for body in bodies(name):
                    answer = guarded.post(path, json=body, headers=TOKEN)
                    assert "secret" not in answer.text
                    if path == RESULTS_PATH:
                        assert "could not be read" in answer.text
                    else:
                        refused(answer, 404, 422)
    assert opened == []
    assert sorted(folder.rglob("*")) == before


def test_a_path_in_an_address_or_a_form_is_never_opened(guarded, folder, clip):
    name = f"{folder}/{MARK}.wav"
    escaped = name.replace("/", "%2F")
    for path in ("/assets/", "/static/", "/svelte/", "/gradio_api/file=", "/file=", "/gradio_api/file/", "/v1/models/"):
        for tail in (name, escaped, f"..{name}", f"..%2F..{escaped}", f"{escaped}%00", f"%5C..%5C{MARK}.wav"):
            answer = guarded.get(path + tail, headers=TOKEN)
            assert "secret" not in answer.text
            refused(answer, 404)
    for path in ("/", "/config", "/theme.css"):
        query = {"deep_link": f"../../{MARK}", "file": name, "path": name, "__theme": "dark"}
        assert guarded.get(path, params=query, headers={"Referer": name, "X-Gradio-Server": name}).status_code == 200
    files = {"file": (name, clip)}
    answer = guarded.post("/v1/emotions", files=files, data={"transcript": name, "session": name}, headers=TOKEN)
    assert answer.json()["recording"] == f"{MARK}.wav"
    refused(guarded.post("/v1/emotions", files=files, data={"model": name}, headers=TOKEN), 422)
    refused(guarded.post("/v1/emotions", data={"file": name}, headers=TOKEN), 422)
    assert opened == []


def test_the_page_gets_its_files_and_nothing_else_of_the_framework(guarded):
    html = guarded.get("/").text
    assets = set(re.findall(r"[\"'(]\.?/?((?:assets|static)/[\w./-]+)", html))
    assert len(assets) >= 2
    for path in assets:
        assert guarded.get(f"/{path}").status_code == 200, path
        refused(guarded.post(f"/{path}", headers=TOKEN), 404)
    refused(guarded.post("/", headers=TOKEN), 404)
    config = guarded.get("/config").json()
    assert [call for call in config["dependencies"] if call["backend_fn"]] == [], "Gradio is asked to compute"


def test_results_are_drawn_for_those_who_know_the_token(guarded, clip):
    answer = guarded.post("/v1/emotions", files={"file": ("clip.flac", clip)}, headers=TOKEN).json()
    drawn = guarded.post(RESULTS_PATH, json={"answers": [answer]}, headers=TOKEN)
    assert drawn.headers["content-type"].startswith("text/html")
    assert answer["emotion"]["label"] in drawn.text
    many = json.dumps({"answers": [answer] * 33}).encode()
    for body in (b"", many, b"[" * 100_000, b"\xff\x00", json.dumps({"answers": [answer | {"labels": 3}]}).encode()):
        assert "could not be read" in guarded.post(RESULTS_PATH, content=body, headers=TOKEN).text
    assert "larger than 10 MB" in refused(guarded.post(RESULTS_PATH, content=bytes(10**7 + 1), headers=TOKEN), 413)


def test_drawing_waits_in_a_short_queue(nano, monkeypatch):
    def slow(sent: bytes) -> str:
        time.sleep(0.3)
        return "drawn"

    monkeypatch.setattr("emosllm.serving.web_page.page.results_html", slow)
    with TestClient(build_app(Service({"nano": nano}, ServerLimits(queue=2)))) as client, ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: client.post(RESULTS_PATH, content=b"{}"), range(8)))
    assert {answer.status_code for answer in answers} == {200, 503}
    assert all("results are being drawn" in refused(answer, 503) for answer in answers if answer.status_code == 503)


def test_nothing_of_gradio_is_kept(guarded):
    cache = Path(os.environ.get("GRADIO_TEMP_DIR") or Path(tempfile.gettempdir()) / "gradio")
    before = sorted(cache.rglob("*")) if cache.exists() else []
    for path in PUBLIC:
        guarded.get(path)
    assert (sorted(cache.rglob("*")) if cache.exists() else []) == before
