"""Decode recordings in several threads ahead of the model, in order, with a bounded number in memory.

Threads are enough, since libsndfile and soxr release Python's lock, and samples need no copying between processes. A
recording that cannot be decoded is passed on unchanged, so that the recogniser reports the error.
"""

import math
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from itertools import islice
from pathlib import Path

from emosllm.audio import MIN_SECONDS, duration, load_audio
from emosllm.errors import UserError
from emosllm.utterance import Utterance


def decode_ahead(
    utterances: Iterable[Utterance], workers: int, ahead: int, longest: float = math.inf
) -> Iterator[Utterance]:
    """Yield the utterances in order, with samples in place of their files.

    Args:
        utterances: those whose recording is not a file are passed on unchanged.
        workers: threads that decode; with 0, each recording is decoded when the caller requests it.
        ahead: how many recordings are decoded in advance; this bounds the memory.
        longest: in seconds; longer recordings are not decoded, since the recogniser refuses them by their header.
    """
    if workers < 1:
        yield from (_decode(utterance, longest) for utterance in utterances)
        return
    remaining = iter(utterances)
    with ThreadPoolExecutor(workers, thread_name_prefix="decoding") as pool:
        waiting: deque[Future[Utterance]] = deque()
        try:
            for utterance in islice(remaining, max(ahead, workers)):
                waiting.append(pool.submit(_decode, utterance, longest))
            while waiting:
                done = waiting.popleft().result()
                for utterance in islice(remaining, 1):
                    waiting.append(pool.submit(_decode, utterance, longest))
                yield done
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def _decode(utterance: Utterance, longest: float) -> Utterance:
    audio = utterance.audio
    if not isinstance(audio, Path):
        return utterance
    try:
        seconds = min(duration(audio), math.inf if utterance.end is None else utterance.end) - utterance.start
        if seconds > longest + MIN_SECONDS:
            return utterance
        samples = load_audio(audio, start=utterance.start, end=utterance.end)
    except UserError:
        return utterance
    return replace(utterance, audio=samples, start=0.0, end=None)
