"""The live view: show the turns of a stream in the terminal as they are recognised.

Recognition runs between two blocks of samples, and a queue keeps the blocks that arrive meanwhile. The view shows how
far a system slower than real time is behind.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from types import TracebackType
from typing import Self

import numpy as np
from rich.console import Console, Group
from rich.live import Live
from rich.text import Text

from emosllm.audio import SAMPLE_RATE
from emosllm.inference.rows import Row
from emosllm.reporting.screen import bar
from emosllm.sinks.sink import Sink
from emosllm.timeline.clock import clock
from emosllm.timeline.screen import initials, ribbon, times
from emosllm.timeline.segments import Segment

_SHOWN = 8  # turns in the list
_SECONDS = 60.0  # seconds that the ribbon spans


class LiveView(Sink):
    """A ribbon of the last minute, a list of the last turns, and a level meter.

    Args:
        labels: the emotions.
        console: where to draw; if it is no terminal, each turn is printed as a line.
    """

    def __init__(self, labels: tuple[str, ...], console: Console) -> None:
        self.labels = labels
        self.console = console
        self.segments: deque[Segment] = deque(maxlen=200)
        self.heard = 0.0  # seconds of the stream so far
        self.level = 0.0
        self.behind = 0.0
        self._live = ExitStack()

    def __enter__(self) -> Self:
        if self.console.is_terminal:
            live = Live(console=self.console, refresh_per_second=8, transient=False, get_renderable=self.drawn)
            self._live.enter_context(live)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._live.close()

    def add(self, row: Row) -> None:
        """Show the turn; if the console is no terminal, print it as a line."""
        segment = Segment.of(row)
        self.segments.append(segment)
        if not self.console.is_terminal:
            self.console.print(self.line(segment), highlight=False)

    def watched(self, blocks: Iterable[np.ndarray], waiting: Callable[[], float] | None = None) -> Iterator[np.ndarray]:
        """Pass on the blocks of the stream and show its length, its level and the delay.

        Args:
            blocks: mono samples `[n]` at 16 kHz.
            waiting: returns how many seconds of the stream are waiting, as for a microphone.
        """
        for block in blocks:
            self.heard += len(block) / SAMPLE_RATE
            self.level = float(np.abs(block).max(initial=0.0))
            self.behind = waiting() if waiting is not None else 0.0
            yield block

    def drawn(self) -> Group:
        """The current view."""
        width = max(20, min(self.console.width - 2, 120))
        keys = ", ".join(f"{letter} {name}" for name, letter in initials(self.labels).items())
        meter = Text(f"{clock(self.heard)}  {bar(min(1.0, self.level * 2), 12)}  ", style="bold")
        if self.behind > 1:
            meter.append(f"{self.behind:.0f} s behind  ", style="red")
        meter.append(keys, style="dim")
        turns = [self.line(segment) for segment in list(self.segments)[-_SHOWN:]]
        return Group(ribbon(list(self.segments), self.labels, self.heard, _SECONDS, width), meter, *turns)

    def line(self, segment: Segment) -> Text:
        """A turn in one line: times, emotion, probability, words."""
        if segment.label is None:
            return Text(f"{times(segment)}  {segment.error}", style="red")
        text = Text(f"{times(segment)}  ")
        text.append(f"{segment.label:<9}", style="bold")
        text.append(f" {segment.sureness:<4} {bar(segment.confidence or 0.0, 5)}")
        if segment.transcript:
            text.append(f"  {' '.join(segment.transcript.split())}", style="dim italic")
        return text
