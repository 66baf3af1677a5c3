"""QPMapper equals its paper's description: a plain post-norm transformer over frames and queries."""

import copy
import math

import golden
import pytest
import torch
from layer_norm import layer_norm
from safetensors.torch import load_file
from spread import Spread
from torch import nn

from emosllm.models.encoders.hidden_states import HiddenStates, Statistics
from emosllm.models.mappers.qp import QPMapper, pooled

SMALL = {"queries": 3, "layers": 2, "heads": 2, "width": 16, "feedforward": 24}


@pytest.fixture(scope="module")
def mapper():
    torch.manual_seed(0)
    built = QPMapper(10, 12, **SMALL).double().eval()
    for parameter in built.parameters():  # biases and norms too, so that an omitted one is detected
        nn.init.normal_(parameter, std=0.3)
    return built


@pytest.fixture(scope="module")
def frames():
    torch.manual_seed(1)
    return torch.randn(2, 7, 10, dtype=torch.float64)


def by_definition(mapper, frames):
    """One clip without padding, `[N, D]` to `[Q, D_llm]`, from the weights alone."""
    weights = mapper.state_dict()
    x = torch.cat([frames @ weights["input.weight"].T + weights["input.bias"], weights["queries"]])
    heads, wide = SMALL["heads"], SMALL["width"] // SMALL["heads"]
    for index in range(SMALL["layers"]):
        layer = {key.removeprefix(f"layers.layers.{index}."): value for key, value in weights.items()}
        packed = x @ layer["self_attn.in_proj_weight"].T + layer["self_attn.in_proj_bias"]
        q, k, v = (part.view(len(x), heads, wide).transpose(0, 1) for part in packed.chunk(3, -1))
        read = ((q @ k.transpose(1, 2) / math.sqrt(wide)).softmax(-1) @ v).transpose(0, 1).reshape(len(x), -1)
        read = read @ layer["self_attn.out_proj.weight"].T + layer["self_attn.out_proj.bias"]
        x = layer_norm(x + read, layer["norm1.weight"], layer["norm1.bias"], 1e-4)
        inner = x @ layer["linear1.weight"].T + layer["linear1.bias"]
        inner = inner * 0.5 * (1 + torch.erf(inner / math.sqrt(2)))  # GELU
        inner = inner @ layer["linear2.weight"].T + layer["linear2.bias"]
        x = layer_norm(x + inner, layer["norm2.weight"], layer["norm2.bias"], 1e-4)
    return x[len(frames) :] @ weights["output.weight"].T + weights["output.bias"]


def test_it_is_a_plain_post_norm_transformer(mapper, frames):
    pooled, _ = mapper(frames, torch.ones(2, 7, dtype=torch.bool))
    for row in range(2):
        torch.testing.assert_close(pooled[row], by_definition(mapper, frames[row]), rtol=1e-9, atol=1e-9)


def test_padding_changes_nothing(mapper, frames):
    mask = torch.arange(7)[None] < torch.tensor([[7], [4]])
    dirty = frames.clone()
    dirty[~mask] = 100.0
    torch.testing.assert_close(mapper(dirty, mask)[0], mapper(frames, mask)[0], rtol=0, atol=0)
    alone, _ = mapper(frames[1:, :4], mask[1:, :4])
    torch.testing.assert_close(mapper(dirty, mask)[0][1:], alone, rtol=1e-9, atol=1e-9)


def test_one_vector_a_query_and_no_two_alike(mapper, frames):
    pooled, _ = mapper(frames, torch.ones(2, 7, dtype=torch.bool))
    assert pooled.shape == (2, 3, 12)
    assert torch.pdist(mapper.queries).min() > 0.1
    assert torch.pdist(pooled[0]).min() > 1e-3


def test_the_order_of_the_frames_is_left_to_the_encoder(mapper, frames):
    mask = torch.ones(2, 7, dtype=torch.bool)
    torch.testing.assert_close(mapper(frames.flip(1), mask)[0], mapper(frames, mask)[0], rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize(("encoder_width", "published"), [(1024, 10_267_392), (768, 9_480_192)])
def test_the_published_size_has_the_published_count(encoder_width, published):
    with torch.device("meta"):
        count = sum(parameter.numel() for parameter in QPMapper(encoder_width, 3072).parameters())
    W, Q, L, D = 768, 32, 2, 3072
    into = 0 if encoder_width == W else encoder_width * W + W
    layer = 4 * (W * W + W) + 2 * (W * W + W) + 2 * 2 * W  # attention, feed-forward as wide as the mapper, two norms
    assert count == published == into + Q * W + L * layer + W * D + D


def test_new_mappers_have_layers_of_their_own():
    torch.manual_seed(0)
    first, second = QPMapper(10, 12, **SMALL).layers.layers
    assert not torch.equal(first.linear1.weight, second.linear1.weight)


def test_new_queries_are_drawn_from_a_standard_normal():
    torch.manual_seed(0)
    queries = QPMapper(768, 8).queries.detach()
    assert queries.mean().abs() < 0.02
    assert queries.std() == pytest.approx(1, abs=0.02)


@pytest.fixture(scope="module")
def filled():
    """Ours with the reference's weights: DePALM d532fe1, torch 2.13.0, see tests/models/golden/README.md."""
    mapper = QPMapper(20, 16, queries=4, layers=2, heads=3, width=24, feedforward=24).eval()
    golden.fill(mapper, lambda name: name.replace("layers.layers", "pool.blocks"))
    mapper.queries.data = golden.value("pool.query_tokens", (1, 4, 24))[0]
    return mapper


@torch.no_grad()
def test_it_pools_as_the_reference_does(filled):
    for name, expected in load_file(golden.FOLDER / "qpmapper.safetensors").items():
        frames = golden.tensor(f"{name} frames", 1, int(name), 20)
        pooled, _ = filled(frames, torch.ones(1, int(name), dtype=torch.bool))
        torch.testing.assert_close(pooled[0], expected, rtol=0, atol=1e-4)


@torch.no_grad()
def test_and_in_padded_batches_too(filled):
    expected = load_file(golden.FOLDER / "qpmapper.safetensors")
    frames, mask = torch.full((3, 60, 20), 9.0), torch.zeros(3, 60, dtype=torch.bool)
    for row, name in enumerate(expected):
        frames[row, : int(name)], mask[row, : int(name)] = golden.tensor(f"{name} frames", 1, int(name), 20)[0], True
    torch.testing.assert_close(filled(frames, mask)[0], torch.stack(list(expected.values())), rtol=0, atol=1e-4)


def test_the_last_layer_computes_for_the_queries_alone(mapper, frames):
    read = []
    hooks = [
        layer.linear1.register_forward_pre_hook(lambda _, inputs: read.append(inputs[0].shape[1]))
        for layer in mapper.layers.layers
    ]
    mapper(frames, torch.ones(2, 7, dtype=torch.bool))
    for hook in hooks:
        hook.remove()
    assert read == [7 + SMALL["queries"], SMALL["queries"]]


@pytest.mark.parametrize("learns", [True, False])
def test_it_is_the_transformer_of_torch(mapper, frames, learns):
    mask = torch.tensor([[True] * 7, [True] * 4 + [False] * 3])
    sequence = torch.cat([mapper.input(frames), mapper.queries.expand(2, -1, -1)], dim=1)
    padding = torch.cat([~mask, mask.new_zeros(2, SMALL["queries"])], dim=1)
    with torch.set_grad_enabled(learns):
        expected = mapper.output(mapper.layers(sequence, src_key_padding_mask=padding)[:, -SMALL["queries"] :])
        torch.testing.assert_close(mapper(frames, mask)[0], expected, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("place", ["self_attn.dropout", "dropout.p", "dropout1.p", "dropout2.p"])
def test_each_dropout_of_a_layer_counts_in_training_alone(mapper, frames, place):
    changed = copy.deepcopy(mapper)
    for layer in changed.layers.layers:
        for name in ("self_attn.dropout", "dropout.p", "dropout1.p", "dropout2.p"):
            owner, _, attribute = name.rpartition(".")
            setattr(layer.get_submodule(owner), attribute, 0.5 if name == place else 0.0)
    mask = torch.ones(2, 7, dtype=torch.bool)
    expected = mapper(frames, mask)[0]
    torch.testing.assert_close(changed(frames, mask)[0], expected, rtol=0, atol=0)
    assert not torch.allclose(changed.train()(frames, mask)[0], expected)


def test_no_frozen_weight_is_copied_for_every_frame(mapper, frames):
    frozen = copy.deepcopy(mapper).requires_grad_(False)
    with torch.no_grad(), Spread(frozen) as watched:
        frozen(frames, torch.ones(2, 7, dtype=torch.bool))
    assert not watched.found


def test_pooled_frames_are_the_means_of_their_groups_and_padding_changes_nothing():
    torch.manual_seed(2)
    clip = torch.randn(1, 6, 10)
    padded = nn.functional.pad(clip, (0, 0, 0, 5))
    mask = torch.arange(11)[None] < 6
    alone, own = pooled(clip, mask[:, :6], 4)
    torch.testing.assert_close(alone[0], torch.stack([clip[0, :4].mean(0), clip[0, 4:].mean(0)]))
    together, kept = pooled(padded, mask, 4)
    torch.testing.assert_close(together[kept], alone[own])
    small = QPMapper(10, 12, **SMALL, pool=4).eval()
    torch.testing.assert_close(small(padded, mask)[0], small(clip, mask[:, :6])[0])


def test_states_that_are_averaged_first_give_the_frames_that_they_give_last():
    torch.manual_seed(3)
    states, mask = torch.randn(2, 11, 3, 10), torch.arange(11)[None] < torch.tensor([[11], [6]])
    mixed = HiddenStates(10, 3, weighted=True, normalise="statistics")
    mixed.statistics = Statistics(torch.randn(3, 10), torch.rand(3, 10) + 0.5, 1)
    expected, kept = pooled(mixed(states, mask), mask, 4)
    averaged, own = pooled(states, mask, 4)
    torch.testing.assert_close(mixed(averaged, own), expected, rtol=0, atol=1e-5)
    torch.testing.assert_close(own, kept)


def test_without_pooling_frames_stay_as_they_are():
    frames, mask = torch.randn(2, 5, 3), torch.ones(2, 5, dtype=torch.bool)
    same, kept = pooled(frames, mask, 1)
    assert same is frames
    assert kept is mask
