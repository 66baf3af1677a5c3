"""Weights and signals derived from names, so that a reference and our model can be filled alike without stored files.

The rule, which tests/models/golden/README.md repeats for whoever makes the files again: a tensor's values are drawn by
numpy's frozen `RandomState(seed).standard_normal(shape)`, the seed being the first four bytes, big-endian, of the
SHA-256 of its name in UTF-8. Tensors of two or more dimensions are divided by the square root of their numbers per row
(fan-in), those of one dimension by ten; one-dimensional `...weight` (norms) have one added.
"""

import hashlib
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

FOLDER = Path(__file__).parent / "models" / "golden"


def value(name: str, shape: Iterable[int]) -> Tensor:
    """The weights for a tensor of that name and shape, float32."""
    shape = tuple(shape)
    drawn = _draw(name, shape)
    if len(shape) > 1:
        drawn /= np.sqrt(np.prod(shape[1:]))
    else:
        drawn = drawn / 10 + name.endswith("weight")
    return torch.from_numpy(drawn.astype(np.float32))


def weights(shapes: Mapping[str, Iterable[int]]) -> dict[str, Tensor]:
    """A whole checkpoint from its names and shapes."""
    return {name: value(name, shape) for name, shape in shapes.items()}


@torch.no_grad()
def fill(module: nn.Module, rename: Callable[[str], str] | None = None) -> None:
    """Fill a module, or its namesake of another make.

    Args:
        module: its parameters and buffers are overwritten.
        rename: from the module's names to the reference's, whose names count; shapes have to be the same.
    """
    for name, tensor in module.state_dict().items():
        tensor.copy_(value(rename(name) if rename else name, tensor.shape))


def sound(name: str, samples: int) -> Tensor:
    """A test signal `[T]` float32: harmonics that swell and fade, with noise and an offset."""
    t = np.arange(samples) / 16_000
    swell = 0.2 + 0.1 * np.sin(2 * np.pi * 1.7 * t)
    tone = sum(np.sin(2 * np.pi * 140 * harmonic * t) / harmonic for harmonic in range(1, 6))
    return torch.from_numpy((0.02 + swell * tone + 0.02 * _draw(name, (samples,))).astype(np.float32))


def tensor(name: str, *shape: int) -> Tensor:
    """Standard normal values for an input of another kind, float32."""
    return torch.from_numpy(_draw(name, shape).astype(np.float32))


def _draw(name: str, shape: tuple[int, ...]) -> np.ndarray:
    seed = int.from_bytes(hashlib.sha256(name.encode()).digest()[:4], "big")
    drawn: np.ndarray = np.random.RandomState(seed).standard_normal(shape)
    return drawn
