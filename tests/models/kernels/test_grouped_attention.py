"""Grouped-query attention equals that of transformers, without a copy of the keys for each head."""

from types import SimpleNamespace

import pytest
import tiny
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import causal_mask_function, sdpa_mask

from emosllm.models.kernels import grouped_attention
from emosllm.models.kernels.grouped_attention import GROUPED, group_heads

B, HEADS, KEYS, L, P, WIDTH = 3, 6, 2, 5, 4, 8


def asked(padding):
    """The arguments of transformers for a mask: rows of L tokens after P, the last of them padding."""
    seen = torch.ones(B, P + L, dtype=torch.bool)
    seen[0, P + L - padding :] = False
    config = SimpleNamespace(num_attention_heads=HEADS, num_key_value_heads=KEYS)
    config.get_text_config = lambda: config
    sizes = {"batch_size": B, "q_length": L, "kv_length": P + L, "q_offset": P, "kv_offset": 0}
    return {**sizes, "mask_function": causal_mask_function, "attention_mask": seen, "config": config}


def states(seed):
    generator = torch.Generator().manual_seed(seed)
    shapes = ((B, HEADS, L, WIDTH), (B, KEYS, P + L, WIDTH), (B, KEYS, P + L, WIDTH))
    return [torch.randn(*shape, generator=generator) for shape in shapes]


@pytest.mark.parametrize("padding", [0, 2])
def test_attention_is_transformers(padding):
    module = SimpleNamespace(num_key_value_groups=HEADS // KEYS, is_causal=True)
    query, key, value = states(0)
    expected, _ = sdpa_attention_forward(module, query, key, value, sdpa_mask(**asked(padding)), scaling=0.3)
    with torch.no_grad():
        mask = grouped_attention._mask(**asked(padding), dtype=torch.float32)
        assert mask.shape == (B, 1, L, P + L)
        found, _ = grouped_attention._attend(module, query, key, value, mask, scaling=0.3)
    torch.testing.assert_close(found, expected)


def test_gradients_are_transformers():
    module = SimpleNamespace(num_key_value_groups=HEADS // KEYS, is_causal=True)
    mask = grouped_attention._mask(**asked(2), dtype=torch.float32)
    assert mask.shape == (B, 1, HEADS // KEYS * L, P + L)
    gradients = []
    for attend, seen in ((grouped_attention._attend, mask), (sdpa_attention_forward, sdpa_mask(**asked(2)))):
        parts = [part.requires_grad_() for part in states(1)]
        output, _ = attend(module, *parts, seen, scaling=0.3)
        (output * torch.arange(WIDTH)).sum().backward()
        gradients.append([part.grad for part in parts])
    for found, expected in zip(*gradients, strict=True):
        torch.testing.assert_close(found, expected)


@pytest.mark.parametrize("name", tiny.LLMS)
def test_every_family_gives_the_states_it_gave(name):
    ids = torch.randint(6, 90, (2, 9), generator=torch.Generator().manual_seed(0))
    mask = torch.ones_like(ids)
    mask[0, 6:] = 0
    as_it_was = tiny.llm(name).eval().get_decoder()(input_ids=ids, attention_mask=mask).last_hidden_state
    llm = tiny.llm(name).eval()
    group_heads(llm)
    now = llm.get_decoder()(input_ids=ids, attention_mask=mask).last_hidden_state
    torch.testing.assert_close(now[mask.bool()], as_it_was[mask.bool()], rtol=1e-4, atol=1e-4)


class Largest(TorchDispatchMode):
    """Record the size of the largest keys or values passed to attention."""

    elements = 0

    def __torch_dispatch__(self, function, types, arguments=(), options=None):
        if "scaled_dot_product" in str(function):
            self.elements = max(self.elements, arguments[1].numel())
        return function(*arguments, **(options or {}))


@pytest.mark.parametrize("learns", [True, False])
def test_keys_are_not_repeated_for_each_head(learns):
    llm = tiny.llm("llama").eval()
    group_heads(llm)
    assert llm.config._attn_implementation == GROUPED
    config = llm.config
    assert config.num_key_value_heads < config.num_attention_heads
    ids = torch.randint(6, 90, (2, 9))
    mask = torch.ones_like(ids)
    mask[0, 6:] = 0
    with Largest() as largest, torch.set_grad_enabled(learns):
        llm.get_decoder()(input_ids=ids, attention_mask=mask)
    assert largest.elements == ids.numel() * config.num_key_value_heads * config.head_dim


def test_a_bias_of_positions_is_left_to_transformers():
    module = SimpleNamespace(num_key_value_groups=HEADS // KEYS, is_causal=True)
    query, key, value = states(2)
    bias = torch.randn(1, HEADS, L, P + L)
    options = {"scaling": 0.3, "position_bias": bias}
    expected, _ = sdpa_attention_forward(module, query, key, value, sdpa_mask(**asked(0)), **options)
    with torch.no_grad():
        mask = grouped_attention._mask(**asked(0), dtype=torch.float32)
    found, _ = grouped_attention._attend(module, query, key, value, mask, **options)
    torch.testing.assert_close(found, expected)
    with pytest.raises(ValueError, match="softcap"):
        grouped_attention._attend(module, query, key, value, mask, softcap=30.0)
