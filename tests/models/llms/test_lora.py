"""Adapters add (alpha / rank) B A to the layers they are put on, and nothing else."""

import copy

import pytest
import tiny
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from emosllm.errors import UserError
from emosllm.models.llms.lora import add_lora, lora_layers, merge_lora, switch_lora
from emosllm.recipe_parts import LoraPart

RANK, ALPHA = 3, 12.0
ALL = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")
IDS = torch.arange(6, 26)[None]


def adapted(*targets, trained=False, dtype=torch.float32):
    llm = tiny.llm().to(dtype).eval().requires_grad_(False)
    add_lora(llm, LoraPart(rank=RANK, alpha=ALPHA, targets=targets))
    if trained:
        for layer in lora_layers(llm):
            torch.nn.init.normal_(layer.lora_B["default"].weight, std=0.1)
    return llm


@torch.no_grad()
def logits(llm):
    return llm(input_ids=IDS).logits


@pytest.mark.parametrize("targets", [ALL, ("q_proj", "v_proj")])
def test_new_adapters_change_nothing(targets):
    torch.testing.assert_close(logits(adapted(*targets)), logits(tiny.llm().eval()), rtol=0, atol=0)


def test_merged_weights_are_w_plus_scaled_b_a():
    llm = adapted(*ALL, trained=True)
    before = copy.deepcopy(llm)
    merge_lora(llm)
    for merged, layer in zip(lora_layers(llm), lora_layers(before), strict=True):
        A, B = layer.lora_A["default"].weight, layer.lora_B["default"].weight
        expected = layer.get_base_layer().weight + ALPHA / RANK * (B @ A)
        torch.testing.assert_close(merged.get_base_layer().weight, expected, rtol=1e-6, atol=1e-7)


def test_merging_changes_no_answer():
    llm = adapted(*ALL, trained=True)
    before = logits(llm)
    assert not torch.allclose(before, logits(tiny.llm().eval()), atol=1e-2)
    merge_lora(llm)
    torch.testing.assert_close(logits(llm), before, rtol=1e-4, atol=1e-4)


def test_switched_off_the_llm_is_the_published_one_again():
    llm = adapted(*ALL, trained=True)
    on = logits(llm)
    switch_lora(llm, False)
    torch.testing.assert_close(logits(llm), logits(tiny.llm().eval()), rtol=0, atol=0)
    switch_lora(llm, True)
    torch.testing.assert_close(logits(llm), on, rtol=0, atol=0)


@pytest.mark.parametrize("targets", [ALL, ("q_proj", "v_proj"), ("down_proj",)])
def test_only_rank_times_in_plus_out_of_each_target_learns(targets):
    llm = adapted(*targets)
    sizes = [module.weight.shape for name, module in tiny.llm().named_modules() if name.endswith(targets)]
    learning = {name: p.numel() for name, p in llm.named_parameters() if p.requires_grad}
    assert all(".lora_" in name for name in learning)
    assert sum(learning.values()) == sum(RANK * (rows + columns) for rows, columns in sizes) > 0


def test_adapters_learn_in_float32_on_a_bfloat16_llm():
    llm = adapted(*ALL, dtype=torch.bfloat16)
    kinds = {name: p.dtype for name, p in llm.named_parameters()}
    assert {dtype for name, dtype in kinds.items() if ".lora_" in name} == {torch.float32}
    assert {dtype for name, dtype in kinds.items() if ".lora_" not in name} == {torch.bfloat16}
    assert logits(llm).dtype == torch.bfloat16


def test_a_layer_that_is_not_there_is_named_beside_those_that_are():
    with pytest.raises(
        UserError, match=r"lora.targets: c_attn is not a linear layer of llama; it has down_proj, .*v_proj"
    ):
        adapted("q_proj", "c_attn")


class Casts(TorchDispatchMode):
    """Count the casts to float32."""

    count = 0

    def __torch_dispatch__(self, function, types, arguments=(), options=None):
        options = options or {}
        self.count += "_to_copy" in str(function) and options.get("dtype") == torch.float32
        return function(*arguments, **options)


def test_in_mixed_precision_inputs_are_not_cast_there_and_back():
    llm = adapted("up_proj", trained=True, dtype=torch.bfloat16)
    layer = lora_layers(llm)[0]
    inputs = torch.randn(2, 5, layer.in_features, dtype=torch.bfloat16)
    with torch.no_grad():
        with torch.autocast("cpu", torch.bfloat16), Casts() as casts:
            mixed = layer(inputs)
        assert casts.count == 0
        layer._forward_pre_hooks.clear()
        layer.cast_input_dtype_enabled = True
        with torch.autocast("cpu", torch.bfloat16), Casts() as casts:
            assert torch.equal(layer(inputs), mixed)
        assert casts.count > 0


def test_without_mixed_precision_bfloat16_meets_float32_adapters_still():
    llm = adapted("up_proj", trained=True, dtype=torch.bfloat16)
    with torch.autocast("cpu", torch.bfloat16):
        mixed = logits(llm)
    torch.testing.assert_close(logits(llm), mixed, rtol=0.05, atol=0.1)
