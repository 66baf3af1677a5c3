"""Reports and predictions on the terminal: rich tables that fit 100 columns with nine classes.

Class names are cut to three letters (`ang`, `neu`) if nine must fit side by side. No information is in colour alone: it
is also bold, a number or a word, since terminals and colour vision differ.
"""

from collections.abc import Mapping, Sequence

from rich import box
from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from emosllm.evaluation.dimensions import DimensionEstimate
from emosllm.evaluation.report import Report, count
from emosllm.reporting.report_text import NAMES, remarks, report_size, with_interval
from emosllm.utterance import Prediction

_EIGHTHS = " ▏▎▍▌▋▊▉█"
BAR_CELLS = 3  # width of a probability bar, which has 24 steps
TEXT_CELLS = 44  # width of the first column: paths, times and transcripts


def print_report(report: Report, console: Console) -> None:
    """Print the headline, warnings, the classes, the confusions, and the corpora if there are several."""
    console.print(Text(report.subject, style="bold"))
    console.print(Padding(_headline(report), (1, 0)))
    if len(report.by_corpus) > 1:
        console.print(_corpora(report))
    console.print(_classes(report))
    console.print(_confusions(report))
    for remark in remarks(report):
        console.print(Text(remark, style="dim"))


def prediction_table(predictions: Sequence[Prediction]) -> Table:
    """A row for each recording: path, label, its probability, a bar for each class; below the path its transcript.

    An unreadable recording has the whole reason in its row, in red.
    """
    names = next((tuple(p.probabilities) for p in predictions if p.probabilities), ())
    table = Table(box=box.SIMPLE_HEAD, padding=0, pad_edge=False)
    table.add_column("recording", max_width=TEXT_CELLS, overflow="fold")
    table.add_column(" emotion", no_wrap=True)
    table.add_column("p ", justify="right", no_wrap=True)
    for head in short_names(names):
        table.add_column(Text(head), no_wrap=True, min_width=BAR_CELLS)
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


def _row(prediction: Prediction, names: Sequence[str]) -> list[Text]:
    recording = Text(shorten(prediction.path, TEXT_CELLS, keep_end=True))
    if prediction.label is None:
        recording.append("\n" + shorten(prediction.error or "no answer", 500), style="red")
        return [recording, Text(" –", style="red")]
    if prediction.transcript:
        recording.append("\n" + shorten(prediction.transcript, TEXT_CELLS), style="dim italic")
    # A free answer has no probability.
    sure = "" if prediction.confidence is None else f"{prediction.confidence:.2f}"
    bars = probability_bars(prediction.probabilities, names, prediction.label)
    return [recording, Text(f" {prediction.label}", style="bold"), Text(f" {sure} "), *bars]


def probability_bars(probabilities: Mapping[str, float], names: Sequence[str], label: str | None) -> list[Text]:
    """A bar for each of `names`, bold for the label; a class without a probability has an empty bar."""
    return [Text(bar(probabilities.get(name, 0.0)), style="bold" if name == label else "dim") for name in names]


def _headline(report: Report) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), show_header=False)
    for name, title in NAMES.items():
        style = "bold" if name == "ua" else ""
        value = with_interval(getattr(report.scores, name), report.intervals[name])
        table.add_row(Text(title, style=style), Text(value, style=style))
    if report.wer is not None:
        table.add_row("WER", f"{report.wer:.3f} over {count(report.wer_transcripts, 'transcript')}")
    if report.confidence is not None:
        table.add_row(
            "ECE", f"{report.confidence.calibration.ece:.3f} over {count(report.confidence.calibration.n, 'clip')}"
        )
    for corpus, found in report.dimensions.items():
        for dimension, reading in found.items():
            name = f"CCC {dimension}" + (f", {shorten(corpus, 20)}" if len(report.dimensions) > 1 else "")
            table.add_row(Text(name), Text(_read(reading)))
    table.add_row("over", report_size(report))
    return table


def _read(reading: DimensionEstimate) -> str:
    """`0.412 [0.330, 0.481]; always the mean 0.000, true classes 0.655`."""
    scores = reading.scores
    sides = ((scores.ccc, scores.interval), (reading.always_mean, None), (reading.ceiling, None))
    read, mean, ceiling = ("–" if value is None else with_interval(value, interval) for value, interval in sides)
    return f"{read} over {count(scores.n, 'clip')}; always the mean {mean}, true classes {ceiling}"


def _corpora(report: Report) -> Table:
    table = _table("corpus", "UA", "WA", "classes", "speakers", "clips")
    for name, group in report.by_corpus.items():
        figures = (with_interval(group.ua, group.ua_interval), f"{group.wa:.3f}")
        table.add_row(Text(shorten(name, 30)), *figures, str(group.classes), str(group.speakers), str(group.n))
    return table


def _classes(report: Report) -> Table:
    table = _table("class", "recall", "", "precision", "F1", "clips")
    table.columns[2].justify = "left"
    for entry in report.scores.per_class:
        recall_bar = Text(bar(entry.recall), style="cyan")
        figures = (f"{entry.precision:.3f}", f"{entry.f1:.3f}", str(entry.support))
        table.add_row(entry.name, f"{entry.recall:.3f}", recall_bar, *figures)
    return table


def _confusions(report: Report) -> Table:
    scores = report.scores
    table = _table("spoken \\ answered", *short_names(scores.labels), "none", "all")
    for place, (name, row) in enumerate(zip(scores.labels, scores.confusion, strict=True)):
        if sum(row):
            cells = [
                Text(str(n) if n else "·", style="bold" if column == place else "" if n else "dim")
                for column, n in enumerate(row)
            ]
            table.add_row(name, *cells, Text(str(sum(row)), style="dim"))
    return table


def _table(first: str, *others: str) -> Table:
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
    table.add_column(first, no_wrap=True)
    for head in others:
        table.add_column(head, justify="right", no_wrap=True)
    return table
