"""Recognition of one clip, a batch, transcript and emotion, or a ten-minute recording; by generation or by scoring."""

import re
from collections.abc import Callable, Sequence
from functools import cache, partial
from typing import Literal

import numpy as np
import torch

from bench import plain_transformers
from bench.case import Case, Pair, same_labels
from bench.sizes import Setting
from bench.systems import PairOfSystems, speech_system, synthetic_clip, with_longer_prompt
from emosllm.inference.loader import load
from emosllm.inference.recogniser import Recogniser
from emosllm.models.speech_llm import SpeechLLM
from emosllm.prompting.processor import Sample, SpeechProcessor
from emosllm.recipe_parts import Strategy, Task
from emosllm.utterance import Prediction, Utterance

SystemName = Literal["published", "ready"]

_SECONDS = 3.7  # the mean of acted corpora
_WINDOW = 5.0  # seconds, of the long recording
_TRANSCRIPT = 24  # tokens, about the number of tokens spoken in such a clip


def recognise(
    setting: Setting,
    clips: int,
    strategy: Strategy = "ser",
    seconds: float = _SECONDS,
    together: int | None = None,
    prompts: int = 1,
    without_encoder: bool = False,
) -> Pair:
    """EmoSLLM on clips: the plain implementation generates an answer and searches the label, ours scores the labels.

    Args:
        setting: device and size.
        clips: number of clips.
        strategy: the emotion alone, or the transcript before it.
        seconds: of each clip.
        together: clips of a batch; all if `None`.
        prompts: factor for the length of the system prompt.
        without_encoder: exclude the encoder from both implementations.
    """
    short = clips == 1 and strategy == "ser"
    layers = setting.layers or (setting.sizes.layers_single_clip if short else setting.sizes.layers_long)
    changes = (f"inference={{max_new_tokens: {_TRANSCRIPT}}}",)
    systems = PairOfSystems(partial(speech_system, setting, layers, 1.0, *changes))
    free = 0 if strategy == "ser" else _TRANSCRIPT
    processor = with_longer_prompt(systems.processor, prompts)
    weight_bytes = systems.weight_bytes(not without_encoder, free)
    together = together or clips
    signals = [synthetic_clip(seconds, number) for number in range(clips)]

    @cache
    def frames(name: SystemName) -> list[np.ndarray]:
        """The encoder's frames of the clips, if the encoder is excluded."""
        return [_frames(getattr(systems, name), processor, clip) for clip in signals] if without_encoder else []

    @cache
    def recogniser() -> Recogniser:
        known = frames("ready")
        remembered = (lambda utterance: known[int(utterance.id)]) if known else None
        return Recogniser(systems.ready, processor, strategy=strategy, answer="score", remembered=remembered)

    task: Task = "ser" if strategy == "ser" else "joint"

    def plain_way() -> list[str]:
        given = frames("published") or signals
        batches = [given[start : start + together] for start in range(0, clips, together)]
        answers = partial(plain_transformers.answers_of, systems.published, processor)
        texts = [answer for batch in batches for answer in answers(batch, task, free)]
        return parsed(processor, texts)

    def ours() -> list[Prediction]:
        return list(recogniser().predict(_utterances(signals), batch_size=together))

    facts = {"layers": layers, "batch": together, "seconds_a_clip": seconds, "transcript_tokens": free}
    facts |= row_lengths(processor, task, seconds)
    facts["weight_bytes"] = weight_bytes * len(range(0, clips, together))
    return Pair(
        plain_way,
        ours,
        same_labels(setting.sizes.dtype),
        clips,
        facts,
        before_plain=lambda: systems.published and frames("published"),
        before_ours=recogniser,
    )


def parsed(processor: SpeechProcessor, answers: Sequence[str]) -> list[str]:
    """The emotions that generated answers name."""
    assert processor.settings.templates is not None
    codes = {processor.settings.templates.code(name): name for name in processor.labels.names}
    found = [re.search(r"Emotion: *(\w+) *\|", answer) for answer in answers]
    return [codes[match[1]] for match in found if match is not None]


def row_lengths(processor: SpeechProcessor, task: Task, seconds: float) -> dict[str, int]:
    """The number of tokens of a prompt that are shared with the others, and of its own tokens."""
    conversation = processor.build_conversation(task, emotion=processor.labels.names[0])
    batch = processor.for_labels([Sample(conversation, samples=synthetic_clip(seconds, 0))])
    vectors = int(batch["audio_mask"].sum())
    return {
        "prefix_tokens": len(batch["prefix_ids"]),
        "audio_vectors": vectors,
        "other_tokens": batch["input_ids"].shape[1] - vectors,
    }


def _long(setting: Setting) -> Pair:
    """The builtin nano on a long recording that is cut into windows: one window after another, or in batches."""
    recogniser = load("nano", device=setting.device)
    recogniser = Recogniser(recogniser.model, recogniser.processor, strategy="ser", answer="score")
    model, processor = recogniser.model, recogniser.processor
    recording = synthetic_clip(setting.sizes.recording, 0)
    starts = np.arange(0, setting.sizes.recording, _WINDOW)
    cut = [recording[int(start * 16_000) : int((start + _WINDOW) * 16_000)] for start in starts]

    def plain_way() -> list[str]:
        answers = [plain_transformers.answers_of(model, processor, [clip]) for clip in cut]
        return [label for texts in answers for label in parsed(processor, texts)]

    def ours() -> list[Prediction]:
        windows = [Utterance(f"{start:g}", recording, start=start, end=start + _WINDOW) for start in starts]
        return list(recogniser.predict(windows))

    facts = {"system": "nano", "seconds": setting.sizes.recording, "windows": len(cut)}
    return Pair(plain_way, ours, same_labels(torch.float32), len(cut), facts)


@torch.inference_mode()
def _frames(model: SpeechLLM, processor: SpeechProcessor, clip: np.ndarray) -> np.ndarray:
    """The encoder's frames of a clip, `[N, D]`."""
    assert model.encoder is not None
    features = {name: tensor.to(model.device) for name, tensor in processor.features([clip]).items()}
    frames, mask = model.encoder(features["audio"], features["audio_attention"])
    return frames[mask].float().cpu().numpy()


def _utterances(clips: Sequence[np.ndarray]) -> list[Utterance]:
    return [Utterance(str(number), clip) for number, clip in enumerate(clips)]


def _asked(strategy: Strategy, one: bool = False) -> Callable[[Setting], Pair]:
    return lambda setting: recognise(setting, 1 if one else setting.clips, strategy)


CASES = (
    Case("one-clip", "emotion of one clip", _asked("ser", one=True)),
    Case("one-clip-llm", "the same without the encoder", lambda s: recognise(s, 1, without_encoder=True)),
    Case("batch", "emotions of a batch of clips", _asked("ser")),
    Case("transcript-emotion", "transcript, then emotion, of one clip", _asked("transcript-first", one=True)),
    Case("long-recording", "nano over ten minutes in windows of five seconds", _long),
)
