"""A recogniser whose `predict` goes through the queue, where clips of several clients share a batch."""

from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future
from dataclasses import dataclass
from itertools import repeat

from emosllm.inference.adaptation import Session
from emosllm.inference.recogniser import Recogniser, Transcripts
from emosllm.serving.batcher import Line
from emosllm.utterance import Prediction, Utterance


@dataclass(frozen=True)
class Job:
    """One clip for one system."""

    system: str
    utterance: Utterance
    session: Session | None = None


JobLine = Line[Job, Prediction]


class QueuedRecogniser:
    """What a timeline asks of a `Recogniser`, answered through the queue.

    Args:
        recogniser: the system.
        name: the system's name in the queue.
        line: the admitted request.
    """

    def __init__(self, recogniser: Recogniser, name: str, line: JobLine) -> None:
        self.labels, self.processor = recogniser.labels, recogniser.processor
        self._name, self._line = name, line

    def predict(
        self,
        utterances: Iterable[Utterance],
        batch_size: int = 8,
        transcripts: Transcripts = "own",
        sessions: Iterable[Session | None] | None = None,
    ) -> Iterator[Prediction]:
        """Recognise many recordings, in order; at most `batch_size` of them wait in the queue.

        The bound lets a long recording fill batches on an idle server without delaying the other clients on a busy one.
        """
        asked: deque[Future[Prediction]] = deque()
        for utterance, session in zip(utterances, sessions or repeat(None), strict=False):
            if len(asked) == batch_size:
                yield asked.popleft().result()
            asked.append(self._line.submit(Job(self._name, utterance, session)))
        while asked:
            yield asked.popleft().result()
