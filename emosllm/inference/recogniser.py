"""The recogniser: recordings in, `Prediction`s out, singly or in batches; a bad recording is a row with its error."""

import math
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from textwrap import shorten
from typing import Any, Literal

import numpy as np
import torch

from emosllm.audio import MIN_SECONDS, duration, load_audio
from emosllm.errors import UserError
from emosllm.inference.asking import EMOTION_TASK, TRANSCRIPT_TASK, emotion_question, score_emotions, transcribe
from emosllm.labels import LabelSet
from emosllm.models.backbones import builtins
from emosllm.models.lora import merge_lora
from emosllm.models.speech_llm import SpeechLLM
from emosllm.prompting.batch import Sample, SpeechProcessor
from emosllm.prompting.cues import measure
from emosllm.recipe import InferencePart, Strategy
from emosllm.utterance import Prediction, Utterance

#: Where transcripts come from: the system's own ears, or what the utterance brings along.
Transcripts = Literal["own", "given"]


class Recogniser:
    """A trained system, ready to be asked.

    Args:
        model: the system.
        processor: its processor.
        strategy: how transcripts are used; the recipe's where not given.
        labels: the emotions to choose from; all that it was trained for where not given.
    """

    def __init__(
        self,
        model: SpeechLLM,
        processor: SpeechProcessor,
        strategy: Strategy | None = None,
        labels: LabelSet | None = None,
    ) -> None:
        self.model = model
        self.processor = processor
        self.inference: InferencePart = model.recipe.inference
        self.strategy: Strategy = strategy or self.inference.strategy
        if self.strategy not in EMOTION_TASK:
            raise UserError(f"unknown strategy {self.strategy!r}: known are {', '.join(EMOTION_TASK)}")
        self.labels = labels or processor.labels

    def __call__(self, source: str | Path | bytes | np.ndarray | Utterance) -> Prediction:
        """Recognise one recording.

        Args:
            source: a file, its bytes, mono samples `[T]` at 16 kHz, or an utterance.

        Raises:
            UserError: the recording can't be read or is not one utterance.
        """
        prediction = next(self.predict([as_utterance(source)], batch_size=1))
        if prediction.error is not None:
            raise UserError(prediction.error)
        return prediction

    def predict(
        self, utterances: Iterable[Utterance], batch_size: int = 8, transcripts: Transcripts = "own"
    ) -> Iterator[Prediction]:
        """Recognise many recordings, in order, `batch_size` at a time, in constant memory.

        Args:
            utterances: what to recognise.
            batch_size: how many are computed together; the answers do not depend on it.
            transcripts: `given` takes the utterances' own transcripts where they have one.
        """
        if batch_size < 1:
            raise UserError(f"batch_size {batch_size}: give 1 or more")
        remaining = iter(utterances)
        while batch := list(islice(remaining, batch_size)):
            yield from self._batch(batch, transcripts)

    def _batch(self, utterances: Sequence[Utterance], transcripts: Transcripts) -> list[Prediction]:
        heard: list[Utterance] = []
        clips: list[np.ndarray] = []
        errors: dict[int, str] = {}
        for index, utterance in enumerate(utterances):
            try:
                clips.append(self._load(utterance))
                heard.append(utterance)
            except UserError as error:
                errors[index] = str(error)
        answers = iter(self._recognise(heard, clips, transcripts) if heard else [])
        return [
            Prediction(_path(utterance), error=errors[index]) if index in errors else next(answers)
            for index, utterance in enumerate(utterances)
        ]

    def _load(self, utterance: Utterance) -> np.ndarray:
        if utterance.audio is None:
            raise UserError(f"{utterance.id}: no recording, and this system listens")
        # Three hours are refused by their header, before they are decoded; a header may be off a little.
        promised = min(duration(utterance.audio), utterance.end or math.inf) - utterance.start
        if promised > self.processor.longest + MIN_SECONDS:
            self.processor.check_seconds(promised, _path(utterance))
        samples = load_audio(utterance.audio, start=utterance.start, end=utterance.end)
        self.processor.check_length(samples, _path(utterance))
        return samples

    @torch.inference_mode()
    def _recognise(
        self, utterances: Sequence[Utterance], clips: Sequence[np.ndarray], transcripts: Transcripts
    ) -> list[Prediction]:
        frames = self._frames(clips)
        known = [self._known(utterance, clip) for utterance, clip in zip(utterances, clips, strict=True)]
        texts: list[str | None] = [utterance.transcript if transcripts == "given" else None for utterance in utterances]
        if self.strategy != "ser":
            texts = self._listen(frames, texts, known)
        questions = [
            emotion_question(self.processor, self.strategy, text, self.labels, **hints)
            for text, hints in zip(texts, known, strict=True)
        ]
        samples = [Sample(question, frames=clip) for question, clip in zip(questions, frames, strict=True)]
        scored = score_emotions(self.model, self.processor, samples, self.labels)
        return [
            Prediction(_path(utterance), max(probabilities, key=probabilities.__getitem__), probabilities, text)
            for utterance, probabilities, text in zip(utterances, scored, texts, strict=True)
        ]

    def _frames(self, clips: Sequence[np.ndarray]) -> list[np.ndarray]:
        """The encoder's frames of each clip, `[N, D]`: computed once, read by both questions."""
        features = {name: tensor.to(self.model.device) for name, tensor in self.processor.features(clips).items()}
        hidden, mask = self.model.encoder(features["audio"], features["audio_attention"])
        return [clip[keep].float().cpu().numpy() for clip, keep in zip(hidden, mask, strict=True)]

    def _listen(
        self, frames: Sequence[np.ndarray], texts: Sequence[str | None], known: Sequence[dict[str, Any]]
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
        heard = transcribe(self.model, self.processor, samples, self.inference.max_new_tokens)
        filled = dict(zip(silent, heard, strict=True))
        return [filled.get(index, text) for index, text in enumerate(texts)]

    def _known(self, utterance: Utterance, clip: np.ndarray) -> dict[str, Any]:
        """The hints that this system was trained with: gender as given, cues as measured."""
        settings = self.processor.verified
        cues = None
        if settings.prompt.cues:
            if settings.thresholds is None:
                raise UserError(
                    "this system wants cues, but its run never measured their thresholds; train it with cues"
                )
            cues = settings.thresholds.describe(measure(clip))
        return {"gender": utterance.gender, "cues": cues}


def load(
    name: str | Path,
    *,
    device: str | torch.device | None = None,
    strategy: Strategy | None = None,
    labels: Sequence[str] | None = None,
) -> Recogniser:
    """Load a trained system: a builtin name (`nano`), a run's folder, a checkpoint's folder, or a hub id.

    Args:
        name: what to load.
        device: `cpu`, `cuda`, ...; a GPU where there is one and nothing is said.
        strategy: how transcripts are used; the recipe's where not given.
        labels: emotions to choose from; all of the system's where not given.

    Raises:
        UserError: no such system, a broken checkpoint, labels it was not trained for, no such device here.
    """
    chosen = _device(device)
    model, processor = load_parts(str(name))
    merge_lora(model.llm)
    model.requires_grad_(False)
    model.to(chosen)
    narrowed = processor.labels.only(labels) if labels else None
    return Recogniser(model, processor, strategy, narrowed)


def load_parts(name: str) -> tuple[SpeechLLM, SpeechProcessor]:
    """A trained system's model and processor, as they were saved.

    Raises:
        UserError: no such system, or a broken checkpoint.
    """
    place = checkpoint_folder(name)
    model = SpeechLLM.from_pretrained(place)
    try:
        return model, SpeechProcessor.from_pretrained(place)
    except UserError:
        raise
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        # Whatever transformers stumbles over first; what it says of it is long and about itself.
        what = f"{type(error).__name__}: {error}".split("\n")[0]
        raise UserError(
            f"{place}: the processor can't be read ({shorten(what, 120, placeholder=' …')}); its files are "
            "processor_config.json, tokenizer.json, tokenizer_config.json and chat_template.jinja: fetch or save them "
            "again"
        ) from None


def _device(name: str | torch.device | None) -> torch.device:
    if name is None:
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError, NotImplementedError):
        there = "cpu and cuda" if torch.cuda.is_available() else "cpu"
        raise UserError(f"device {str(name)!r} can't be used here; this machine has {there}") from None
    return device


def checkpoint_folder(name: str) -> str:
    """What a name of a system stands for: a run's `model/`, a builtin's folder, else the folder or hub id itself."""
    if (Path(name) / "model" / "config.json").is_file():
        return str(Path(name) / "model")
    if name in builtins() and not (Path(name) / "config.json").is_file():  # any folder may be called nano
        return str(builtins()[name])
    return name


def as_utterance(source: str | Path | bytes | np.ndarray | Utterance) -> Utterance:
    """Whatever a user holds in hand, as an utterance."""
    if isinstance(source, Utterance):
        return source
    if isinstance(source, str | Path):
        return Utterance(str(source), Path(source))
    return Utterance("the given bytes" if isinstance(source, bytes) else "the given samples", source)


def _path(utterance: Utterance) -> str:
    return str(utterance.audio) if isinstance(utterance.audio, Path) else utterance.id


__all__ = ["Recogniser", "Transcripts", "as_utterance", "checkpoint_folder", "load", "load_parts"]
