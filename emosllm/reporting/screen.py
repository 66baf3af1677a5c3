"""Predictions on the terminal: rich tables that fit 100 columns with nine classes, and the parts of such tables.

Class names are cut to three letters (`ang`, `neu`) if nine must fit side by side. No information is in colour alone: it
is also bold, a number or a word, since terminals and colour vision differ.
"""

from collections.abc import Mapping, Sequence

from rich import box
from rich.table import Table
from rich.text import Text

from emosllm.utterance import Prediction

_EIGHTHS = " ▏▎▍▌▋▊▉█"
#: Cells of the terminal that a probability's bar may fill: 24 steps.
BAR_CELLS = 3
#: Cells of the first column of a table of answers.
TEXT_CELLS = 44


def prediction_table(predictions: Sequence[Prediction]) -> Table:
    """A row for each recording: path, label, its probability, a bar for each class; below the path its transcript.

    An unreadable recording has the whole reason in its row, in red.
    """
    names = next((tuple(p.probabilities) for p in predictions if p.probabilities), ())
    table = answer_table("recording", names)
    for prediction in predictions:
        table.add_row(*_row(prediction, names))
    return table


def short_names(names: Sequence[str]) -> tuple[str, ...]:
    """The first three letters of each name, or the whole names if two would be equal."""
    short = tuple(name[:3] for name in names)
    return short if len(set(short)) == len(names) else tuple(names)


def shorten(text: str, width: int, *, keep_end: bool = False) -> str:
    """At most `width` printable characters on one line, the rest as `…`; of a path the end is kept."""
    line = "".join(character if character.isprintable() else " " for character in text)
    if len(line) <= width:
        return line
    return "…" + line[len(line) - width + 1 :] if keep_end else line[: width - 1].rstrip() + "…"


def bar(probability: float, cells: int = BAR_CELLS) -> str:
    """A probability as a bar of at most `cells` cells of the terminal, in eighths."""
    full, part = divmod(round(min(max(probability, 0.0), 1.0) * cells * 8), 8)
    return ("█" * full + (_EIGHTHS[part] if part else "")).ljust(cells)


def answer_table(first: str, labels: Sequence[str]) -> Table:
    """A table without rows: what was recognised, the emotion, its probability, and a bar for each class."""
    table = Table(box=box.SIMPLE_HEAD, padding=0, pad_edge=False)
    table.add_column(first, max_width=TEXT_CELLS, overflow="fold")
    table.add_column(" emotion", no_wrap=True)
    table.add_column("p ", justify="right", no_wrap=True)
    for head in short_names(labels):
        table.add_column(Text(head), no_wrap=True, min_width=BAR_CELLS)
    return table


def answer_cells(
    first: Text, label: str, confidence: str, probabilities: Mapping[str, float], labels: Sequence[str]
) -> list[Text]:
    """A row of `answer_table`; a class without a probability has an empty bar."""
    bars = [Text(bar(probabilities.get(name, 0.0)), style="bold" if name == label else "dim") for name in labels]
    return [first, Text(f" {label}", style="bold"), Text(f" {confidence} "), *bars]


def error_cells(first: Text, error: str | None) -> list[Text]:
    """A row of `answer_table` without an answer, with the whole reason in red."""
    first.append("\n" + shorten(error or "no answer", 500), style="red")
    return [first, Text(" –", style="red")]


def _row(prediction: Prediction, names: Sequence[str]) -> list[Text]:
    recording = Text(shorten(prediction.path, TEXT_CELLS, keep_end=True))
    if prediction.label is None:
        return error_cells(recording, prediction.error)
    if prediction.transcript:
        recording.append("\n" + shorten(prediction.transcript, TEXT_CELLS), style="dim italic")
    # A free answer has no probability.
    confidence = "" if prediction.confidence is None else f"{prediction.confidence:.2f}"
    return answer_cells(recording, prediction.label, confidence, prediction.probabilities, names)
