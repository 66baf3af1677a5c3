"""The page in a real Chromium: upload, press, read, see the timeline, hear a turn, compare, download; nobody is called.

With EMOSLLM_SCREENSHOTS set to a folder, pictures in light and dark, wide and phone-wide are left there.
"""

import csv
import io
import json
import os
import shutil
import signal
from pathlib import Path

import pytest
from serving_recordings import RECORDINGS

from bench.live_server import ROOT, serving

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
if CHROMIUM is None:
    pytest.skip("there is no Chromium (Debian's package `chromium`)", allow_module_level=True)

WIDE, PHONE = {"width": 1280, "height": 900}, {"width": 390, "height": 844}


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """nano, and beside it the same weights under another name."""
    other = tmp_path_factory.mktemp("systems") / "second"
    shutil.copytree(ROOT / "emosllm" / "builtin" / "nano", other)
    with serving("--compare", other) as live:
        yield live
        assert live.stop(signal.SIGTERM) == 0  # though pages were open


@pytest.fixture(scope="module")
def chromium():
    with playwright.sync_playwright() as running:
        devices = ["--use-fake-ui-for-media-stream", "--use-fake-device-for-media-stream"]
        # As root, as in containers, Chromium refuses its sandbox; pages of this test are our own.
        browser = running.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", *devices])
        yield browser
        browser.close()


@pytest.fixture
def opened(chromium, server):
    """Opens the page in any look; afterwards, that nobody else was asked and nothing went wrong."""
    asked, wrong, contexts = [], [], []

    def open_page(look="light", size=WIDE):
        context = chromium.new_context(color_scheme=look, viewport=size, permissions=["microphone"])
        contexts.append(context)
        page = context.new_page()
        page.on("request", lambda request: asked.append(request.url))
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on("console", lambda said: wrong.append(said.text) if said.type == "error" else None)
        page.on("response", lambda answer: wrong.append(answer.url) if answer.status == 404 else None)
        page.goto(server.url)
        page.wait_for_selector("#em-go")
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert asked
    assert [url for url in asked if not url.startswith((f"{server.url}/", "data:", "blob:"))] == []
    assert [words for words in wrong if "422" not in words] == []


@pytest.fixture(scope="module")
def long_file(long_clip, tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("long") / "interview.wav"
    path.write_bytes(long_clip)
    return path


def recognise(page, path, expected):
    page.set_input_files("#em-file", str(path))
    page.click("#em-go")
    return page.wait_for_selector(expected, timeout=30_000)


def downloaded(page, kind) -> str:
    with page.expect_download() as waiting:
        page.click(f".em-downloads >> text={kind}")
    return waiting.value.path().read_text(encoding="utf-8")


def test_a_clip_is_recognised_and_downloaded(opened, nano):
    page = opened()
    recognise(page, RECORDINGS[0], ".em-label")
    expected = nano(RECORDINGS[0])
    assert page.inner_text(".em-name-of") == expected.label
    assert page.inner_text(".em-label .em-number") == f"{expected.confidence:.0%}"
    assert page.locator(".em-said").count() == 0  # nano does not transcribe
    assert page.locator(".em-bar").count() == len(nano.labels.names)
    (row,) = csv.DictReader(io.StringIO(downloaded(page, "CSV")))
    assert row["label"] == expected.label
    answer = json.loads(downloaded(page, "JSON"))
    assert answer["segments"][0]["transcript"] == expected.transcript


def test_a_long_recording_is_a_timeline_whose_turns_play(opened, long_file):
    page = opened()
    recognise(page, long_file, ".em-ribbon")
    turns = page.locator("li .em-turn")
    assert turns.count() == page.locator(".em-stretch").count() >= 6
    rows = list(csv.DictReader(io.StringIO(downloaded(page, "CSV"))))
    assert len(rows) == turns.count()
    turns.nth(2).click()
    page.wait_for_selector("li:nth-child(3) .em-turn.em-now")
    at = page.evaluate("document.getElementById('em-player').currentTime")
    assert float(rows[2]["start"]) - 0.1 <= at <= float(rows[2]["end"]) + 0.1
    page.wait_for_function("document.getElementById('em-player').paused", timeout=10_000)
    at = page.evaluate("document.getElementById('em-player').currentTime")
    assert at == pytest.approx(float(rows[2]["end"]), abs=0.4)


def test_two_systems_are_compared(opened):
    page = opened()
    page.get_by_label("second").check()
    recognise(page, RECORDINGS[1], ".em-answers[data-count='2']")
    assert page.locator(".em-by").all_inner_texts() == ["nano", "second"]
    labels = page.locator(".em-name-of").all_inner_texts()
    assert labels[0] == labels[1]  # the same weights


def test_the_microphone_is_heard(opened):
    page = opened()
    page.click("#em-record")
    page.wait_for_function("document.getElementById('em-name').textContent.startsWith('Recording, 2')")
    page.click("#em-record")
    page.wait_for_function("document.getElementById('em-name').textContent.startsWith('Your recording')")
    page.click("#em-go")
    assert page.wait_for_selector(".em-label").inner_text()


def test_mistakes_are_told_in_one_line(opened, tmp_path):
    page = opened()
    page.click("#em-go")
    assert page.wait_for_selector(".em-error").inner_text().startswith("there is no recording yet")
    broken = tmp_path / "broken.wav"
    broken.write_bytes(b"no audio at all")
    page.set_input_files("#em-file", str(broken))
    page.click("#em-go")
    page.wait_for_function("document.querySelector('.em-error').textContent.includes('broken.wav is not audio')")


@pytest.mark.parametrize("size", [WIDE, PHONE], ids=["wide", "phone"])
@pytest.mark.parametrize("look", ["light", "dark"])
def test_it_fits_the_screen_in_light_and_dark(opened, long_file, look, size):
    page = opened(look, size)
    background = page.evaluate("getComputedStyle(document.body).backgroundColor")
    bright = sum(int(part) for part in background.strip("rgba()").split(",")[:3]) / 3
    assert bright > 200 if look == "light" else bright < 60
    pictures = os.environ.get("EMOSLLM_SCREENSHOTS")
    for name, path, expected in (("clip", RECORDINGS[0], ".em-label"), ("long", long_file, ".em-ribbon")):
        recognise(page, path, expected)
        assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"), "it scrolls sideways"
        if pictures:
            wide = "wide" if size is WIDE else "phone"
            page.screenshot(path=Path(pictures) / f"{name}-{look}-{wide}.png", full_page=True)


def test_a_server_with_a_token_asks_for_it(chromium, tmp_path):
    token = tmp_path / "token"
    token.write_text("correct-horse-battery", encoding="utf-8")
    with serving("--token-file", token) as live:
        page = chromium.new_page()
        bodies = []
        page.on("request", lambda request: bodies.append((request.url, request.post_data_buffer or b"")))
        page.goto(live.url)
        page.wait_for_selector("#em-go")
        page.set_input_files("#em-file", str(RECORDINGS[0]))
        page.click("#em-go")
        assert "this server requires its token" in page.wait_for_selector(".em-error").inner_text()
        page.fill("#em-token input", "correct-horse-battery")
        page.click("#em-go")
        page.wait_for_selector(".em-label")
        paths = sorted({url.removeprefix(live.url).split("?")[0] for url, _ in bodies if url.startswith(live.url)})
        assert [path for path in paths if path.startswith("/gradio_api")] == [], paths  # the framework is not called
        assert not [url for url, body in bodies if b"correct-horse-battery" in body], "the token is in a body"
        page.close()
