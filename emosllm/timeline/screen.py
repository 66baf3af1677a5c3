"""A timeline on the terminal: a row per turn, then a summary; and the ribbon of letters of the live view."""

from collections.abc import Sequence

from rich.table import Table
from rich.text import Text

from emosllm.reporting.screen import TEXT_CELLS, answer_cells, answer_table, error_cells, shorten
from emosllm.timeline.clock import clock
from emosllm.timeline.cues import cue_levels
from emosllm.timeline.plot import STYLES
from emosllm.timeline.segments import Segment, Timeline


def timeline_table(timeline: Timeline) -> Table:
    """A row per turn: times, speaker, emotion, probability, a bar per emotion; words and cues below the times."""
    table = answer_table("time", timeline.labels)
    for segment, words in zip(timeline.segments, cue_levels(timeline.segments), strict=True):
        when = Text(times(segment))
        if segment.speaker:
            both = " at once" if len(segment.speakers) > 1 else ""
            when.append(f"  {shorten(segment.speaker, 20)}{both}", style="bold")
        if segment.transcript:
            when.append("\n" + shorten(segment.transcript, TEXT_CELLS), style="dim italic")
        if unusual := ", ".join(f"{name} {word}" for name, word in words.items() if word != "medium"):
            when.append("\n" + shorten(unusual, 2 * TEXT_CELLS), style="dim")
        if segment.label is None:
            table.add_row(*error_cells(when, segment.error))
        else:
            table.add_row(
                *answer_cells(
                    when, segment.label, segment.confidence_text, segment.shown_probabilities, timeline.labels
                )
            )
    return table


def summary(timeline: Timeline) -> Text:
    """The duration, the seconds of speech, the shares of the emotions, and the sources of the transcripts."""
    turns = len(timeline.segments)
    text = Text(f"{clock(timeline.duration)} long, {clock(timeline.speech)} of speech in {turns} turns")
    shares = sorted(timeline.shares().items(), key=lambda item: -item[1])
    if turns:
        text.append("\nshare of speech: " + ", ".join(f"{name} {share:.0%}" for name, share in shares))
    if timeline.transcripts_from:
        text.append(f"\ntranscripts from: {', '.join(timeline.transcripts_from)}")
    return text


def times(segment: Segment) -> str:
    """`0:07.2 – 0:09.4`."""
    return f"{_exact_time(segment.start)} – {_exact_time(segment.end)}"


def ribbon(segments: Sequence[Segment], labels: Sequence[str], until: float, seconds: float, cells: int) -> Text:
    """The last `seconds` before `until` as cells: an emotion's letter on its colour, a dot for silence."""
    letters = initials(labels)
    text = Text()
    wide = seconds / cells
    for cell in range(cells):
        middle = until - seconds + (cell + 0.5) * wide
        here = next((s for s in reversed(segments) if s.start <= middle < s.end), None)
        if middle < 0 or here is None:
            text.append(" " if middle < 0 else "·", style="dim")
        elif here.label is None:
            text.append("?", style="red")
        else:
            text.append(letters[here.label], style=f"bold black on {STYLES.get(here.label, ('#A7B0B6', ''))[0]}")
    return text


def initials(labels: Sequence[str]) -> dict[str, str]:
    """Emotion -> its first letter that no earlier emotion uses."""
    taken: dict[str, str] = {}
    for name in labels:
        taken[name] = next((letter for letter in name.upper() if letter not in taken.values()), "?")
    return taken


def _exact_time(seconds: float) -> str:
    minutes, rest = divmod(round(seconds * 10), 600)
    hours, minutes = divmod(minutes, 60)
    front = f"{hours}:{minutes:02}" if hours else f"{minutes}"
    return f"{front}:{rest // 10:02}.{rest % 10}"
