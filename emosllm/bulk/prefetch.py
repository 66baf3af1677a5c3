"""Recordings decoded by several threads ahead of the model, in order, a bounded number at a time.

Threads and not processes: libsndfile and soxr work outside Python's lock, and samples need no copying between
processes. A recording that can't be decoded goes on as it is, so that the recogniser says why in its own words.
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
    """The utterances with their samples in place of their files, in order.

    Args:
        utterances: with recordings in files; others pass as they are.
        workers: threads that decode; 0 decodes here, when asked.
        ahead: how many are decoded before they are asked for; what bounds the memory.
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
