"""The head of systems without an LLM equals its source's description, and padding changes nothing.

AA-SLLM published no code; the reference here is its description (section 3.3.1) in plain tensor operations.
"""

import pytest
import torch
from layer_norm import layer_norm
from spread import Spread

from emosllm.models.heads import ClassHead

SHAPE = {"layers": 1, "width": 12, "heads": 3, "feedforward": 10, "dropout": 0.1}


def make(**changes):
    torch.manual_seed(0)
    return ClassHead(8, 4, **{**SHAPE, **changes}).double().eval()


@pytest.fixture
def frames():
    return torch.randn(3, 9, 8, dtype=torch.float64, generator=torch.Generator().manual_seed(1))


def by_definition(head, frames):
    """One clip `[N, D]` without padding, by the definition."""
    layer = head.layers.layers[0]
    x = frames @ head.input.weight.T + head.input.bias
    q, k, v = (x @ layer.self_attn.in_proj_weight.T + layer.self_attn.in_proj_bias).chunk(3, -1)
    mixed = []
    for index in range(3):
        part = slice(4 * index, 4 * index + 4)
        mixed.append((q[:, part] @ k[:, part].T / 2).softmax(-1) @ v[:, part])  # sqrt of 4
    attended = torch.cat(mixed, -1) @ layer.self_attn.out_proj.weight.T + layer.self_attn.out_proj.bias
    x = layer_norm(x + attended, layer.norm1.weight, layer.norm1.bias, 1e-5)
    inner = torch.nn.functional.gelu(x @ layer.linear1.weight.T + layer.linear1.bias)
    x = layer_norm(x + inner @ layer.linear2.weight.T + layer.linear2.bias, layer.norm2.weight, layer.norm2.bias, 1e-5)
    if head.attention is None:
        pooled = x.mean(0)
    else:
        pooled = (x @ head.attention.weight[0] + head.attention.bias).softmax(0) @ x
    return pooled @ head.output.weight.T + head.output.bias


@pytest.mark.parametrize("pooling", ["mean", "attention"])
def test_it_is_one_transformer_layer_pooled(frames, pooling):
    head = make(pooling=pooling)
    logits = head(frames, torch.ones(3, 9, dtype=torch.bool))
    expected = torch.stack([by_definition(head, clip) for clip in frames])
    torch.testing.assert_close(logits, expected, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("pooling", ["mean", "attention"])
@pytest.mark.parametrize("layers", [0, 1, 2])
def test_a_clip_in_a_batch_gives_what_it_gives_alone(frames, pooling, layers):
    head = make(pooling=pooling, layers=layers)
    mask = torch.arange(9)[None] < torch.tensor([[9], [5], [1]])
    dirty = frames.masked_fill(~mask[..., None], 100.0)
    together = head(dirty, mask)
    for row, length in enumerate((9, 5, 1)):
        alone = head(frames[row : row + 1, :length], mask[row : row + 1, :length])
        torch.testing.assert_close(together[row : row + 1], alone, rtol=1e-9, atol=1e-9)


def test_without_layers_it_is_a_linear_probe_on_the_mean(frames):
    head = make(layers=0)
    assert {name for name, _ in head.named_parameters()} == {"output.weight", "output.bias"}
    logits = head(frames, torch.ones(3, 9, dtype=torch.bool))
    torch.testing.assert_close(logits, frames.mean(1) @ head.output.weight.T + head.output.bias, rtol=1e-9, atol=1e-9)


def test_the_published_count():
    assert sum(p.numel() for p in ClassHead(1024, 4).parameters()) == 5_256_708


def test_layers_begin_different_from_one_another():
    first, second = make(layers=2).layers.layers
    assert not torch.equal(first.linear1.weight, second.linear1.weight)


def test_no_frozen_weight_is_copied_for_every_frame(frames):
    head = make().requires_grad_(False)
    with torch.no_grad(), Spread(head) as watched:
        head(frames, torch.ones(3, 9, dtype=torch.bool))
    assert not watched.found
