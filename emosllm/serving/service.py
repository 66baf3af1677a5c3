"""The recognition that the REST routes and the page share: whole recordings or turns, through one queue.

Recordings stay in memory. Decoding, voice activity detection and cues run outside the model's thread, in a pool with
as many threads as the queue has places. A recording is decoded in blocks while it is recognised, so an hour takes the
memory of its file and not of its samples.
"""

import asyncio
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, ParamSpec, TypeVar, cast

import numpy as np

from emosllm.audio import SAMPLE_RATE, duration, load_audio, stream_audio
from emosllm.errors import UserError
from emosllm.inference.adaptation import Session
from emosllm.inference.recogniser import Recogniser
from emosllm.inference.transcripts import Transcriber
from emosllm.serving.batcher import Batcher
from emosllm.serving.metrics import Metrics
from emosllm.serving.queued_recogniser import Job, JobLine, QueuedRecogniser
from emosllm.serving.sessions import Sessions
from emosllm.timeline.cues import cues_available, measured
from emosllm.timeline.segments import Segment, Timeline
from emosllm.timeline.timeline import Options, recognise_timeline
from emosllm.utterance import Prediction, Utterance

P = ParamSpec("P")
T = TypeVar("T")


@dataclass(frozen=True)
class Limits:
    """The limits of one server.

    Attributes:
        max_seconds: the longest recording.
        max_bytes: the largest upload.
        queue: most requests admitted at a time.
        batch_size: clips recognised together.
    """

    max_seconds: float = 3600.0
    max_bytes: int = 100_000_000
    queue: int = 32
    batch_size: int = 8


class Service:
    """Systems behind one queue.

    Args:
        systems: by the name that answers use; the first is the default.
        limits: what the server accepts.
        transcriber: a speech recogniser for recordings without a transcript from the client.
    """

    def __init__(
        self,
        systems: Mapping[str, Recogniser],
        limits: Limits | None = None,
        transcriber: Transcriber | None = None,
    ) -> None:
        self.systems = dict(systems)
        self.transcriber = transcriber
        self.limits = limits or Limits()
        self.metrics = Metrics()
        self.batcher: Batcher[Job, Prediction] = Batcher(
            self._recognise,
            batch_size=self.limits.batch_size,
            queue=self.limits.queue,
            observe=self.metrics.observe_batch,
        )
        self.metrics.watch(self.batcher)
        self._sessions = Sessions()
        self._pool = ThreadPoolExecutor(self.limits.queue, thread_name_prefix="emosllm-request")

    def start(self) -> None:
        """Start to process requests."""
        self.batcher.start()

    def stop(self, timeout: float | None = None) -> bool:
        """Finish the admitted requests; return whether all were answered."""
        whole = self.batcher.stop(timeout)
        self._pool.shutdown(wait=whole, cancel_futures=True)
        return whole

    def chosen(self, name: str | None) -> str:
        """The system of that name; the first if no name is given.

        Raises:
            UserError: no system has that name.
        """
        if name and name not in self.systems:
            raise UserError(f"model {name!r} is not served here; there is {', '.join(self.systems)}")
        return name or next(iter(self.systems))

    def has_words(self, name: str) -> bool:
        """Whether answers of that system hold a transcript that no client sent."""
        return self.transcriber is not None or self.systems[name].writes_words

    async def whole(
        self,
        line: JobLine,
        audio: bytes,
        name: str,
        *,
        system: str | None = None,
        transcript: str | None = None,
        cues: bool = False,
        session: str = "",
    ) -> Timeline:
        """Recognise a recording as one utterance: a timeline of one segment.

        Args:
            line: the admitted request.
            audio: a file's bytes.
            name: the recording's name in answers.
            system: its name; the first system if not given.
            transcript: what is said, if that is known.
            cues: whether to measure the acoustic cues.
            session: the client's name for recordings that answers adapt to; empty for none.

        Raises:
            UserError: the recording cannot be read, or is too long for one utterance.
        """
        chosen = self.chosen(system)
        recogniser = self.systems[chosen]
        if recogniser.needs_words and not transcript and self.transcriber is None:
            raise UserError(f"{chosen} needs a transcript and does not transcribe: send the field `transcript` too")
        adapting = self._session(line, chosen, session)
        samples = await self._beside(self._read, audio, name, recogniser.processor.longest)
        source: str | None = "model" if transcript is None else "given"
        if transcript is None and self.transcriber is not None:
            source, (transcript,) = self.transcriber.name, await self._beside(self.transcriber, [samples])
        found = line.submit(Job(chosen, Utterance(name, samples, transcript=transcript), adapting))
        voice = await self._beside(measured, samples) if cues and cues_available() else {}
        said = await asyncio.wrap_future(found)
        if said.error is not None:
            raise UserError(said.error.replace("the given array", name))
        seconds = len(samples) / SAMPLE_RATE
        self.metrics.audio_seconds.inc(seconds)
        source = None if said.transcript is None else source
        segment = Segment(0.0, seconds, said.label, said.probabilities, said.transcript, source, cues=voice)
        return self._timeline(name, chosen, seconds, [segment], _adapted(adapting))

    async def turns(
        self,
        line: JobLine,
        audio: bytes,
        name: str,
        *,
        system: str | None = None,
        cues: bool = False,
        session: str = "",
    ) -> Timeline:
        """Recognise a recording turn by turn; it may be as long as the server's limit.

        Args:
            line: the admitted request.
            audio: a file's bytes.
            name: the recording's name in answers.
            system: its name; the first system if not given.
            cues: whether to measure each turn's acoustic cues.
            session: the client's name for recordings that answers adapt to; empty for none.

        Raises:
            UserError: the recording cannot be read, or is too long for this server.
        """
        chosen = self.chosen(system)
        if self.systems[chosen].needs_words and self.transcriber is None:
            raise UserError(f"{chosen} needs a transcript and does not transcribe: it cannot recognise turns")
        measures = cues and cues_available()
        adapting = self._session(line, chosen, session)
        options = Options(
            transcriber=self.transcriber, cues=measures, batch_size=self.limits.batch_size, session=adapting
        )
        # Its interface is all that the timeline asks of a recogniser.
        asked = cast(Recogniser, QueuedRecogniser(self.systems[chosen], chosen, line))

        def recognised() -> tuple[float, list[Segment]]:
            with _named(name):
                seconds = self._checked(audio, name)
                return seconds, list(recognise_timeline(asked, stream_audio(audio), options))

        seconds, segments = await self._beside(recognised)
        self.metrics.audio_seconds.inc(seconds)
        return self._timeline(name, chosen, seconds, segments, options.settings() | _adapted(adapting))

    def fits(self, audio: bytes, name: str, system: str | None = None) -> bool:
        """Whether a recording is short enough to be one utterance, by its header.

        Raises:
            UserError: the recording cannot be read.
        """
        with _named(name):
            return duration(audio) <= self.systems[self.chosen(system)].processor.longest

    def _timeline(
        self, name: str, system: str, seconds: float, segments: Sequence[Segment], settings: Mapping[str, Any]
    ) -> Timeline:
        labels = tuple(self.systems[system].labels.names)
        return Timeline(name, seconds, system, labels, segments, settings)

    def _session(self, line: JobLine, system: str, name: str) -> Session | None:
        """The session of that name; each client has its own sessions."""
        return self._sessions.get((line.client, system, name), self.systems[system].session) if name else None

    def _checked(self, audio: bytes, name: str) -> float:
        """Seconds, by the header; a recording too long for this server is refused before it is decoded."""
        seconds = duration(audio)
        if seconds > self.limits.max_seconds:
            raise UserError(
                f"{name}: {seconds:.0f} s, and this server takes at most {self.limits.max_seconds:g} s: cut it"
            )
        return seconds

    def _read(self, audio: bytes, name: str, longest: float) -> np.ndarray:
        """Samples `[T]` of a recording that is short enough for one utterance."""
        with _named(name):
            if (seconds := self._checked(audio, name)) > longest:
                raise UserError(
                    f"{name}: {seconds:.1f} s, and this system takes at most {longest:g} s as one utterance: "
                    "ask with segments=true"
                )
            return load_audio(audio)

    async def _beside(self, work: Callable[P, T], *given: P.args, **named: P.kwargs) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._pool, lambda: work(*given, **named))

    def _recognise(self, jobs: Sequence[Job]) -> list[Prediction]:
        """Recognise a batch, system by system; only the model's thread calls it."""
        answers: dict[int, Prediction] = {}
        for name in dict.fromkeys(job.system for job in jobs):
            mine = [index for index, job in enumerate(jobs) if job.system == name]
            # Recordings with a transcript use it; the system transcribes the others.
            clips, sessions = [jobs[index].utterance for index in mine], [jobs[index].session for index in mine]
            found = self.systems[name].predict(clips, len(mine), "given", sessions)
            answers.update(zip(mine, found, strict=True))
        return [answers[index] for index in range(len(jobs))]


def _adapted(session: Session | None) -> dict[str, Any]:
    """The part of an answer that describes its session."""
    return {} if session is None else {"adapted": session.adaptation.to_dict()}


@contextmanager
def _named(name: str) -> Iterator[None]:
    """Put the file's name into errors about bytes and arrays."""
    try:
        yield
    except UserError as error:
        raise UserError(str(error).replace("the given bytes", name)) from None
