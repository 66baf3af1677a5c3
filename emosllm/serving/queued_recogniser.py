"""A recogniser whose clips go through the queue, where clips of several clients share a batch."""

from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future
from dataclasses import dataclass

from emosllm.inference.clips import Clip
from emosllm.inference.recogniser import Recogniser
from emosllm.serving.batcher import Line
from emosllm.utterance import Prediction


@dataclass(frozen=True)
class Job:
    """One clip for one system."""

    system: str
    clip: Clip


JobLine = Line[Job, Prediction]


class QueuedRecogniser:
    """What the stream needs of a `Recogniser`, answered through the queue.

    Args:
        recogniser: the system.
        name: the system's name in the queue.
        line: the admitted request.
    """

    def __init__(self, recogniser: Recogniser, name: str, line: JobLine) -> None:
        self.labels, self.processor = recogniser.labels, recogniser.processor
        self.check_transcripts = recogniser.check_transcripts
        self._name, self._line = name, line

    def recognise(self, clips: Iterable[Clip], batch_size: int = 8) -> Iterator[tuple[Clip, Prediction]]:
        """Recognise clips, in order; at most `batch_size` of them wait in the queue.

        The bound lets a long recording fill batches on an idle server without delaying the other clients on a busy one.
        """
        pending: deque[tuple[Clip, Future[Prediction]]] = deque()
        for clip in clips:
            if len(pending) == batch_size:
                yield _finished(*pending.popleft())
            pending.append((clip, self._line.submit(Job(self._name, clip))))
        while pending:
            yield _finished(*pending.popleft())


def _finished(clip: Clip, answer: Future[Prediction]) -> tuple[Clip, Prediction]:
    return clip, answer.result()
