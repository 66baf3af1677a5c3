"""Training steps: forward and backward over one batch, for EmoSLLM's phases, Whisper-Gemma, and text only."""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import replace

import numpy as np
import torch

from bench import plain_transformers
from bench.case import Case, Pair, TrainingStep, equal_training_steps
from bench.sizes import Setting
from bench.systems import SENTENCES, speech_system, synthetic_clip, text_only, whisper_gemma
from emosllm.models.speech_llm import SpeechLLM
from emosllm.prompting.processor import Sample, SpeechProcessor
from emosllm.recipe_parts import Task, TrainablePart
from emosllm.training.run import set_trainable

_SECONDS = 3.7  # the mean of acted corpora


def speech(
    setting: Setting,
    task: Task,
    trained_parts: Sequence[TrainablePart],
    clips: int | None = None,
    seconds: float = _SECONDS,
) -> Pair:
    """A training step of one of EmoSLLM's phases.

    Args:
        setting: device and size.
        task: of the samples.
        trained_parts: the parts that are trained.
        clips: of the batch.
        seconds: of each clip.
    """
    layers = setting.layers or setting.sizes.layers
    model, processor = speech_system(setting, layers)
    return step(setting, model, processor, task, trained_parts, clips or setting.clips, seconds, {"layers": layers})


def step(
    setting: Setting,
    model: SpeechLLM,
    processor: SpeechProcessor,
    task: Task,
    trained_parts: Sequence[TrainablePart],
    clips: int,
    seconds: float,
    facts: dict[str, float],
) -> Pair:
    """Forward and backward over one batch, in both implementations; the optimiser's step would be the same in both."""
    set_trainable(model, trained_parts, lora_trained="lora" in trained_parts)
    model.train()
    batch = samples_of(processor, task, clips, seconds)
    known = _with_cached_frames(model, processor, batch)
    learning = [parameter for parameter in model.parameters() if parameter.requires_grad]

    def backward(loss: torch.Tensor) -> TrainingStep:
        loss.backward()
        gradient = torch.cat([parameter.grad.flatten().float() for parameter in learning])
        for parameter in learning:
            parameter.grad = None
        return TrainingStep(float(loss.detach()), gradient)

    def plain_way() -> TrainingStep:
        with _mixed(setting):
            loss = plain_transformers.loss_of(model, processor, batch)
        return backward(loss)

    def ours() -> TrainingStep:
        batch = processor(known).to(model.device)
        with _mixed(setting):
            loss = model(**batch).loss
        return backward(loss)

    rows = processor(known)
    shared = len(rows.get("prefix_ids", ()))
    lengths = rows["attention_mask"].sum(-1)
    vectors = int(rows["audio_mask"].sum()) // clips
    facts = {**facts, "batch": clips, "prefix_tokens": shared, "audio_vectors": vectors}
    facts |= {"other_tokens": round(float(lengths.float().mean())) - vectors, "seconds_a_clip": seconds}
    facts["answer_tokens"] = int((rows["labels"] != -100).sum())
    limits = (1e-5, 1e-3) if setting.sizes.dtype == torch.float32 else (0.01, 0.1)
    return Pair(plain_way, ours, equal_training_steps(*limits), clips, facts)


def samples_of(processor: SpeechProcessor, task: Task, clips: int, seconds: float) -> list[Sample]:
    """A batch with different wordings, sentences and emotions in each sample, as in training."""
    rng = np.random.default_rng(0)
    samples = []
    for number in range(clips):
        sentence, names = SENTENCES[number % len(SENTENCES)], processor.labels.names
        hint = sentence if processor.takes_transcript else None
        conversation = processor.build_conversation(
            task, transcript=sentence, emotion=names[number % len(names)], hint=hint, rng=rng
        )
        samples.append(Sample(conversation, samples=synthetic_clip(seconds, number) if processor.takes_audio else None))
    return samples


@torch.inference_mode()
def _with_cached_frames(model: SpeechLLM, processor: SpeechProcessor, batch: Sequence[Sample]) -> list[Sample]:
    """The same samples with the encoder's frames in half precision, as the feature cache stores them."""
    known = []
    for sample in batch:
        if sample.samples is None or model.encoder is None:
            known.append(sample)
            continue
        features = {name: tensor.to(model.device) for name, tensor in processor.features([sample.samples]).items()}
        frames, mask = model.encoder(features["audio"], features["audio_attention"])
        known.append(replace(sample, samples=None, frames=frames[mask].to(torch.float16).cpu().numpy()))
    return known


def _mixed(setting: Setting) -> AbstractContextManager[object]:
    """Enter mixed precision as the Trainer does."""
    return torch.autocast(setting.device, torch.bfloat16, enabled=setting.sizes.dtype == torch.bfloat16)


def _whisper_gemma(setting: Setting) -> Pair:
    model, processor = whisper_gemma(setting)
    layers = model.llm.config.num_hidden_layers
    return step(setting, model, processor, "ser", ["mapper"], 1, 30.0, {"layers": layers})


def _text(setting: Setting) -> Pair:
    layers = setting.layers or setting.sizes.layers
    model, processor = text_only(setting, layers)
    return step(setting, model, processor, "ser", ["lora"], setting.clips, 0.0, {"layers": layers})


CASES = (
    Case("phase-1", "training step, mapper trained", lambda s: speech(s, "asr", ["mapper"])),
    Case("phases-2-3", "training step, mapper and LoRA trained", lambda s: speech(s, "joint", ["mapper", "lora"])),
    Case("whisper-gemma", "training step, 1500 audio vectors, vocabulary of 256,000 tokens", _whisper_gemma),
    Case("text-only", "training step of LoRA, no audio", _text),
)
