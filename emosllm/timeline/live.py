"""The live view: recognise a stream turn by turn and show it in the terminal.

The source is any iterator of samples, such as a microphone or a file. Recognition runs between two blocks of samples,
and a queue keeps the blocks that arrive meanwhile. The view shows how far a system slower than real time is behind.
"""

import queue
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from rich.console import Console, Group
from rich.live import Live
from rich.text import Text

from emosllm.audio import SAMPLE_RATE
from emosllm.errors import UserError
from emosllm.extras import extra
from emosllm.inference.recogniser import Recogniser
from emosllm.timeline.clock import clock
from emosllm.timeline.screen import bar, initials, ribbon, times
from emosllm.timeline.segments import Segment
from emosllm.timeline.timeline import Options, recognise_timeline

_BLOCK = 0.25  # seconds of a microphone's block
_SHOWN = 8  # turns in the list
_SECONDS = 60.0  # seconds that the ribbon spans


class LiveView:
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

    def follow(
        self, recogniser: Recogniser, blocks: Iterable[np.ndarray], options: Options, waiting: Any = None
    ) -> Iterator[Segment]:
        """Recognise a stream and draw it, turn by turn, until it ends.

        Args:
            recogniser: the system.
            blocks: mono samples `[n]` at 16 kHz.
            options: how turns are made.
            waiting: the queue that the blocks come from, if there is one.
        """
        with (
            Live(console=self.console, refresh_per_second=8, transient=False, get_renderable=self.drawn)
            if self.console.is_terminal
            else _nothing()
        ):
            for segment in recognise_timeline(recogniser, self._watched(blocks, waiting), options):
                self.segments.append(segment)
                if not self.console.is_terminal:
                    self.console.print(self.line(segment), highlight=False)
                yield segment

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

    def _watched(self, blocks: Iterable[np.ndarray], waiting: Any) -> Iterator[np.ndarray]:
        for block in blocks:
            self.heard += len(block) / SAMPLE_RATE
            self.level = float(np.abs(block).max(initial=0.0))
            self.behind = waiting.qsize() * _BLOCK if waiting is not None else 0.0
            yield block


@contextmanager
def microphone(device: str | None = None) -> Iterator[tuple[Iterator[np.ndarray], "queue.Queue[np.ndarray]"]]:
    """The microphone as blocks of samples, until the `with` block ends.

    Args:
        device: its name or number as the sound library lists it; the operating system's default if not given.

    Yields:
        Endless mono samples `[n]` at 16 kHz, and the queue that holds the blocks.

    Raises:
        UserError: sounddevice or PortAudio is not installed, or there is no such microphone.
    """
    with extra("live", "listening"):
        try:
            import sounddevice
        except OSError:
            raise UserError(
                "listening needs the library PortAudio: install it (on Debian: apt install libportaudio2)"
            ) from None
    waiting: queue.Queue[np.ndarray] = queue.Queue()

    def arrived(samples: np.ndarray, frames: int, when: Any, status: Any) -> None:
        waiting.put(samples[:, 0].copy())

    chosen = int(device) if device is not None and device.isdigit() else device
    try:
        stream = sounddevice.InputStream(
            SAMPLE_RATE, int(_BLOCK * SAMPLE_RATE), chosen, 1, dtype="float32", callback=arrived
        )
    except (sounddevice.PortAudioError, ValueError) as error:
        what = " ".join(str(error).split())
        raise UserError(f"no microphone {device or ''} can be opened ({what}): check it, or name one") from None
    with stream:
        yield _taken(waiting), waiting


def _taken(waiting: "queue.Queue[np.ndarray]") -> Iterator[np.ndarray]:
    while True:
        yield waiting.get()


@contextmanager
def _nothing() -> Iterator[None]:
    yield
