"""What a report's page holds, whatever it is written as: sections of tables, pictures and examples.

A `Number` knows its place in `report.json`, and is read from there, so that HTML and Markdown cannot tell other figures
than the report does. Given up: footnotes, and tables within tables.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, is_dataclass
from typing import Any

from emosllm.evaluation.metrics import Interval


@dataclass(frozen=True, slots=True)
class Number:
    """A figure.

    Attributes:
        value: `None` where there is none.
        interval: of it.
        at: its place: the run's number, then the keys of its `report.json`; empty where it was computed for the page.
        ends_at: the place of the interval.
        places: decimals.
        bar: whether it may be drawn as a bar from 0 to 1.
        signed: whether a plus is written.
    """

    value: float | None
    interval: Interval | None = None
    at: str = ""
    ends_at: str = ""
    places: int = 3
    bar: bool = False
    signed: bool = False

    @property
    def text(self) -> str:
        """`0.523`, or `–`."""
        if self.value is None:
            return "–"
        # A value that rounds to nothing has no sign.
        shown = f"{self.value:{'+' if self.signed else ''}.{self.places}f}"
        return shown.replace("-", "−") if float(shown) else shown.lstrip("+-")

    @property
    def interval_text(self) -> str:
        """`[0.481, 0.567]`, or nothing."""
        if self.interval is None:
            return ""
        ends = (f"{end:.{self.places}f}".replace("-", "−") for end in (self.interval.low, self.interval.high))
        return f"[{', '.join(ends)}]"


@dataclass(frozen=True, slots=True)
class Share:
    """A cell of a confusion matrix.

    Attributes:
        count: clips.
        share: of the row.
        right: whether it lies on the diagonal.
        at: as of `Number`.
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
        head: of the columns.
        rows: as long as the head.
        title: above it.
        note: below it, a sentence.
    """

    head: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    title: str = ""
    note: str = ""


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture that need not be drawn where it cannot be shown.

    Attributes:
        draw: makes the matplotlib figure.
        caption: what it shows, for those who do not see it, too.
        wide: whether it needs more room than a column of text.
    """

    draw: Callable[[], Any]
    caption: str
    wide: bool = False


@dataclass(frozen=True, slots=True)
class Example:
    """One answer.

    Attributes:
        id: of the clip.
        reference: what was spoken.
        label: what was answered.
        right: whether that is the same.
        probabilities: the largest ones, falling.
        transcript: what was said, as far as known.
        said: the free answer.
        speaker: who speaks.
        audio: a data URI; `None` where there is no sound.
        silence: why there is none, where some was asked for.
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
    """Text to be read letter by letter, such as a recipe; folded where that can be done."""

    title: str
    text: str


Block = Table | Picture | Examples | Listing


@dataclass(frozen=True, slots=True)
class Section:
    """A part of the page.

    Attributes:
        title: its heading.
        blocks: what it holds.
        text: sentences before the blocks.
        notes: sentences after them.
    """

    title: str
    blocks: tuple[Block, ...]
    text: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def anchor(self) -> str:
        """Its name within the page."""
        return self.title.lower().replace(" ", "-").replace(",", "")


def find(record: Any, path: str) -> Any:
    """What lies at a place such as `scores/ua` of nested records, mappings and tuples.

    Raises:
        KeyError: nothing does.
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
    """A name as a step of a place: what JSON Pointer does (RFC 6901)."""
    return name.replace("~", "~0").replace("/", "~1")


def p_text(p: float | None) -> str:
    """`0.012`, `< 0.001`, or `–`."""
    return "–" if p is None else "< 0.001" if p < 0.001 else f"{p:.3f}"
