"""A timeline as a picture: waveform, ribbon of emotions, probability of each emotion over time, share of each emotion.

Each emotion has its row, its name and its hatching in the ribbon. Colour (Okabe and Ito's palette for colour-blind
readers) only repeats them, so the picture can be printed in grey. Turns narrower than a column are drawn as the mean
over it, so a picture of two hours shows no single turns. Not included: zooming, and words, which are in the subtitles
and tables.
"""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from emosllm.errors import UserError
from emosllm.reporting.screen import shorten
from emosllm.reporting.style import FAINT, INK, check_picture, house_style, write_picture
from emosllm.timeline.clock import clock
from emosllm.timeline.segments import Timeline, segments_and_gaps

#: Emotion -> colour (Okabe and Ito's, and greys) and hatching, the same in every picture and label set.
STYLES = {
    "angry": ("#D55E00", "||||"),
    "sad": ("#0072B2", ""),
    "happy": ("#E69F00", "////"),
    "surprise": ("#CC79A7", "\\\\\\\\"),
    "fear": ("#56B4E9", "xxxx"),
    "disgust": ("#009E73", "----"),
    "contempt": ("#F0E442", "++++"),
    "neutral": ("#A7B0B6", ""),
    "other": ("#5b6870", "oo"),
}
_SPARE = (("#8c5a2b", "//"), ("#7d5ba6", "++"), ("#3f6b4f", "||"), ("#b0476c", "xx"))  # for emotions without a style

_TRACK = "#e6eaed"  # darker than in the other plots, since the ribbon lies on it
# In inches: total width, left margin for names, right margin for shares, and heights from the top.
_WIDTH, _LEFT, _RIGHT, _GAP = 11.0, 1.35, 1.5, 0.18
_TITLE, _WAVE, _RIBBON, _ROW, _FOOT = 0.78, 0.85, 0.42, 0.42, 0.62
_BINS = 700  # columns of time for the rows and the ribbon: one in 0.012 inch
_RIBBON_BINS = 160  # wider columns for the ribbon, whose hatching needs more space
_TICKS = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400)  # seconds


def draw_timeline(timeline: Timeline, path: Path) -> None:
    """Draw a timeline and write it to `path`; a failed write leaves no partial file.

    Args:
        timeline: of 1 s to many hours; without speech, the picture says so.
        path: ends in `.png`, `.svg` or `.pdf`.

    Raises:
        UserError: matplotlib is not installed, another ending, more than nine emotions, or `path` cannot be written.
    """
    check_picture(path)
    if sum(name not in STYLES for name in timeline.labels) > len(_SPARE):
        raise UserError(f"cannot draw {path}: too many emotions besides {', '.join(STYLES)}")

    rows = len(timeline.labels)
    height = _TITLE + _WAVE + _RIBBON + rows * _ROW + _FOOT + 2 * _GAP
    with house_style():
        from matplotlib import rcParams
        from matplotlib.figure import Figure

        rcParams["hatch.linewidth"] = 0.6  # set until the plot style's context ends

        figure = Figure(figsize=(_WIDTH, height), facecolor="white")
        across = (_LEFT / _WIDTH, (_WIDTH - _LEFT - _RIGHT - _GAP) / _WIDTH)
        top = height - _TITLE
        wave = figure.add_axes((across[0], (top - _WAVE) / height, across[1], _WAVE / height))
        top -= _WAVE + _GAP
        ribbon = figure.add_axes((across[0], (top - _RIBBON) / height, across[1], _RIBBON / height))
        top -= _RIBBON + _GAP
        tall = rows * _ROW / height
        over_time = figure.add_axes((across[0], top / height - tall, across[1], tall))
        shares = figure.add_axes((1 - _RIGHT / _WIDTH, top / height - tall, (_RIGHT - 0.15) / _WIDTH, tall))
        _draw_title(figure, timeline, height)
        _draw_wave(wave, timeline)
        _draw_ribbon(ribbon, timeline)
        _draw_rows(over_time, timeline)
        _draw_shares(shares, timeline)
        for axes in figure.axes:
            axes.grid(False)
        write_picture(figure, path)


def bin_probabilities(timeline: Timeline, bins: int) -> np.ndarray:
    """The probability of each emotion in each of `bins` equal intervals of the recording.

    Returns:
        Means over the speech in the interval, 0 where at most a tenth of it is speech: `[emotions, bins]`.
    """
    edges = np.linspace(0, timeline.duration, bins + 1)
    wide = max(timeline.duration / bins, 1e-9)
    found = np.zeros((len(timeline.labels), bins))
    for segment in timeline.segments:
        if segment.label is None:
            continue
        first = max(0, int(segment.start / wide) - 1)
        last = min(bins, int(segment.end / wide) + 2)
        inside = np.minimum(edges[first + 1 : last + 1], segment.end) - np.maximum(edges[first:last], segment.start)
        odds = np.array([segment.shown_probabilities.get(name, 0.0) for name in timeline.labels])
        found[:, first:last] += odds[:, None] * np.clip(inside, 0, None) / wide
    spoken = found.sum(axis=0)  # each turn's probabilities sum to 1
    return np.where(spoken > 0.1, found / np.maximum(spoken, 1e-9), 0.0)


def ribbon_intervals(timeline: Timeline, bins: int) -> list[tuple[float, float, int]]:
    """The ribbon: intervals with the emotion that has most of their time, as start, end and the label's index.

    A turn wide enough to be visible is one interval. Turns narrower than a bin are replaced by the bin's most probable
    emotion, and neighbouring bins of one emotion are joined.
    """
    wide = timeline.duration / bins if bins else 0.0
    spoken = [s for s in timeline.segments if s.label is not None]
    if spoken and np.median([s.end - s.start for s in spoken]) >= wide:
        return [(s.start, s.end, timeline.labels.index(s.label)) for s in spoken if s.label]
    found: list[tuple[float, float, int]] = []
    for index, column in enumerate(bin_probabilities(timeline, bins).T):
        if not column.any():  # silence
            continue
        best, start, end = int(column.argmax()), index * wide, (index + 1) * wide
        if found and found[-1][2] == best and math.isclose(found[-1][1], start):
            found[-1] = (found[-1][0], end, best)
        else:
            found.append((start, end, best))
    return found


def _steps(timeline: Timeline) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities over time as steps: edges `[n + 1]` in seconds and heights `[emotions, n]` between them."""
    if 2 * len(timeline.segments) > _BINS:
        return np.linspace(0, timeline.duration, _BINS + 1), bin_probabilities(timeline, _BINS)
    edges, heights = [0.0], []
    for _, end, segment in segments_and_gaps(timeline):
        odds = segment.shown_probabilities if segment else {}
        heights.append([odds.get(name, 0.0) for name in timeline.labels])
        edges.append(end)
    return np.array(edges), np.array(heights).reshape(-1, len(timeline.labels)).T


def _styles(labels: Sequence[str]) -> list[dict[str, Any]]:
    """Colour and hatching of each emotion."""
    spare = iter(_SPARE)
    chosen = [STYLES[name] if name in STYLES else next(spare) for name in labels]
    return [{"facecolor": c, "hatch": hatch, "edgecolor": "white", "linewidth": 0.4} for c, hatch in chosen]


def _draw_title(figure: Any, timeline: Timeline, height: float) -> None:
    heading = shorten(f"{Path(timeline.recording).name}: emotions by {Path(timeline.model).name}", 90)
    figure.text(0.15 / _WIDTH, 1 - 0.3 / height, heading, size=13, weight="bold", color=INK)
    lost = sum(segment.error is not None for segment in timeline.segments)
    facts = f"{clock(timeline.duration)} long, {clock(timeline.speech)} of speech in {len(timeline.segments)} turns"
    facts += f", {lost} of them not recognised" if lost else ""
    figure.text(0.15 / _WIDTH, 1 - 0.55 / height, facts, size=9, color=FAINT)


def _draw_wave(axes: Any, timeline: Timeline) -> None:
    """Around a middle line, each column's peak level in light grey and its typical level in dark grey."""
    envelope = timeline.envelope
    if len(envelope):
        places = np.linspace(0, len(envelope), min(2 * _BINS, len(envelope)) + 1).astype(int)
        times = places[:-1] * timeline.duration / len(envelope)
        peaks = np.maximum.reduceat(envelope, places[:-1])
        usual = np.add.reduceat(envelope, places[:-1]) / np.diff(places)
        full = max(float(peaks.max()), 1e-6)
        for heights, colour in ((peaks / full, "#c3cacf"), (usual / full, "#66727a")):
            axes.fill_between(times, -heights, heights, color=colour, linewidth=0, step="post")
    axes.set(xlim=(0, max(timeline.duration, 1e-3)), ylim=(-1.05, 1.05))
    axes.axhline(0, color="#8b969e", linewidth=0.5)
    axes.set_axis_off()
    _name(axes, 0, "recording")


def _draw_ribbon(axes: Any, timeline: Timeline) -> None:
    axes.set(xlim=(0, max(timeline.duration, 1e-3)), ylim=(0, 1))
    axes.set_axis_off()
    axes.axhspan(0, 1, color=_TRACK, linewidth=0)
    _name(axes, 0.5, "most probable")
    inches = _WIDTH - _LEFT - _RIGHT - _GAP
    looks = _styles(timeline.labels)
    for start, end, place in ribbon_intervals(timeline, _RIBBON_BINS):
        axes.axvspan(start, end, 0, 1, **looks[place])
        name = timeline.labels[place]
        room = (end - start) / timeline.duration * inches
        letters = name if room > 0.085 * len(name) + 0.1 else name[:3] if room > 0.4 else ""
        if letters:
            box = {"facecolor": "white", "edgecolor": "none", "pad": 1.2, "alpha": 0.92}
            axes.text((start + end) / 2, 0.5, letters, size=8, ha="center", va="center", color=INK, bbox=box)
    if not timeline.segments:
        axes.text(timeline.duration / 2, 0.5, "no speech found", size=9, ha="center", va="center", color=INK)


def _draw_rows(axes: Any, timeline: Timeline) -> None:
    """One row per emotion: its probability over time, 0 at the bottom of the row and 1 at the top."""
    rows = len(timeline.labels)
    axes.set(xlim=(0, max(timeline.duration, 1e-3)), ylim=(rows, 0))
    for side in ("top", "left", "right"):
        axes.spines[side].set_visible(False)
    axes.spines["bottom"].set_color(FAINT)
    axes.set_yticks([])
    times, heights = _steps(timeline)
    looks = _styles(timeline.labels)
    for row, name in enumerate(timeline.labels):
        floor = row + 0.94
        axes.axhspan(row + 0.08, floor, color=_TRACK, linewidth=0, alpha=0.55)
        tops = floor - 0.86 * np.append(heights[row], 0.0)
        axes.fill_between(times, floor, tops, step="post", color=looks[row]["facecolor"], linewidth=0)
        axes.step(times, tops, where="post", color=INK, linewidth=0.35, alpha=0.6)
        _key(axes, row, name, looks[row])
    ticks = _ticks(timeline.duration)
    axes.set_xticks(ticks, [clock(tick) for tick in ticks])
    axes.tick_params(axis="x", labelsize=8.5, colors=INK, length=3)
    axes.set_xlabel("h:min:s" if timeline.duration >= 3600 else "min:s", size=8.5, color=FAINT, loc="right")


def _draw_shares(axes: Any, timeline: Timeline) -> None:
    """The share of the recognised speech of each emotion."""
    rows = len(timeline.labels)
    shares, looks = timeline.shares(), _styles(timeline.labels)
    axes.set(xlim=(0, 1), ylim=(rows, 0))
    axes.set_axis_off()
    axes.text(0, -0.02, "share of speech", size=8.5, color=FAINT, va="bottom")
    longest = max([*shares.values(), 0.01])
    for row, share in enumerate(shares.values()):
        axes.barh(row + 0.5, 0.62 * share / longest, height=0.62, **looks[row])
        axes.text(0.62 * share / longest + 0.04, row + 0.5, f"{share:.0%}", size=9, va="center", color=INK)


def _name(axes: Any, y: float, text: str) -> None:
    axes.text(
        (0.15 - _LEFT) / (_WIDTH - _LEFT - _RIGHT - _GAP), y, text, size=9, color=FAINT, va="center",
        transform=axes.get_yaxis_transform(),
    )  # fmt: skip


def _key(axes: Any, row: int, name: str, look: Mapping[str, Any]) -> None:
    """The row's name, with a sample of its hatching in the ribbon."""
    from matplotlib.patches import Rectangle

    inch = 1 / (_WIDTH - _LEFT - _RIGHT - _GAP)
    place = {"transform": axes.get_yaxis_transform(), "clip_on": False}
    axes.add_patch(Rectangle(((0.15 - _LEFT) * inch, row + 0.3), 0.22 * inch, 0.42, **place, **look))
    text = shorten(name, 11)
    axes.text((0.43 - _LEFT) * inch, row + 0.52, text, size=9.5, color=INK, va="center", **place)


def _ticks(seconds: float) -> Sequence[float]:
    """At most ten round times."""
    step = next((step for step in _TICKS if seconds / step <= 10), _TICKS[-1])
    return [n * step for n in range(int(seconds / step) + 1)]
