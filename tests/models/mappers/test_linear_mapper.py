"""LinearMapper: one linear layer, and vectors around each clip if the recipe has them."""

import pytest
import torch

from emosllm.models.mappers.linear import LinearMapper

MASK = torch.arange(5)[None] < torch.tensor([[5], [2], [0]])


@pytest.fixture(scope="module")
def frames():
    torch.manual_seed(0)
    return torch.randn(3, 5, 6)


def test_without_ends_it_is_a_linear_layer(frames):
    mapper = LinearMapper(6, 8)
    vectors, mask = mapper(frames, MASK)
    assert mask is MASK
    torch.testing.assert_close(vectors, frames @ mapper.output.weight.T + mapper.output.bias)


def test_the_ends_stand_directly_around_each_clip(frames):
    mapper = LinearMapper(6, 8, ends=True)
    vectors, mask = mapper(frames, MASK)
    assert vectors.shape == (3, 7, 8)
    for row, length in enumerate((5, 2, 0)):
        expected = torch.cat([mapper.ends[:1], mapper.output(frames[row, :length]), mapper.ends[1:]])
        torch.testing.assert_close(vectors[row, mask[row]], expected)


def test_the_ends_learn(frames):
    mapper = LinearMapper(6, 8, ends=True)
    vectors, mask = mapper(frames, MASK)
    vectors[mask].square().sum().backward()
    assert mapper.ends.grad.abs().min() > 0
    torch.testing.assert_close(mapper.ends.grad, 2 * 3 * mapper.ends.detach())  # each in all three clips


def test_the_published_size_has_the_published_count():
    with torch.device("meta"):
        whisper_gemma, qwen = LinearMapper(1280, 2048), LinearMapper(1280, 4096, ends=True)
    assert sum(weight.numel() for weight in whisper_gemma.parameters()) == 2_623_488
    assert sum(weight.numel() for weight in qwen.parameters()) == 1280 * 4096 + 4096 + 2 * 4096


def test_it_may_have_no_bias():
    assert LinearMapper(6, 8, bias=False).output.bias is None
