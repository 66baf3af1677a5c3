"""Clips: utterances that are cut out of their recordings and ready to be recognised.

A recording is opened once for all utterances of it that follow each other in the list. Threads may decode ahead of the
model; they are enough, because libsndfile and soxr release Python's lock.
"""

import math
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, closing
from dataclasses import dataclass
from itertools import groupby, islice
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING

import numpy as np

from emosllm.audio import MIN_SECONDS, Recording, open_recording
from emosllm.errors import UserError
from emosllm.utterance import Utterance

if TYPE_CHECKING:  # they load torch
    from emosllm.inference.adaptation import Session
    from emosllm.prompting.processor import SpeechProcessor


@dataclass(frozen=True, slots=True)
class Clip:
    """An utterance with the data that a system reads of it.

    Attributes:
        utterance: the utterance as it was listed, or the turn that was cut.
        name: its name in errors and predictions.
        samples: mono samples `[T]` at 16 kHz; `None` if the system does not need them.
        frames: encoder frames `[N, D]` from a cache; `None` without one.
        transcript: the transcript that the system may use.
        transcript_from: where `transcript` comes from: `given`, or the name of a speech recogniser.
        speakers: who speaks, if known; two or more where speech overlaps.
        session: the session that the clip belongs to, if answers adapt to it.
        error: one line that says why the clip cannot be recognised.
    """

    utterance: Utterance
    name: str
    samples: np.ndarray | None = None
    frames: np.ndarray | None = None
    transcript: str | None = None
    transcript_from: str | None = None
    speakers: tuple[str, ...] = ()
    session: "Session | None" = None
    error: str | None = None


@dataclass(frozen=True)
class ClipReader:
    """Cut listed utterances out of their recordings: whole files, or from `start` to `end`.

    Attributes:
        processor: of the system, whose limits the clips keep to.
        samples: whether samples are needed.
        frames: returns cached encoder frames `[N, D]` of an utterance.
        any_length: read clips that are too long for the system, which are errors otherwise.
    """

    processor: "SpeechProcessor"
    samples: bool = True
    frames: Callable[[Utterance], np.ndarray] | None = None
    any_length: bool = False

    def read(self, utterances: Iterable[Utterance], workers: int = 0, ahead: int = 16) -> Iterator[Clip]:
        """Read the clips in order. An utterance that cannot be read is a clip with its error.

        Args:
            utterances: what to read.
            workers: threads that decode; with 0, each clip is decoded when it is requested.
            ahead: how many clips are decoded in advance; this bounds the memory.
        """
        if workers < 1:
            for _, group in groupby(utterances, _recording_of):
                with closing(_SharedRecording()) as shared:
                    yield from self._clips(group, shared)
            return
        parts = _parts(utterances, max(1, ahead // 2))
        pending: deque[_PendingPart] = deque()
        with ThreadPoolExecutor(workers, thread_name_prefix="decoding") as pool:

            def fill() -> None:
                while sum(part.size for part in pending) < max(ahead, workers) and (new := next(parts, None)):
                    utterances, shared = new
                    pending.append(_PendingPart(len(utterances), shared, pool.submit(self._part, utterances, shared)))

            shared = _SharedRecording()
            try:
                fill()
                while pending:
                    part = pending.popleft()
                    clips = part.clips.result()
                    if part.shared is not shared:  # all parts of the recording before are read
                        shared.close()
                        shared = part.shared
                    fill()
                    yield from clips
            finally:
                pool.shutdown(wait=True, cancel_futures=True)
                for unread in (shared, *(part.shared for part in pending)):
                    unread.close()

    def cut(self, utterance: Utterance, recording: Recording) -> Clip:
        """Cut an utterance out of its open recording.

        Raises:
            UserError: the segment cannot be read, or is too long for the system.
        """
        samples = self._samples(recording, utterance)
        return Clip(utterance, name_of(utterance), samples, transcript=utterance.transcript)

    def _part(self, utterances: Iterable[Utterance], shared: "_SharedRecording") -> list[Clip]:
        with shared.lock:
            return list(self._clips(utterances, shared))

    def _clips(self, utterances: Iterable[Utterance], shared: "_SharedRecording") -> Iterator[Clip]:
        """The clips of utterances of one recording."""
        for utterance in utterances:
            name = name_of(utterance)
            try:
                if utterance.audio is None and self.processor.takes_audio:
                    raise UserError(f"{name}: no recording, and this system needs one")
                frames = self.frames(utterance) if self.frames is not None else None
                samples = None
                if self.samples and utterance.audio is not None:
                    samples = self._samples(shared.opened(utterance), utterance)
                clip = Clip(utterance, name, samples, frames, utterance.transcript)
            except UserError as error:
                clip = Clip(utterance, name, error=str(error))
            yield clip

    def _samples(self, recording: Recording, utterance: Utterance) -> np.ndarray:
        if self.any_length:
            return recording.samples(utterance.start, utterance.end)
        # A recording that is too long is refused by its header, before decoding. Headers may be slightly wrong.
        stated = min(recording.seconds, utterance.end or math.inf) - utterance.start
        if stated > self.processor.longest + MIN_SECONDS:
            self.processor.check_seconds(stated, name_of(utterance))
        samples = recording.samples(utterance.start, utterance.end)
        self.processor.check_length(samples, name_of(utterance))
        return samples


@dataclass(frozen=True)
class ListedUtterances:
    """Utterances of a list as clips: whole recordings, or the segments that the list states.

    Attributes:
        utterances: the list.
        reader: reads what the system needs.
        workers: threads that decode.
        ahead: how many clips are decoded in advance.
    """

    utterances: Sequence[Utterance]
    reader: ClipReader
    workers: int = 0
    ahead: int = 16

    unit = "recordings"

    @property
    def total(self) -> float:
        """The number of utterances."""
        return len(self.utterances)

    def clips(self, first: int = 0) -> Iterator[Clip]:
        """Yield the clips from the utterance with index `first` on."""
        return self.reader.read(islice(self.utterances, first, None), self.workers, self.ahead)


def name_of(utterance: Utterance) -> str:
    """The path of the utterance's file; its id if its recording is not a file."""
    return str(utterance.audio) if isinstance(utterance.audio, Path) else utterance.id


class _SharedRecording:
    """One recording that is opened when the first of its utterances needs it, and stays open for the others."""

    def __init__(self) -> None:
        self.lock = Lock()
        self._stack = ExitStack()
        self._recording: Recording | None = None

    def opened(self, utterance: Utterance) -> Recording:
        """The open recording of the utterance."""
        if self._recording is None:
            assert utterance.audio is not None
            opening = open_recording(utterance.audio, name=name_of(utterance))
            self._recording = self._stack.enter_context(opening)
        return self._recording

    def close(self) -> None:
        """Close the recording, if it was opened."""
        self._stack.close()


@dataclass(frozen=True)
class _PendingPart:
    """Utterances of one recording that a thread reads."""

    size: int
    shared: _SharedRecording
    clips: Future[list[Clip]]


def _recording_of(utterance: Utterance) -> object:
    """A key that is equal for utterances of one file; all other recordings differ."""
    return utterance.audio if isinstance(utterance.audio, Path) else object()


def _parts(utterances: Iterable[Utterance], most: int) -> Iterator[tuple[list[Utterance], _SharedRecording]]:
    """Lists of at most `most` utterances of one recording, which all lists of that recording share."""
    for _, group in groupby(utterances, _recording_of):
        shared = _SharedRecording()
        while part := list(islice(group, most)):
            yield part, shared
