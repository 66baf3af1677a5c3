"""Transcripts from wherever they come: the utterance, a recogniser of speech, else the system itself; and from where.

`recognise` is `Recogniser.predict` with that told beside each prediction. An utterance's own transcript goes first, a
recogniser of speech fills what is missing, and the system listens where nobody else did.
"""

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice, repeat
from pathlib import Path
from typing import Protocol

import numpy as np

from emosllm.audio import load_audio
from emosllm.errors import UserError
from emosllm.inference.adaptation import Session
from emosllm.inference.recogniser import Recogniser
from emosllm.utterance import Prediction, Utterance


class Transcriber(Protocol):
    """A recogniser of speech.

    Attributes:
        name: what outputs call it, such as `asr openai/whisper-small`.
    """

    name: str

    def __call__(self, clips: Sequence[np.ndarray]) -> list[str]:
        """What is said in each clip `[T]` at 16 kHz."""


@dataclass(frozen=True, slots=True)
class Recognised:
    """A prediction, and where its transcript came from.

    Attributes:
        utterance: what was asked about, as it was given.
        prediction: what the system says.
        transcript_from: `model`, `given`, a transcriber's name, or `None` where there is no transcript.
    """

    utterance: Utterance
    prediction: Prediction
    transcript_from: str | None


def recognise(
    recogniser: Recogniser,
    utterances: Iterable[Utterance],
    batch_size: int = 8,
    *,
    given: bool = False,
    transcriber: Transcriber | None = None,
    session: Session | None = None,
) -> Iterator[Recognised]:
    """Recognise many recordings, in order, in constant memory.

    Args:
        recogniser: the system.
        utterances: what to recognise.
        batch_size: how many are computed together.
        given: take the utterances' own transcripts where they have one.
        transcriber: asked for transcripts that nobody gave, before the system is.
        session: to which the recordings belong, where answers adapt to them as they come.
    """
    waiting: deque[tuple[Utterance, str | None]] = deque()

    def asked() -> Iterator[Utterance]:
        for original, utterance, source in _filled(utterances, batch_size, given or reads, transcriber):
            waiting.append((original, source))
            yield utterance

    reads = getattr(recogniser.processor, "reads", False)  # such a system takes the given words, asked or not
    mode = "given" if given or transcriber else "own"
    for prediction in recogniser.predict(asked(), batch_size, mode, repeat(session)):  # type: ignore[arg-type]
        utterance, source = waiting.popleft()
        heard = prediction.transcript is not None
        # The transcriber's samples took the file's place; whoever asked knows it by its path.
        name = str(utterance.audio) if isinstance(utterance.audio, Path) else utterance.id
        yield Recognised(utterance, replace(prediction, path=name), (source or "model") if heard else None)


def _filled(
    utterances: Iterable[Utterance], batch_size: int, given: bool, transcriber: Transcriber | None
) -> Iterator[tuple[Utterance, Utterance, str | None]]:
    """Each utterance as it came, as it is asked about, and who gave its transcript."""
    remaining = iter(utterances)
    while batch := list(islice(remaining, max(1, batch_size))):
        kept = [utterance if given else replace(utterance, transcript=None) for utterance in batch]
        texts = _transcribed(kept, transcriber) if transcriber else {}
        for index, (original, utterance) in enumerate(zip(batch, kept, strict=True)):
            if index in texts:
                assert transcriber is not None
                audio, text = texts[index]
                yield original, replace(utterance, audio=audio, start=0.0, end=None, transcript=text), transcriber.name
            else:
                yield original, utterance, None if utterance.transcript is None else "given"


def _transcribed(utterances: Sequence[Utterance], transcriber: Transcriber) -> dict[int, tuple[np.ndarray, str]]:
    """Samples and words of those that lack a transcript; a recording that can't be read is left to the recogniser."""
    clips: dict[int, np.ndarray] = {}
    for index, utterance in enumerate(utterances):
        if utterance.transcript is None and utterance.audio is not None:
            try:
                clips[index] = load_audio(utterance.audio, start=utterance.start, end=utterance.end)
            except UserError:
                continue
    texts = transcriber(list(clips.values())) if clips else []
    return {index: (clip, text) for (index, clip), text in zip(clips.items(), texts, strict=True)}
