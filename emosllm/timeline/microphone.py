"""The microphone as a stream of samples, through the library sounddevice."""

import queue
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from emosllm.audio import SAMPLE_RATE
from emosllm.errors import UserError
from emosllm.extras import extra

_BLOCK = 0.25  # seconds of a block


@contextmanager
def open_microphone(device: str | None = None) -> Iterator[tuple[Iterator[np.ndarray], Callable[[], float]]]:
    """The microphone as blocks of samples, until the `with` block ends.

    Args:
        device: its name or number as the sound library lists it; the operating system's default if not given.

    Yields:
        Endless mono samples `[n]` at 16 kHz, and a function that returns how many seconds of them are waiting.

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

    def on_block(samples: np.ndarray, frames: int, when: Any, status: Any) -> None:
        waiting.put(samples[:, 0].copy())

    chosen = int(device) if device is not None and device.isdigit() else device
    try:
        stream = sounddevice.InputStream(
            SAMPLE_RATE, int(_BLOCK * SAMPLE_RATE), chosen, 1, dtype="float32", callback=on_block
        )
    except (sounddevice.PortAudioError, ValueError) as error:
        what = " ".join(str(error).split())
        raise UserError(f"no microphone {device or ''} can be opened ({what}): check it, or name one") from None
    with stream:
        yield _received_blocks(waiting), lambda: waiting.qsize() * _BLOCK


def _received_blocks(waiting: "queue.Queue[np.ndarray]") -> Iterator[np.ndarray]:
    while True:
        yield waiting.get()
