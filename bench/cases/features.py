"""A training epoch of small systems with cached encoder frames, or with the encoder in every step."""

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from bench import plain_transformers
from bench.case import Case, Pair, TrainingStep, equal_training_steps
from bench.sizes import Setting
from bench.systems import head_system, write_utterance
from emosllm.models.build import System, build_model, build_processor
from emosllm.prompting.processor import SpeechProcessor
from emosllm.recipe import Recipe, load_recipe
from emosllm.training.dataset import PhaseDataset
from emosllm.training.feature_cache import FeatureCache
from emosllm.training.phase_plan import plan_phase
from emosllm.training.run import set_trainable

_SECONDS = 3.7
_FOLDERS: list[tempfile.TemporaryDirectory[str]] = []  # deleted when the process ends


def _nano(setting: Setting) -> Pair:
    """The first phase of the builtin nano, with its own weights."""
    recipe = load_recipe("nano", ("mapper.dropout=0.0",))
    model, processor = build_model(recipe).to(setting.device), build_processor(recipe)
    return _epoch(setting, recipe, model, processor, max(8, setting.sizes.clips // 5), plain_transformers.loss_of)


def _head(setting: Setting) -> Pair:
    """A classifier on WavLM; the plain implementation differs only in the encoder."""
    model, processor = head_system(setting)

    def loss_of(model: Any, processor: SpeechProcessor, samples: Any) -> torch.Tensor:
        return model(**processor.for_labels(samples).to(model.device)).loss

    return _epoch(setting, model.recipe, model, processor, max(4, setting.sizes.clips // 20), loss_of)


def _epoch(
    setting: Setting,
    recipe: Recipe,
    model: System,
    processor: SpeechProcessor,
    clips: int,
    loss_of: Callable[..., torch.Tensor],
) -> Pair:
    """Forward and backward over all clips, from files on disk, in the recipe's first phase."""
    folder = tempfile.TemporaryDirectory()
    _FOLDERS.append(folder)
    utterances = [
        write_utterance(Path(folder.name), number, _SECONDS, recipe.label_set.names) for number in range(clips)
    ]
    name, phase = next(iter(recipe.phases.items()))
    plan = plan_phase(name, phase.model_copy(update={"epochs": 1}), utterances, recipe.label_set, (0, 1))
    set_trainable(model, phase.learns, lora_trained=False)
    model.train()
    assert model.encoder is not None
    cache = FeatureCache(Path(folder.name) / "frames", model.encoder, processor)
    cache.fill(utterances)
    learning = [parameter for parameter in model.parameters() if parameter.requires_grad]
    batch = recipe.training.micro_batch

    def run_epoch(dataset: PhaseDataset, loss_of: Callable[..., torch.Tensor]) -> TrainingStep:
        total = 0.0
        for start in range(0, len(dataset), batch):
            samples = [dataset[index] for index in range(start, min(start + batch, len(dataset)))]
            loss = loss_of(model, processor, samples)
            loss.backward()
            total += float(loss.detach())
        gradient = torch.cat([parameter.grad.flatten().float() for parameter in learning if parameter.grad is not None])
        model.zero_grad()
        return TrainingStep(total, gradient)

    def ours() -> TrainingStep:
        known = PhaseDataset(plan, utterances, processor, phase, (0,), cached=cache.path)
        collate = processor if phase.loss == "tokens" else processor.for_labels
        return run_epoch(known, lambda model, _, samples: model(**collate(samples).to(model.device)).loss)

    def plain_way() -> TrainingStep:
        return run_epoch(PhaseDataset(plan, utterances, processor, phase, (0,)), loss_of)

    facts = {"system": recipe.name, "clips": len(plan), "batch": batch, "seconds_a_clip": _SECONDS}
    compare = equal_training_steps(1e-2, 5e-2)  # frames are cached in half precision, about three digits
    return Pair(plain_way, ours, compare, len(plan), facts)


CASES = (
    Case("cached-nano", "an epoch of nano, frames cached or recomputed", _nano),
    Case("cached-head", "an epoch of a classifier on WavLM, frames cached or recomputed", _head),
)
