"""The web page: record or upload, show emotions, words, cues and the timeline, compare systems, download results.

Gradio serves the page and its assets, and nothing else: `PAGE_PATHS` are the only paths of Gradio that are served. A
call of Gradio could name a file of this machine, so the page makes none. The browser keeps the recording for playback
and sends it to `/v1/emotions`, which reads it into memory. It sends the answers to `RESULTS_PATH`, which returns them
as HTML. Page and API share their token, limits, queue and error messages. Not done: progress in per cent while a long
recording is recognised.
"""

import asyncio
import os

# Set before the import, since importing Gradio may send usage data.
os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")

from collections.abc import Mapping
from importlib.resources import files

import gradio as gr
from fastapi import APIRouter, FastAPI, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import HTMLResponse, Response

from emosllm.serving.batcher import BusyError
from emosllm.serving.error_responses import TooLargeError
from emosllm.serving.service import Service
from emosllm.serving.web_page.results_html import results_html
from emosllm.timeline.cues import cues_available

_FILE = r"(?:[A-Za-z0-9_-][A-Za-z0-9._-]*/)*[A-Za-z0-9_-][A-Za-z0-9._-]*"  # no part begins with a dot

#: Paths that the page reads from Gradio, as regular expressions; Gradio's other paths are not served.
PAGE_PATHS = (
    "/",
    "/config",
    "/theme.css",
    "/favicon.ico",
    "/manifest.json",
    "/robots.txt",
    f"/(?:assets|static|svelte)/{_FILE}",
)

#: Where the page has its results drawn.
RESULTS_PATH = "/page/results"

_MOST_BYTES = 10_000_000  # of the answers for one recording; two hours turn by turn are about 3 MB

_RETRY = 2  # seconds

_MODES = [("automatic", "auto"), ("as one utterance", "whole"), ("turn by turn", "turns")]

_HEAD = """
<header class="em-head">
  <h1>What does this voice sound like?</h1>
  <p>Recognised by <b>{systems}</b>, on this machine: no recording leaves it, and none is kept.</p>
</header>"""

_INTAKE = """
<section class="em-intake" id="em-drop" aria-label="Your recording">
  <div class="em-buttons">
    <button type="button" class="em-button" id="em-record" aria-pressed="false">
      <span class="em-dot" aria-hidden="true"></span><span id="em-record-word">Record</span></button>
    <button type="button" class="em-button" id="em-choose">Choose a file</button>
    <input type="file" id="em-file" accept="audio/*,.wav,.flac,.mp3,.ogg,.opus,.aiff,.au,.m4a,.webm" hidden
      aria-label="Recording">
    <span class="em-hint">or drop one here</span>
  </div>
  <p id="em-name" class="em-name" role="status">No recording yet.</p>
  <audio id="em-player" controls hidden></audio>
</section>"""

_STATUS = '<p id="em-status" class="em-status" role="status"></p>'

# Not in page.css: Gradio rewrites that file and drops rules that it does not know.
_NARROW = "@container (max-width: 3.6rem) { .em-stretch span { visibility: hidden; } }"

_FOOT = """
<footer class="em-foot">
  <p>The probabilities say how a system classifies a voice, after training on acted and podcast speech. They do not
  say what a person feels. They are no diagnosis. They are less accurate in other languages, ages and rooms, and on
  short clips.</p>
  <p>Programs ask <code>POST /v1/emotions</code>; <a href="openapi.json">all routes</a>.</p>
</footer>"""


def page_routes(service: Service) -> APIRouter:
    """The page's own route; it requires the token as the API does."""
    routes = APIRouter(include_in_schema=False)
    one_at_a_time = asyncio.Semaphore(1)  # drawing takes the time that recognition needs, too
    drawings = 0

    @routes.post(RESULTS_PATH)
    async def results(request: Request) -> Response:
        """Draw the API's answers, which the body holds as JSON."""
        nonlocal drawings
        body = bytearray()
        async for part in request.stream():
            body += part
            if len(body) > _MOST_BYTES:
                raise TooLargeError(_MOST_BYTES)
        if drawings >= service.limits.queue:
            raise BusyError(f"{drawings} results are being drawn; retry in {_RETRY} s", _RETRY)
        drawings += 1
        try:
            async with one_at_a_time:
                return HTMLResponse(await run_in_threadpool(results_html, bytes(body)))
        finally:
            drawings -= 1

    return routes


def mount_page(app: FastAPI, service: Service, *, asks_token: bool) -> None:
    """Mount the page at `/` of an app, after the app's other routes.

    Args:
        app: the server.
        service: the systems that the page names.
        asks_token: whether the API requires a token; the page then has a field for it.
    """
    assets = files("emosllm.serving.web_page") / "assets"
    look, hands = ((assets / name).read_text(encoding="utf-8") for name in ("page.css", "page.js"))
    gr.mount_gradio_app(
        app,
        page({name: service.has_words(name) for name in service.systems}, asks_token=asks_token),
        "/",
        theme=_theme(),
        css=look,
        head=f"<style>{_NARROW}</style><script>{hands}</script>",
        footer_links=[],
        run_history=False,
        enable_monitoring=False,
        ssr_mode=False,
        mcp_server=False,
        pwa=False,
        show_error=False,
        allowed_paths=[],
    )


def page(systems: Mapping[str, bool], *, asks_token: bool) -> gr.Blocks:
    """Build the page and connect its button.

    Args:
        systems: name -> whether its answers hold a transcript that no client sent; with several systems the page offers
            a choice.
        asks_token: whether there is a field for a token.
    """
    several = len(systems) > 1
    with gr.Blocks(title="emosllm", analytics_enabled=False) as blocks:
        gr.HTML(_HEAD.format(systems=" and ".join(systems)), apply_default_css=False)
        gr.HTML(_INTAKE, apply_default_css=False)
        with gr.Row(elem_classes="em-options"):
            mode = gr.Radio(_MODES, value="auto", label="How to listen", elem_id="em-mode", min_width=280)
            chosen = gr.CheckboxGroup(
                list(systems),
                value=list(systems)[:1],
                label="Ask (two to compare)",
                visible=several,
                elem_id="em-ask",
                min_width=280,
            )
        with gr.Accordion("More", open=asks_token, elem_classes="em-more"):
            transcript = gr.Textbox(
                label="What is said, if you know it",
                placeholder="the system transcribes it if you leave it out" if any(systems.values()) else "",
                elem_id="em-words",
            )
            cues = gr.Checkbox(
                value=cues_available(),
                interactive=cues_available(),
                label="Measure the voice" + ("" if cues_available() else " (needs the extra `cues`)"),
            )
            token = gr.Textbox(label="Token of this server", type="password", visible=asks_token, elem_id="em-token")
        ask = gr.Button("Recognise", variant="primary", elem_id="em-go")
        gr.HTML(_STATUS, apply_default_css=False, elem_id="em-doing")
        results = gr.HTML(elem_id="em-results", apply_default_css=False)
        gr.HTML(_FOOT, apply_default_css=False)
        # Without a function of the server, so Gradio sends nothing to it.
        ask.click(
            None,
            [mode, chosen, transcript, cues, token],
            results,
            js="(...given) => window.emosllm.ask(...given)",
            queue=False,
            show_progress="hidden",
            api_visibility="private",
        )
    return blocks


def _theme() -> gr.themes.Base:
    """A plain theme with the fonts of the operating system, so that no font is downloaded."""
    fonts = ["system-ui", "-apple-system", "Segoe UI", "Roboto", "DejaVu Sans", "sans-serif"]
    mono = ["ui-monospace", "DejaVu Sans Mono", "monospace"]
    return gr.themes.Base(primary_hue="blue", neutral_hue="slate", font=fonts, font_mono=mono)
