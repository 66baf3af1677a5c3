"""Results as HTML: the label, a bar per emotion, words, cues, a timeline with clickable turns, and downloads.

Bars and text carry the information, and colour only repeats it. All text from outside is escaped.
"""

import base64
from collections.abc import Mapping, Sequence
from html import escape
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from emosllm.serving.schemas import Emotions, Turn
from emosllm.timeline.clock import clock
from emosllm.timeline.cues import UNITS
from emosllm.timeline.exports.annotations import textgrid
from emosllm.timeline.exports.lines import srt
from emosllm.timeline.exports.tables import as_csv, as_json
from emosllm.timeline.plot import STYLES

_ELSE = "#B4BCC2"
_DARK = ("sad", "other")  # colours that need white text on them
_DOWNLOADS = (
    ("CSV", "csv", "text/csv", as_csv),
    ("JSON", "json", "application/json", as_json),
    ("SRT", "srt", "application/x-subrip", srt),
    ("TextGrid", "TextGrid", "text/plain", textgrid),
)


class PageResults(BaseModel):
    """What the browser sends: the API's answers, or its error message."""

    model_config = ConfigDict(extra="forbid")

    answers: Annotated[list[Emotions], Field(max_length=32)] = []
    error: str = ""


def results_html(sent: str | bytes) -> str:
    """The page's results as HTML.

    Args:
        sent: a `PageResults` as JSON.
    """
    try:
        found = PageResults.model_validate_json(sent)
    except ValidationError:
        return _refused("the answer could not be read: reload the page")
    if found.error:
        return _refused(found.error)
    columns = "".join(_answer(answer, several=len(found.answers) > 1) for answer in found.answers)
    return f'<div class="em-answers" data-count="{len(found.answers)}">{columns}</div>'


def _refused(line: str) -> str:
    return f'<p class="em-error" role="alert">{escape(line)}</p>'


def _answer(answer: Emotions, *, several: bool) -> str:
    text = _whole(answer) if answer.emotion else _turns(answer)
    by = f'<p class="em-by">{escape(answer.model)}</p>' if several else ""
    return f'<article class="em-answer">{by}{text}{_downloads(answer)}</article>'


def _whole(answer: Emotions) -> str:
    (turn,) = answer.segments
    words = f'<blockquote class="em-said">{escape(turn.transcript)}</blockquote>' if turn.transcript else ""
    label = turn.label or "no emotion named"
    return (
        f'<p class="em-label"><span class="em-swatch" style="background:{_colour(label)}"></span>'
        f'<span class="em-name-of">{escape(label)}</span> {_number(turn)}</p>'
        f"{words}{_source(turn)}{_bars(turn.probabilities, 'probability of each emotion')}{_voice(turn)}"
    )


def _turns(answer: Emotions) -> str:
    if not answer.segments:
        return '<p class="em-error" role="alert">no speech was found in this recording</p>'
    seconds = sum(turn.end - turn.start for turn in answer.segments)
    count = len(answer.segments)
    head = (
        f'<p class="em-summary"><b>{count}</b> turn{"s" if count > 1 else ""}, {clock(seconds)} of speech in '
        f"{clock(answer.duration)}; click one to hear it</p>" + "".join(dict.fromkeys(map(_source, answer.segments)))
    )
    ribbon = "".join(_stretch(number, turn, answer.duration) for number, turn in enumerate(answer.segments))
    rows = "".join(_row(number, turn) for number, turn in enumerate(answer.segments))
    return (
        f'{head}<div class="em-ribbon" role="group" aria-label="timeline">{ribbon}'
        f'<span class="em-playhead" hidden data-duration="{answer.duration}"></span></div>'
        f'<div class="em-ends"><span>0:00</span><span>{clock(answer.duration)}</span></div>'
        f"<h2>Share of the speech</h2>{_bars(answer.shares, 'share of each emotion in the speech')}"
        f'<h2>Turns</h2><ol class="em-turns">{rows}</ol>'
    )


def _stretch(number: int, turn: Turn, duration: float) -> str:
    left, width = 100 * turn.start / duration, 100 * (turn.end - turn.start) / duration
    text = f"{clock(turn.start)} {turn.label or turn.error}"
    text += "" if turn.confidence is None else f" {turn.confidence:.0%}"
    ink = "#fff" if turn.label in _DARK else "#10151a"
    return (
        f'<button type="button" class="em-stretch" {_playing(number, turn)} title="{escape(text)}" '
        f'aria-label="play {escape(text)}" '
        f'style="left:{left:.3f}%;width:{width:.3f}%;background:{_colour(turn.label)};color:{ink}">'
        f"<span>{escape(turn.label or '')}</span></button>"
    )


def _row(number: int, turn: Turn) -> str:
    times = f'<span class="em-time">{clock(turn.start)}–{clock(turn.end)}</span>'
    if turn.label is None:
        text = f'<span class="em-error">{escape(turn.error or "not recognised")}</span>'
    else:
        text = (
            f'<span class="em-swatch" style="background:{_colour(turn.label)}"></span><b>{escape(turn.label)}</b>'
            f"{_number(turn)}"
        )
    words = f'<span class="em-words">{escape(turn.transcript)}</span>' if turn.transcript else ""
    voice = ", ".join(f"{word} {name}" for name, word in turn.cues_in_words.items() if word != "medium")
    cues = f'<span class="em-cues">{escape(voice)}</span>' if voice else ""
    return (
        f'<li><button type="button" class="em-turn" {_playing(number, turn)}>{times}{text}{words}{cues}</button></li>'
    )


def _number(turn: Turn) -> str:
    """The probability of the label; a free answer has none."""
    return "" if turn.confidence is None else f'<span class="em-number">{turn.confidence:.0%}</span>'


def _playing(number: int, turn: Turn) -> str:
    return f'data-turn="{number}" data-start="{turn.start}" data-end="{turn.end}"'


def _bars(shares: Mapping[str, float], what: str) -> str:
    if not shares:
        return '<p class="em-source">this system answers in words, without probabilities</p>'
    rows = "".join(
        f'<div class="em-bar"><span class="em-bar-name">{escape(name)}</span><span class="em-track">'
        f'<span class="em-fill" style="width:{100 * share:.1f}%;background:{_colour(name)}"></span></span>'
        f'<span class="em-number">{share:.0%}</span></div>'
        for name, share in sorted(shares.items(), key=lambda pair: -pair[1])
    )
    return f'<div class="em-bars" role="group" aria-label="{what}">{rows}</div>'


def _voice(turn: Turn) -> str:
    if not turn.cues:
        return ""
    # Jitter and shimmer are ratios.
    facts = {
        name: f"{value:.1f} {UNITS[name]}" if name in UNITS else f"{value:.1%}" for name, value in turn.cues.items()
    }
    rows = "".join(f"<div><dt>{escape(name)}</dt><dd>{value}</dd></div>" for name, value in facts.items())
    return f'<h2>Voice</h2><dl class="em-voice">{rows}</dl>'


def _source(turn: Turn) -> str:
    """The source of the transcript; nothing where there is no transcript."""
    if turn.transcript is None:
        return ""
    known = {"given": "as you gave it", "model": "by the system"}
    source = known.get(turn.transcript_from or "", f"by {turn.transcript_from}")
    return f'<p class="em-source">transcript {escape(source)}</p>'


def _downloads(answer: Emotions) -> str:
    """Download links that contain their file, so that the server keeps none."""
    timeline = answer.timeline()
    stem = f"{answer.recording.rpartition('.')[0] or answer.recording}.{answer.model.replace('/', '-')}"
    links = []
    for word, ending, kind, write in _DOWNLOADS:
        content = base64.b64encode(write(timeline).encode()).decode()
        name = escape(f"{stem}.{ending}")
        links.append(f'<a class="em-button" download="{name}" href="data:{kind};base64,{content}">{word}</a>')
    return f'<p class="em-downloads"><span>Download</span>{"".join(links)}</p>'


def _colour(label: str | None) -> str:
    return STYLES[label][0] if label in STYLES else _ELSE


__all__: Sequence[str] = ("PageResults", "results_html")
