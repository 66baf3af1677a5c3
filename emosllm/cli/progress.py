"""Progress of a long command: a bar on a terminal, one line per minute in a log."""

import time
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from emosllm.timeline.clock import clock

_EVERY = 60.0  # seconds between lines in a log


class CommandProgress:
    """Counts what is done, on the error stream.

    Args:
        what: the work's name.
        total: how much there is.
        unit: of the counts: `recordings`, or `seconds`, which are shown as `minutes:seconds`.
        console: where to print; the error stream if not given.
    """

    def __init__(self, what: str, total: float, unit: str, console: Console | None = None) -> None:
        self.what, self.total, self.unit = what, total, unit
        self.console = console or Console(stderr=True)
        self.done = 0.0
        self._began = self._last = time.monotonic()
        self._earlier = 0.0
        self._bar = Progress(
            TextColumn(what),
            BarColumn(),
            TaskProgressColumn(),
            TextColumn("{task.fields[count]}"),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
            console=self.console,
            transient=True,
            disable=not self.console.is_terminal,
        )
        self._task = self._bar.add_task(what, total=total, count=self._count())

    def __enter__(self) -> "CommandProgress":
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.stop()

    def begin(self, earlier: float) -> None:
        """Start the clock; work of an earlier process counts as done and not towards the speed."""
        self._began = self._last = time.monotonic()
        self._earlier = self.done = earlier
        self._bar.reset(self._task, completed=int(earlier), count=self._count())

    def advance(self, more: float = 1) -> None:
        """Add to the work done."""
        self.done += more
        self._bar.update(self._task, completed=self.done, count=self._count())
        now = time.monotonic()
        if not self.console.is_terminal and now - self._last >= _EVERY:
            self._last = now
            self.console.print(f"{self.what}: {self._count()}, {self._time_left(now)} left", highlight=False)

    def reach(self, done: float) -> None:
        """Set the work done."""
        self.advance(done - self.done)

    def _count(self) -> str:
        if self.unit == "seconds":
            return f"{clock(self.done)} of {clock(self.total)}"
        return f"{self.done:,.0f} of {self.total:,.0f} {self.unit}"

    def _time_left(self, now: float) -> str:
        speed = (self.done - self._earlier) / max(now - self._began, 1e-9)
        return clock((self.total - self.done) / speed) if speed > 0 else "unknown time"
