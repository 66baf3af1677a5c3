"""The memory estimate equals what autograd keeps: every saved tensor of a layer once, without weights."""

import pytest
import torch

from bench.cases.training import step
from bench.sizes import Setting
from bench.systems import speech_system, text_only
from emosllm.models.description import describe
from emosllm.models.training_memory import BatchShape, training_memory
from emosllm.recipe import load_recipe, recipe_names

LEARNS = {"p1": ("mapper",), "p2": ("mapper", "lora"), "text": ("lora",)}


def kept_and_estimated(phase: str, layers: int) -> tuple[int, int]:
    setting = Setting("small", threads=1, layers=layers, batch=4)
    model, processor = text_only(setting, layers) if phase == "text" else speech_system(setting, layers)
    pair = step(setting, model, processor, "ser" if phase == "text" else "asr", LEARNS[phase], 4, 3.7, {})
    pair.ours()
    kept: dict[int, torch.Tensor] = {}

    def note(tensor: torch.Tensor) -> torch.Tensor:
        kept[tensor.untyped_storage().data_ptr()] = tensor
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
        pair.ours()
    weights = {parameter.untyped_storage().data_ptr() for parameter in model.parameters()}
    found = sum(tensor.untyped_storage().nbytes() for place, tensor in kept.items() if place not in weights)
    facts = pair.facts
    row = facts["audio_vectors"] + facts["other_tokens"]
    shape = BatchShape(4, facts["prefix_tokens"], row, round(facts["answer_tokens"] / 4), 0)
    return found, training_memory(model, LEARNS[phase], shape, 4)["activations"]


@pytest.mark.parametrize("phase", LEARNS)
def test_what_a_layer_keeps_for_the_backward_pass(phase: str) -> None:
    few, many = kept_and_estimated(phase, 2), kept_and_estimated(phase, 6)  # the last one keeps less
    assert many[1] - few[1] == pytest.approx(many[0] - few[0], rel=0.15)


def test_every_recipe_has_an_estimate() -> None:
    for name in recipe_names():
        memory = describe(load_recipe(name)).memory
        assert all(size >= 0 for size in memory.values()), name
        assert memory["frozen_weights"] > 0, name
