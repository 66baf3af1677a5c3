"""The recognition that the REST routes and the page share: whole recordings or turns, through one queue.

Recordings stay in memory. Decoding, voice activity detection and cues run outside the model's thread, in a pool with
as many threads as the queue has places. A recording is decoded in blocks while it is recognised, so an hour takes the
memory of its file and not of its samples.
"""

import asyncio
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace

from emosllm.audio import Recording, open_recording
from emosllm.errors import UserError
from emosllm.inference.adaptation import Session
from emosllm.inference.recogniser import Recogniser
from emosllm.inference.rows import RecognitionOptions, recognise
from emosllm.inference.transcripts import Transcriber, TranscriptSources
from emosllm.serving.batcher import Batcher
from emosllm.serving.error_responses import shortened
from emosllm.serving.guards.uploads_in_progress import UploadLimits, UploadsInProgress
from emosllm.serving.metrics import Metrics
from emosllm.serving.queued_recogniser import Job, JobLine, QueuedRecogniser
from emosllm.serving.sessions import Sessions
from emosllm.timeline.cues import cues_available
from emosllm.timeline.segments import Segment, Timeline
from emosllm.timeline.spoken_turns import SpokenTurns
from emosllm.timeline.timeline import timeline_of
from emosllm.utterance import Prediction, Utterance


@dataclass(frozen=True)
class RequestOptions:
    """What a client requests of a recording.

    Attributes:
        turns: whether the recording is cut into turns; `None` if that is decided by its length.
        system: the system's name; the first system if not given.
        transcript: the transcript, if it is known; only without turns.
        cues: whether to measure the acoustic cues.
        session: the client's name for recordings that answers adapt to; empty for none.
    """

    turns: bool | None = False
    system: str | None = None
    transcript: str | None = None
    cues: bool = False
    session: str = ""


@dataclass(frozen=True)
class ServerLimits:
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
        limits: ServerLimits | None = None,
        transcriber: Transcriber | None = None,
    ) -> None:
        self.systems = dict(systems)
        self.transcriber = transcriber
        self.limits = limits or ServerLimits()
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
        return await asyncio.get_running_loop().run_in_executor(
            self._pool, self._recognised, line, audio, name, options
        )

    def _recognised(self, line: JobLine, audio: bytes, name: str, options: RequestOptions) -> Timeline:
        """The stream of one request; it waits for the model in a thread of the pool."""
        system = self.chosen(options.system)
        recogniser, session = self.systems[system], self._session(line, system, options.session)
        sources = TranscriptSources(listed=options.transcript is not None, transcriber=self.transcriber)
        recognition = RecognitionOptions(self.limits.batch_size, sources, options.cues and cues_available(), session)
        queued, longest = QueuedRecogniser(recogniser, system, line), recogniser.processor.longest
        with open_recording(audio, name=name) as recording:
            whole = not options.turns if options.turns is not None else recording.seconds <= longest
            self._check_transcript(system, options, whole)
            self._check_seconds(recording, longest if whole else self.limits.max_seconds)
            if whole:
                clip = recogniser.reader(samples=True).cut(Utterance(name, transcript=options.transcript), recording)
                (row,) = recognise(queued, [clip], recognition)
                if row.prediction.error is not None:
                    raise UserError(row.prediction.error)
                labels, segment = tuple(recogniser.labels.names), Segment.of(row, recording.seconds)
                timeline = Timeline(name, recording.seconds, system, labels, [segment])
            else:
                turns = SpokenTurns(recording, name, longest=longest)
                segments = [Segment.of(row) for row in recognise(queued, turns.clips(), recognition)]
                timeline = timeline_of(turns, segments, recogniser, system, recognition)
        self.metrics.audio_seconds.inc(timeline.duration)
        if session is None:
            return timeline
        return replace(timeline, settings={**timeline.settings, "adapted": session.adaptation.to_dict()})

    def _check_transcript(self, system: str, options: RequestOptions, whole: bool) -> None:
        """Refuse a request without a transcript for a system that needs one and does not transcribe."""
        if not self.systems[system].needs_words or options.transcript or self.transcriber is not None:
            return
        remedy = "send the field `transcript` too" if whole else "it cannot recognise turns"
        raise UserError(f"{system} needs a transcript and does not transcribe: {remedy}")

    def _check_seconds(self, recording: Recording, longest: float) -> None:
        """Refuse a recording that is too long, by its header and before it is decoded."""
        seconds, name = recording.seconds, recording.name
        if seconds > self.limits.max_seconds:
            raise UserError(
                f"{name}: {seconds:.0f} s, and this server takes at most {self.limits.max_seconds:g} s: cut it"
            )
        if seconds > longest:
            raise UserError(
                f"{name}: {seconds:.1f} s, and this system takes at most {longest:g} s as one utterance: "
                "ask with segments=true"
            )

    def _session(self, line: JobLine, system: str, name: str) -> Session | None:
        """The session of that name; each client has its own sessions."""
        return self._sessions.get((line.client, system, name), self.systems[system].session) if name else None

    def _recognise(self, jobs: Sequence[Job]) -> list[Prediction]:
        """Recognise a batch, system by system; only the model's thread calls it."""
        answers: dict[int, Prediction] = {}
        for name in dict.fromkeys(job.system for job in jobs):
            mine = [index for index, job in enumerate(jobs) if job.system == name]
            found = self.systems[name].recognise([jobs[index].clip for index in mine], len(mine))
            answers.update(zip(mine, (prediction for _, prediction in found), strict=True))
        return [answers[index] for index in range(len(jobs))]
