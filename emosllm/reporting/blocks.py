"""The blocks of a report's page, independent of the format: sections of tables, plots and examples.

A `Number` stores its place in `report.json` and is read from there, so that HTML and Markdown show the figures of the
report. Not supported: footnotes, and tables within tables.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, is_dataclass
from typing import Any

from emosllm.evaluation.metrics import Interval


@dataclass(frozen=True, slots=True)
class Number:
    """A figure.

    Attributes:
        value: `None` if there is none.
        interval: of it.
        at: its place, the evaluation's number and the keys of its `report.json`; empty if computed for the page.
        ends_at: the place of the interval.
        places: number of decimals.
        bar: whether it may be drawn as a bar from 0 to 1.
        signed: whether a plus sign is written.
        main: whether it is the figure that systems are ranked by, which is emphasised.
        note: words after it.
    """

    value: float | None
    interval: Interval | None = None
    at: str = ""
    ends_at: str = ""
    places: int = 3
    bar: bool = False
    signed: bool = False
    main: bool = False
    note: str = ""

    @property
    def text(self) -> str:
        """The value as text, `0.523`, or `–`."""
        if self.value is None:
            return "–"
        # A value that rounds to 0 has no sign.
        shown = f"{self.value:{'+' if self.signed else ''}.{self.places}f}"
        return shown.replace("-", "−") if float(shown) else shown.lstrip("+-")

    @property
    def interval_text(self) -> str:
        """`[0.481, 0.567]`, or an empty text."""
        if self.interval is None:
            return ""
        ends = (f"{end:.{self.places}f}".replace("-", "−") for end in (self.interval.low, self.interval.high))
        return f"[{', '.join(ends)}]"

    @property
    def whole_text(self) -> str:
        """The value, its interval and its note, as far as there are any."""
        return " ".join(part for part in (self.text, self.interval_text, self.note) if part)


@dataclass(frozen=True, slots=True)
class Share:
    """A cell of a confusion matrix.

    Attributes:
        count: number of clips.
        share: of the row's clips.
        right: whether it lies on the diagonal.
        at: as in `Number`.
    """

    count: int
    share: float
    right: bool
    at: str = ""


Cell = str | int | Number | Share


@dataclass(frozen=True, slots=True)
class Table:
    """A table; its first column names the rows.

    Attributes:
        head: titles of the columns.
        rows: each as long as the head.
        title: above it.
        note: a sentence below it.
        as_lines: whether the formats for one system write `lines` in place of a grid; for a table with one row, or with
            one column beside the names.
    """

    head: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    title: str = ""
    note: str = ""
    as_lines: bool = False

    @property
    def lines(self) -> tuple[tuple[str, Cell], ...]:
        """The only column beside the names, or the only row, as pairs of name and value."""
        if len(self.head) == 2:
            return tuple((str(name), value) for name, value in self.rows)
        ((_, *values),) = self.rows
        return tuple(zip(self.head[1:], values, strict=True))


@dataclass(frozen=True, slots=True)
class Picture:
    """A plot, which is drawn only for formats that show it.

    Attributes:
        draw: creates the matplotlib figure.
        caption: a description of the plot, also as its text alternative.
        wide: whether it needs more width than a column of text.
    """

    draw: Callable[[], Any]
    caption: str
    wide: bool = False


@dataclass(frozen=True, slots=True)
class Example:
    """One answer of a system.

    Attributes:
        id: of the clip.
        reference: the true class.
        label: the answer.
        right: whether both are equal.
        probabilities: the largest ones, in descending order.
        transcript: if known.
        said: the free answer.
        speaker: of the clip.
        audio: a data URI; `None` without audio.
        silence: why there is no audio, if it was requested.
    """

    id: str
    reference: str
    label: str
    right: bool
    probabilities: tuple[tuple[str, float], ...]
    transcript: str | None
    said: str | None
    speaker: str | None
    audio: str | None = None
    silence: str | None = None


@dataclass(frozen=True, slots=True)
class Examples:
    """Some answers of one system."""

    title: str
    examples: tuple[Example, ...]


@dataclass(frozen=True, slots=True)
class Listing:
    """Text that is shown literally, such as a recipe; collapsed if the format supports it."""

    title: str
    text: str


Block = Table | Picture | Examples | Listing


@dataclass(frozen=True, slots=True)
class Section:
    """A part of the page.

    Attributes:
        title: its heading.
        blocks: its contents.
        text: sentences before the blocks.
        notes: sentences after them.
    """

    title: str
    blocks: tuple[Block, ...]
    text: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def anchor(self) -> str:
        """The anchor of the section within the page."""
        return self.title.lower().replace(" ", "-").replace(",", "")


def find(record: Any, path: str) -> Any:
    """Return the value at a place such as `scores/ua` of nested records, mappings and tuples.

    Raises:
        KeyError: there is no such place.
    """
    for step in path.split("/"):
        key = step.replace("~1", "/").replace("~0", "~")
        if is_dataclass(record):
            record = getattr(record, key)
        elif isinstance(record, Mapping):
            record = record[key]
        else:
            record = record[int(key)]
    return record


def key_of(name: str) -> str:
    """Escape a name for use in a place, as JSON Pointer does (RFC 6901)."""
    return name.replace("~", "~0").replace("/", "~1")


def p_text(p: float | None) -> str:
    """A p-value as text: `0.012`, `< 0.001`, or `–`."""
    return "–" if p is None else "< 0.001" if p < 0.001 else f"{p:.3f}"
