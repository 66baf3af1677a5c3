"""The recognition that the REST routes and the page share: whole recordings or turns, through one queue.

Recordings stay in memory. Decoding, voice activity detection and cues run outside the model's thread, in a pool with
as many threads as the queue has places. A recording is decoded in blocks while it is recognised, so an hour takes the
memory of its file and not of its samples.
"""

import asyncio
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from emosllm.audio import SAMPLE_RATE, Recording, open_recording
from emosllm.errors import UserError
from emosllm.inference.adaptation import Session
from emosllm.inference.clips import Clip
from emosllm.inference.recogniser import Recogniser
from emosllm.inference.rows import RecognitionOptions, recognise
from emosllm.inference.transcripts import Transcriber, TranscriptSources
from emosllm.serving.batcher import Batcher
from emosllm.serving.error_responses import shortened
from emosllm.serving.metrics import Metrics
from emosllm.serving.queued_recogniser import Job, JobLine, QueuedRecogniser
from emosllm.serving.sessions import Sessions
from emosllm.serving.uploads_in_progress import UploadLimits, UploadsInProgress
from emosllm.timeline.cues import cues_available
from emosllm.timeline.segments import Segment, Timeline
from emosllm.timeline.spoken_turns import TurnOptions, cut_turns
from emosllm.utterance import Prediction, Utterance


@dataclass(frozen=True)
class RequestOptions:
    """What a client requests of a recording.

    Attributes:
        turns: whether the recording is cut into turns; if not, it is one utterance.
        system: the system's name; the first system if not given.
        transcript: the transcript, if it is known; only without turns.
        cues: whether to measure the acoustic cues.
        session: the client's name for recordings that answers adapt to; empty for none.
    """

    turns: bool = False
    system: str | None = None
    transcript: str | None = None
    cues: bool = False
    session: str = ""


@dataclass(frozen=True)
class Limits:
    """The limits of one server.

    Attributes:
        max_seconds: the longest recording.
        max_bytes: the largest upload.
        queue: most requests admitted at a time.
        batch_size: clips recognised together.
        uploads: how fast an upload has to arrive.
    """

    max_seconds: float = 3600.0
    max_bytes: int = 100_000_000
    queue: int = 32
    batch_size: int = 8
    uploads: UploadLimits = field(default_factory=UploadLimits)


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
        self.uploads = UploadsInProgress(self.limits.uploads, self.limits.queue * self.limits.max_bytes)
        self.metrics.watch(self.batcher, self.uploads)
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
            raise UserError(f"model {shortened(name)!r} is not served here; there is {', '.join(self.systems)}")
        return name or next(iter(self.systems))

    def has_words(self, name: str) -> bool:
        """Whether answers of that system hold a transcript that no client sent."""
        return self.transcriber is not None or self.systems[name].writes_words

    async def recognise(self, line: JobLine, audio: bytes, name: str, options: RequestOptions) -> Timeline:
        """Recognise a recording as one utterance or turn by turn: a timeline of one segment, or of its turns.

        Args:
            line: the admitted request.
            audio: a file's bytes.
            name: the recording's name in answers.
            options: what the client requests.

        Raises:
            UserError: the recording cannot be read, is too long, or the system needs a transcript that is missing.
        """
        system = self.chosen(options.system)
        self._check_transcript(system, options)
        session = self._session(line, system, options.session)
        return await asyncio.get_running_loop().run_in_executor(
            self._pool, self._recognised, line, audio, name, system, options, session
        )

    def _recognised(
        self, line: JobLine, audio: bytes, name: str, system: str, options: RequestOptions, session: Session | None
    ) -> Timeline:
        """The stream of one request; it waits for the model in a thread of the pool."""
        recogniser = self.systems[system]
        batch_size, cues = self.limits.batch_size, options.cues and cues_available()
        sources = TranscriptSources(listed=options.transcript is not None, transcriber=self.transcriber)
        recognition = RecognitionOptions(batch_size, sources, cues, session)
        queued = QueuedRecogniser(recogniser, system, line)
        settings: dict[str, Any] = {}
        with open_recording(audio, name=name) as recording:
            seconds = self._checked(recording, None if options.turns else recogniser.processor.longest)
            if options.turns:
                turns = TurnOptions().within(recogniser.processor.longest)
                settings = turns.settings() | recognition.settings()
                clips = cut_turns(recording.blocks(), name, turns)
            else:
                samples = recording.samples()
                seconds = len(samples) / SAMPLE_RATE
                clips = iter([Clip(Utterance(name, end=seconds), name, samples, transcript=options.transcript)])
            rows = list(recognise(queued, clips, recognition))
        if not options.turns and (error := rows[0].prediction.error) is not None:
            raise UserError(error)
        self.metrics.audio_seconds.inc(seconds)
        labels, adapted = tuple(recogniser.labels.names), _adapted(session)
        return Timeline(name, seconds, system, labels, [Segment.of(row) for row in rows], settings | adapted)

    def _check_transcript(self, system: str, options: RequestOptions) -> None:
        """Refuse a request without a transcript for a system that needs one and does not transcribe."""
        if not self.systems[system].needs_words or options.transcript or self.transcriber is not None:
            return
        remedy = "it cannot recognise turns" if options.turns else "send the field `transcript` too"
        raise UserError(f"{system} needs a transcript and does not transcribe: {remedy}")

    def fits(self, audio: bytes, name: str, system: str | None = None) -> bool:
        """Whether a recording is short enough to be one utterance, by its header.

        Raises:
            UserError: the recording cannot be read.
        """
        with open_recording(audio, name=name) as recording:
            return recording.seconds <= self.systems[self.chosen(system)].processor.longest

    def _session(self, line: JobLine, system: str, name: str) -> Session | None:
        """The session of that name; each client has its own sessions."""
        return self._sessions.get((line.client, system, name), self.systems[system].session) if name else None

    def _checked(self, recording: Recording, longest: float | None) -> float:
        """Seconds, by the header; a recording that is too long is refused before it is decoded.

        Args:
            recording: the open recording.
            longest: the system's limit for one utterance; `None` if the recording is cut into turns.
        """
        seconds, name = recording.seconds, recording.name
        if seconds > self.limits.max_seconds:
            raise UserError(
                f"{name}: {seconds:.0f} s, and this server takes at most {self.limits.max_seconds:g} s: cut it"
            )
        if longest is not None and seconds > longest:
            raise UserError(
                f"{name}: {seconds:.1f} s, and this system takes at most {longest:g} s as one utterance: "
                "ask with segments=true"
            )
        return seconds

    def _recognise(self, jobs: Sequence[Job]) -> list[Prediction]:
        """Recognise a batch, system by system; only the model's thread calls it."""
        answers: dict[int, Prediction] = {}
        for name in dict.fromkeys(job.system for job in jobs):
            mine = [index for index, job in enumerate(jobs) if job.system == name]
            found = self.systems[name].recognise([jobs[index].clip for index in mine], len(mine))
            answers.update(zip(mine, (prediction for _, prediction in found), strict=True))
        return [answers[index] for index in range(len(jobs))]


def _adapted(session: Session | None) -> dict[str, Any]:
    """The part of an answer that describes its session."""
    return {} if session is None else {"adapted": session.adaptation.to_dict()}
