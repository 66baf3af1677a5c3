"""Plot predictions: one row for each recording, one column for each class, one bar for each probability.

The length of a bar shows the number, so the plot is legible in greyscale and without colour vision. Blue (of Okabe and
Ito) only marks the longest bar. Not supported: more than `MOST` rows, and scripts that matplotlib's own font lacks.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from emosllm.errors import UserError
from emosllm.reporting.screen import shorten
from emosllm.reporting.style import BLUE, FAINT, GREY, INK, RED, TRACK, check_picture, house_style, write_picture
from emosllm.utterance import Prediction

#: The largest number of rows in one plot, which states how many more there were.
MOST = 60

# In inches: a row, the names on the left, a class, the space above the rows and below them.
_ROW, _NAMES, _CLASS, _TOP, _BOTTOM = 0.5, 3.1, 0.92, 0.95, 0.2
_LETTER = 0.076  # width in inches of a letter of 9 points, slightly above the average
_WIDTH = 0.86  # length of a bar at probability 1, in columns


def draw_predictions(
    predictions: Sequence[Prediction], path: Path, title: str, transcripts_from: Sequence[str] = ()
) -> None:
    """Plot predictions, with their transcripts if there are any, and write the plot to `path` atomically.

    Args:
        predictions: one row for each, in this order; a prediction with an error shows it in place of bars.
        path: ends in `.png`, `.svg` or `.pdf`.
        title: of the plot.
        transcripts_from: the sources of the transcripts.

    Raises:
        UserError: matplotlib is not installed, another ending, nothing to draw, or `path` cannot be written.
    """
    check_picture(path)
    if not predictions:
        raise UserError(f"cannot draw {path}: there are no predictions")
    from matplotlib.figure import Figure

    shown = predictions[:MOST]
    names = next((tuple(p.probabilities) for p in shown if p.probabilities), ())
    columns = max(len(names), 3)  # width for an error message if there are no bars
    width, height = _NAMES + columns * _CLASS + 0.15, _TOP + len(shown) * _ROW + _BOTTOM
    more = f" (the first {MOST} of {len(predictions)})" if len(predictions) > MOST else ""
    with house_style():
        figure = Figure(figsize=(width, height), facecolor="white")
        axes = figure.add_axes((_NAMES / width, _BOTTOM / height, columns * _CLASS / width, len(shown) * _ROW / height))
        axes.set(xlim=(0, columns), ylim=(len(shown), 0))
        axes.set_axis_off()
        heading = title + more
        size = min(13, 13 * (width - 0.3) / (_LETTER * 13 / 9 * len(heading) + 1e-9))
        _write(figure, 0.15 / width, 1 - 0.33 / height, heading, size=size, weight="bold", color=INK)
        if transcripts_from:
            source = shorten(f"transcripts from: {', '.join(transcripts_from)}", 44)
            _write(axes, (0.15 - _NAMES) / _CLASS, -0.32, source, size=7.5, color=FAINT)
        for column, name in enumerate(names):
            _write(axes, column, -0.32, name, size=9.5, color=INK)
        for row, (recording, prediction) in enumerate(zip(_recordings(shown), shown, strict=True)):
            _draw_row(axes, row, recording, prediction, names)
        write_picture(figure, path)


def _recordings(predictions: Sequence[Prediction]) -> list[str]:
    """The file names if they distinguish the recordings, else the ends of the paths."""
    names = [Path(prediction.path).name for prediction in predictions]
    if len(set(names)) < len(names):
        names = [prediction.path for prediction in predictions]
    return [shorten(name, 34, keep_end=True) for name in names]


def _draw_row(axes: Any, row: int, recording: str, prediction: Prediction, names: Sequence[str]) -> None:
    """Draw the name and the transcript on the left, then one bar for each class, or the error."""
    left = (0.15 - _NAMES) / _CLASS
    middle = row + 0.5
    transcript = shorten(prediction.transcript or "", 44)
    _write(axes, left, middle - (0.17 if transcript else 0), recording, size=10, color=INK)
    if transcript:
        _write(axes, left, middle + 0.2, f"“{transcript}”", size=7.5, color=FAINT)
    axes.plot((left, axes.get_xlim()[1]), (row, row), color=TRACK, linewidth=0.8, clip_on=False)
    if prediction.label is None:
        room = int(axes.get_xlim()[1] * _CLASS / _LETTER)
        _write(axes, 0, middle, shorten(prediction.error or "no answer", room), size=9, color=RED)
        return
    for column, name in enumerate(names):
        probability = prediction.probabilities[name]
        won = name == prediction.label
        axes.barh(middle, _WIDTH, left=column, height=0.5, color=TRACK)
        axes.barh(middle, _WIDTH * probability, left=column, height=0.5, color=BLUE if won else GREY)
        if won or probability >= 0.1:
            # Inside a long bar, after a short one, so that the text crosses no edge.
            inside = probability >= 0.5
            place = column + _WIDTH * probability + (-0.04 if inside else 0.04)
            color = "white" if inside and won else INK
            side, weight = ("right" if inside else "left"), ("bold" if won else "normal")
            _write(axes, place, middle, f"{probability:.2f}", size=8.5, color=color, ha=side, weight=weight)


def _write(where: Any, x: float, y: float, text: str, **style: Any) -> None:
    # parse_math: a dollar sign in a file name must not start a formula.
    where.text(x, y, text, va="center", parse_math=False, **style)
