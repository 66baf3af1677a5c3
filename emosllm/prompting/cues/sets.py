"""The table of the sets of text cues, and the measurement of many clips in parallel.

A recipe uses one whole set. Another selection of cues is a new module with a `CUE_SET`.
"""

from collections.abc import Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from functools import partial
from importlib import import_module
from multiprocessing import get_context
from typing import get_args

import numpy as np

from emosllm.audio import load_audio
from emosllm.errors import UserError
from emosllm.prompting.cues.definition import CueSet
from emosllm.recipe_parts import CueSetName
from emosllm.utterance import Utterance

Clips = Sequence[Utterance | np.ndarray]
Measures = list[dict[str, float]]


#: Name -> the set of the module with that name. The names are the choices of a recipe's `prompt.cues`.
CUE_SETS: dict[str, CueSet] = {
    name: import_module(f"emosllm.prompting.cues.{name}").CUE_SET for name in get_args(CueSetName)
}


def cue_set(name: str) -> CueSet:
    """Look up a set by its name.

    Raises:
        UserError: there is no such set.
    """
    if name not in CUE_SETS:
        raise UserError(f"unknown set of cues {name!r}: known are {', '.join(CUE_SETS)}")
    return CUE_SETS[name]


def measure_all(name: str, clips: Iterable[Utterance | np.ndarray], workers: int = 0) -> Measures:
    """Measure the cues of many clips, in their order.

    Args:
        name: a set of `CUE_SETS`.
        clips: utterances with audio, or samples `[T]` at 16 kHz.
        workers: number of processes, including this one; 0 or 1 measures in this process. Fewer are used where one
            would get fewer clips than the set's `fair_share`, and threads where only one is left and the set is
            `threaded`. A script with more workers needs `if __name__ == "__main__":`, as always with `multiprocessing`.

    Raises:
        UserError: there is no such set, its measuring package is not installed, or a recording cannot be read.
    """
    known, clips = cue_set(name), list(clips)
    processes = min(workers, len(clips) // known.fair_share)
    if processes > 1:
        return _by_processes(name, clips, processes)
    if workers <= 1 or not known.threaded:
        return _measure_clips(name, clips)
    with ThreadPoolExecutor(workers) as threads:
        parts = _parts(clips, workers)
        return [values for part in threads.map(partial(_measure_clips, name), parts) for values in part]


def _by_processes(name: str, clips: Clips, processes: int) -> Measures:
    """Measure in several processes. This process takes parts from the end while the others start at the beginning.

    Processes are spawned and not forked: the parent may have torch's threads, and a fork with threads can hang. Praat
    already computes the pitch of one clip on all cores, so its speed-up is smaller than the number of processes.
    """
    parts = _parts(clips, processes)
    with ProcessPoolExecutor(processes - 1, mp_context=get_context("spawn")) as pool:
        try:
            theirs = [pool.submit(_measure_clips, name, part) for part in parts]
            ours = {
                number: _measure_clips(name, parts[number])
                for number in reversed(range(len(parts)))
                if theirs[number].cancel()  # fails if another process has started this part
            }
            measures = [ours[number] if number in ours else theirs[number].result() for number in range(len(parts))]
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)  # the remaining results are not needed
            raise
    return [values for part in measures for values in part]


def _parts(clips: Clips, workers: int) -> list[Clips]:
    """Split into parts of consecutive clips, to reduce the transfer between processes.

    Parts are small, because up to three of them may wait for the process that finishes last.
    """
    size = max(1, min(16, len(clips) // (32 * workers)))
    return [clips[first : first + size] for first in range(0, len(clips), size)]


def _measure_clips(name: str, clips: Clips) -> Measures:
    return [_measure_clip(name, clip) for clip in clips]


def _measure_clip(name: str, clip: Utterance | np.ndarray) -> dict[str, float]:
    if isinstance(clip, np.ndarray):
        return CUE_SETS[name].measure(clip)
    if clip.audio is None:
        raise UserError(f"{clip.id}: text cues are measured on audio, and this utterance has none")
    return CUE_SETS[name].measure(load_audio(clip.audio, start=clip.start, end=clip.end))
