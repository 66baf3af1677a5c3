"""The recogniser: recordings in, `Prediction`s out, singly or in batches; a bad recording is a row with its error."""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import islice, repeat
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch

from emosllm.audio import MIN_SECONDS, duration, load_audio
from emosllm.errors import UserError
from emosllm.inference.adaptation import Adaptation, Session, adapted
from emosllm.inference.decoding import (
    emotion_question,
    free_answers,
    hints,
    score_emotions,
    tells_cues,
    transcribe,
)
from emosllm.inference.inputs import Source, as_utterance
from emosllm.inference.stored_calibration import StoredCalibration
from emosllm.labels import LabelSet
from emosllm.models.build import System
from emosllm.models.speech_llm import SpeechLLM
from emosllm.prompting.processor import Sample, SpeechProcessor
from emosllm.recipe_parts import EMOTION_TASK, TRANSCRIPT_TASK, Answer, InferencePart, Strategy
from emosllm.utterance import Prediction, Utterance

#: Where transcripts come from: the system's own ears, or what the utterance brings along.
Transcripts = Literal["own", "given"]

__all__ = ["Recogniser", "Source", "Transcripts", "as_utterance"]


class Recogniser:
    """A trained system, ready to be asked.

    Args:
        model: the system.
        processor: its processor.
        strategy: how transcripts are used; the recipe's where not given.
        labels: the emotions to choose from; all that it was trained for where not given.
        answer: whether labels are scored or looked for in a free answer; the recipe's where not given.
        remembered: the encoder's frames `[N, D]` of utterances that were heard before, such as a training run's.
        temperature: what log-probabilities are divided by; 1 leaves them as the system gives them.
        measured: the cues of utterances that were measured before, such as a training run's.

    Attributes:
        calibrated: where `temperature` comes from; `None` where nothing was fitted.
        adaptation: the recordings that answers are adapted to; `None` where they are not.
    """

    calibrated: StoredCalibration | None = None
    adaptation: Adaptation | None = None

    def __init__(
        self,
        model: System,
        processor: SpeechProcessor,
        strategy: Strategy | None = None,
        labels: LabelSet | None = None,
        answer: Answer | None = None,
        remembered: Callable[[Utterance], np.ndarray] | None = None,
        temperature: float = 1.0,
        measured: Callable[[Utterance], Mapping[str, float]] | None = None,
    ) -> None:
        if not (math.isfinite(temperature) and temperature > 0):
            raise UserError(f"temperature {temperature}: a finite number above 0 is needed")
        self.remembered = remembered
        self.measured = measured
        self.temperature = temperature
        self.model = model
        self.processor = processor
        self.inference: InferencePart = model.recipe.inference
        self.strategy: Strategy = strategy or self.inference.strategy
        self.answer: Answer = answer or self.inference.answer
        self.labels = labels or processor.labels
        if self.strategy not in EMOTION_TASK:
            raise UserError(f"unknown strategy {self.strategy!r}: known are {', '.join(EMOTION_TASK)}")
        if self.strategy != "ser" and not (isinstance(model, SpeechLLM) and processor.listens):
            raise UserError(f"strategy {self.strategy!r}: {model.recipe.name} does not transcribe; use ser")
        if self.answer == "generate" and not isinstance(model, SpeechLLM):
            raise UserError(f"{model.recipe.name} has no LLM, so it can't answer freely; its labels are scored")

    def __call__(self, source: Source | None = None, transcript: str | None = None) -> Prediction:
        """Recognise one recording, or one text.

        Args:
            source: a file, its bytes, mono samples `[T]` at 16 kHz, or an utterance; `None` for text alone.
            transcript: what is said, where that is known.

        Raises:
            UserError: the recording can't be read or is not one utterance, or the system needs the other.
        """
        utterance = Utterance("the given text") if source is None else as_utterance(source)
        utterance = utterance if transcript is None else replace(utterance, transcript=transcript)
        prediction = next(self.predict([utterance], 1, "own" if transcript is None else "given"))
        if prediction.error is not None:
            raise UserError(prediction.error)
        return prediction

    def predict(
        self,
        utterances: Iterable[Utterance],
        batch_size: int = 8,
        transcripts: Transcripts = "own",
        sessions: Iterable[Session | None] | None = None,
    ) -> Iterator[Prediction]:
        """Recognise many recordings, in order, `batch_size` at a time, in constant memory.

        Args:
            utterances: what to recognise.
            batch_size: how many are computed together; the answers do not depend on it.
            transcripts: `given` takes the utterances' own transcripts where they have one.
            sessions: of each utterance, where some are adapted to as they come; the others go by `adapt`.

        Raises:
            UserError: the strategy rests on the system's own words, and the system does not transcribe.
        """
        if batch_size < 1:
            raise UserError(f"batch_size {batch_size}: give 1 or more")
        if transcripts == "own" and self.needs_words and not self.processor.reads:
            raise UserError(
                f"strategy {self.strategy!r} needs the words, and {self.model.recipe.name} does not transcribe: give "
                "them (transcripts or an ASR), or use strategy ser"
            )
        remaining = zip(utterances, sessions or repeat(None), strict=False)
        while batch := list(islice(remaining, batch_size)):
            yield from self._batch([utterance for utterance, _ in batch], transcripts, [each for _, each in batch])

    def adapt(self, recordings: Iterable[Source], batch_size: int = 8) -> Adaptation:
        """Adapt to recordings of varied emotions without labels, until this is called again.

        Raises:
            UserError: the system does not normalise by statistics.
        """
        self.adaptation = self.session().add_all(self.clips(map(as_utterance, recordings), batch_size))
        return self.adaptation

    def session(self) -> Session:
        """A session: its recordings are adapted to as they come. Give it to `predict`.

        Raises:
            UserError: the system does not normalise by statistics.
        """
        states = self.model.hidden_states
        if states is None or (trained := states.statistics) is None:
            raise UserError(
                f"{self.model.recipe.name} can't be adapted: it does not normalise by statistics; train one with "
                "encoder.normalise=statistics"
            )
        return Session(trained, self.temperature, self.calibrated)

    @torch.inference_mode()
    def clips(self, utterances: Iterator[Utterance], batch_size: int) -> Iterator[torch.Tensor]:
        """The encoder's frames `[N, D]` or `[N, S, D]`, not normalised, of the utterances that can be read."""
        while batch := list(islice(utterances, batch_size)):
            heard = []
            for utterance in batch:
                with suppress(UserError):
                    heard.append(self._hear(replace(utterance, transcript="-")))  # words are not asked for here
            yield from (torch.from_numpy(frames) for frames in self._frames(heard) if frames is not None)

    def _batch(
        self, utterances: Sequence[Utterance], transcripts: Transcripts, sessions: Sequence[Session | None]
    ) -> list[Prediction]:
        heard: list[_Heard] = []
        errors: dict[int, str] = {}
        for index, (utterance, session) in enumerate(zip(utterances, sessions, strict=True)):
            try:
                heard.append(replace(self._hear(utterance), session=session))
            except UserError as error:
                errors[index] = str(error)
        answers = iter(self._recognise(heard, transcripts) if heard else [])
        return [
            Prediction(_path(utterance), error=errors[index]) if index in errors else next(answers)
            for index, utterance in enumerate(utterances)
        ]

    def _hear(self, utterance: Utterance) -> "_Heard":
        """What this system needs of an utterance; an error if that is not there."""
        if self.needs_words and not utterance.transcript:
            way = "reads one" if self.processor.reads else f"needs one under strategy {self.strategy}"
            raise UserError(
                f"{_path(utterance)}: no transcript, and this system {way}; give it in the manifest's column "
                "'transcript'"
            )
        if not self.processor.listens:
            return _Heard(utterance)
        if utterance.audio is None:
            raise UserError(f"{utterance.id}: no recording, and this system listens")
        if self.remembered is not None and (self.measured is not None or not tells_cues(self.processor)):
            return _Heard(utterance, frames=self.remembered(utterance))
        # Three hours are refused by their header, before they are decoded; a header may be off a little.
        promised = min(duration(utterance.audio), utterance.end or math.inf) - utterance.start
        if promised > self.processor.longest + MIN_SECONDS:
            self.processor.check_seconds(promised, _path(utterance))
        samples = load_audio(utterance.audio, start=utterance.start, end=utterance.end)
        self.processor.check_length(samples, _path(utterance))
        return _Heard(utterance, samples, self.remembered and self.remembered(utterance))

    @torch.inference_mode()
    def _recognise(self, heard: Sequence["_Heard"], transcripts: Transcripts) -> list[Prediction]:
        sessions = [one.session for one in heard]
        frames, temperatures = adapted(self._frames(heard), sessions, self.adaptation, self.temperature)
        known = [hints(self.processor, one.utterance, one.samples, self.measured) for one in heard]
        given = transcripts == "given" or self.processor.reads
        texts: list[str | None] = [one.utterance.transcript if given else None for one in heard]
        if self.strategy != "ser":
            texts = self._listen(frames, texts, known)
        questions = [
            emotion_question(self.processor, self.strategy, text, self.labels, **hints)
            for text, hints in zip(texts, known, strict=True)
        ]
        samples = [Sample(question, frames=clip) for question, clip in zip(questions, frames, strict=True)]
        paths = [_path(one.utterance) for one in heard]
        if self.answer == "generate":
            return self._answer_freely(paths, samples, texts)
        scored = score_emotions(self.model, self.processor, samples, self.labels, temperatures)
        return [
            Prediction(path, max(probabilities, key=probabilities.__getitem__), probabilities, text)
            for path, probabilities, text in zip(paths, scored, texts, strict=True)
        ]

    def _answer_freely(
        self, paths: Sequence[str], samples: Sequence[Sample], texts: Sequence[str | None]
    ) -> list[Prediction]:
        assert isinstance(self.model, SpeechLLM)
        most = self.inference.max_new_tokens
        found = zip(paths, free_answers(self.model, self.processor, samples, self.labels, most), texts, strict=True)
        return [
            Prediction(path, label or self.inference.fallback, transcript=text, said=said, unnamed=label is None)
            for path, (said, label), text in found
        ]

    def _frames(self, heard: Sequence["_Heard"]) -> list[np.ndarray | None]:
        """The encoder's frames of each clip, `[N, D]`: computed once, read by both questions."""
        new = [one.samples for one in heard if one.samples is not None and one.frames is None]
        if not new or self.model.encoder is None:
            return [one.frames for one in heard]
        features = {name: tensor.to(self.model.device) for name, tensor in self.processor.features(new).items()}
        hidden, mask = self.model.encoder(features["audio"], features["audio_attention"], features.get("windows"))
        computed = (clip[keep].float().cpu().numpy() for clip, keep in zip(hidden, mask, strict=True))
        return [next(computed) if one.frames is None else one.frames for one in heard]

    def _listen(
        self, frames: Sequence[np.ndarray | None], texts: Sequence[str | None], known: Sequence[dict[str, Any]]
    ) -> list[str | None]:
        """Fill in the transcripts that nobody gave."""
        silent = [index for index, text in enumerate(texts) if text is None]
        if not silent:
            return list(texts)
        task = TRANSCRIPT_TASK[self.strategy]
        samples = [
            Sample(self.processor.converse(task, labels=self.labels, **known[index]), frames=frames[index])
            for index in silent
        ]
        assert isinstance(self.model, SpeechLLM)
        heard = transcribe(self.model, self.processor, samples, self.inference.max_new_tokens)
        filled = dict(zip(silent, heard, strict=True))
        return [filled.get(index, text) for index, text in enumerate(texts)]

    @property
    def note(self) -> str | None:
        """What a reader of the probabilities should know, in one line."""
        told = self.adaptation or self.calibrated
        return None if told is None else told.note

    @property
    def writes_words(self) -> bool:
        """Whether predictions hold transcripts that the system itself wrote."""
        return self.strategy != "ser" and self.model.recipe.transcribes

    @property
    def needs_words(self) -> bool:
        """Whether transcripts must be given: the system reads them, or its strategy does and it does not transcribe."""
        return self.processor.reads or (self.strategy != "ser" and not self.model.recipe.transcribes)


@dataclass(frozen=True, slots=True)
class _Heard:
    """What is known of an utterance: its samples `[T]`, or the encoder's frames `[N, D]`, or neither for text."""

    utterance: Utterance
    samples: np.ndarray | None = None
    frames: np.ndarray | None = None
    session: Session | None = None


def _path(utterance: Utterance) -> str:
    return str(utterance.audio) if isinstance(utterance.audio, Path) else utterance.id
