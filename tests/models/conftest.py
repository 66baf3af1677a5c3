"""What the tests of SpeechLLM share: tiny systems."""

import pytest
import tiny
import torch
from speech_llms import learn

from emosllm.models.build import build_model, build_processor
from emosllm.models.llms.lora import lora_layers


@pytest.fixture(scope="module")
def make(tmp_path_factory):
    """Systems by their LLM's name: `make("gemma2")` gives a model, its adapters no longer zero, and its processor."""
    built = {}

    def system(llm="llama", **parts):
        key = (llm, *parts.items())
        if key not in built:
            recipe = tiny.recipe(tmp_path_factory.mktemp(llm), "emosllm", llm_name=llm, **parts)
            torch.manual_seed(1)
            model = build_model(recipe)
            for layer in lora_layers(model.llm):
                torch.nn.init.normal_(layer.lora_B["default"].weight, std=0.1)
            built[key] = model, build_processor(recipe)
        model, processor = built[key]
        model.zero_grad()
        model.activation_checkpointing_disable()
        learn(model)
        return model.eval(), processor

    return system
