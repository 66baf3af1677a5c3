"""Measure the duration of each recording from its header, and find the recordings that cannot be used.

Several threads read the headers, and a file with several utterances is opened once. Limitation: nothing is decoded, so
a truncated recording is found only if the sizes in its container show it; otherwise it is found when it is loaded.
"""

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

from rich.console import Console
from rich.progress import track

from emosllm.audio import MIN_SECONDS, AudioError, duration
from emosllm.utterance import Utterance


def measure(utterances: Sequence[Utterance], jobs: int | None = None) -> tuple[list[Utterance], dict[Path, str]]:
    """Add durations to utterances, and leave out those whose recording cannot be used.

    Args:
        utterances: recordings and text; text without a recording is returned unchanged.
        jobs: number of threads; by default four per processor, since most of the time is spent waiting for the disk.

    Returns:
        The utterances in their order, with `duration` in seconds; and file -> one line, for each recording that is
        missing, broken, or ends before one of its utterances.
    """
    files = list(dict.fromkeys(u.audio for u in utterances if isinstance(u.audio, Path)))
    with ThreadPoolExecutor(jobs or 4 * (os.cpu_count() or 1)) as pool:
        console = Console(stderr=True)
        found = track(
            pool.map(_length, files), "durations", len(files), console=console, disable=not console.is_terminal
        )
        lengths = dict(zip(files, found, strict=True))
    broken = {file: length for file, length in lengths.items() if isinstance(length, str)}
    kept = []
    for utterance in utterances:
        length = lengths.get(utterance.audio) if isinstance(utterance.audio, Path) else None
        if isinstance(length, float):
            seconds = min(length, utterance.end or length) - utterance.start
            if seconds < MIN_SECONDS or (utterance.end or 0.0) > length + MIN_SECONDS:
                assert isinstance(utterance.audio, Path)
                end = f"{utterance.start:g} to {utterance.end or length:g} s"
                broken[utterance.audio] = f"{utterance.audio}: {end} are not in a recording of {length:.3f} s"
                continue
            kept.append(replace(utterance, duration=round(seconds, 4)))
        elif length is None:
            kept.append(utterance)
    return kept, broken


def _length(file: Path) -> float | str:
    """Return the duration in seconds, or the error as text."""
    try:
        return float(duration(file))
    except AudioError as error:
        return str(error)
