"""Fingerprints of the frozen base weights of a system, and a warning where a checkpoint is loaded with other weights.

A checkpoint refers to its encoder and LLM by name, and the weights of that name may change or differ between folders.
It therefore stores a fingerprint of each: mean, deviation and fixed random projections of several tensors. A projection
of weights W + E differs from that of W by the root mean square of E (Johnson and Lindenstrauss 1984), so fingerprints
measure the distance between weights without storing them. Changes below the rounding to bfloat16 are not detected.
"""

from collections.abc import Iterable, Mapping
from functools import lru_cache
from pathlib import Path
from warnings import warn

import numpy as np
import torch
from torch import nn

from emosllm.errors import Caution
from emosllm.models.checkpoints.locations import describe_place
from emosllm.recipe import Recipe

#: tensor -> its mean, its deviation, and its projections.
Fingerprint = Mapping[str, list[float]]

_TENSORS, _VALUES, _PROJECTIONS = 8, 65_536, 8
_SEED = 20_260
# Root mean square of the difference, in deviations. It is .0016 for rounding to bfloat16 and .0002 for rounding to
# float16 (measured on SmolLM2-135M), and .01 for noise of a hundredth of the deviation.
_TOLERANCE = 0.004


def fingerprint(model: nn.Module, names: Iterable[str] | None = None) -> dict[str, list[float]]:
    """Compute the fingerprint of a model's weights.

    Args:
        model: a base model, before adapters are added.
        names: tensors to include; by default several matrices, spread over the model.

    Returns:
        Values by tensor name, without tensors that the model lacks.
    """
    state = dict(model.named_parameters())  # contains tied weights once
    if names is None:
        matrices = sorted(name for name, tensor in state.items() if tensor.dim() >= 2)
        places = np.linspace(0, len(matrices) - 1, min(_TENSORS, len(matrices))).round().astype(int)
        names = [matrices[place] for place in places]
    return {name: _numbers(state[name]) for name in names if name in state}


def distance(one: Fingerprint, other: Fingerprint) -> float:
    """Distance between two models' weights: root mean square of the difference, in deviations of the weights.

    Infinite where `other` lacks a tensor of `one`.
    """
    if any(name not in other or len(other[name]) != len(values) for name, values in one.items()):
        return float("inf")
    differences = [
        (np.asarray(values[2:]) - np.asarray(other[name][2:])) / max(values[1], 1e-12) for name, values in one.items()
    ]
    return float(np.sqrt(np.mean(np.concatenate(differences) ** 2))) if differences else 0.0


def warn_of_different_weights(
    stored: Mapping[str, Fingerprint] | None, found: Mapping[str, Fingerprint] | None, recipe: Recipe, folder: Path
) -> None:
    """Warn where a system's base models have other weights than those that it was trained on.

    Args:
        stored: fingerprints of the parts `encoder` and `llm` at training; `None` where the checkpoint has none.
        found: fingerprints of the loaded models.
        recipe: the recipe that names the models.
        folder: of the checkpoint.
    """
    for part, kept in (stored or {}).items():
        if found is None or part not in found or distance(kept, found[part]) <= _TOLERANCE:
            continue
        named = getattr(recipe, part)
        file = getattr(named, "file", None)
        trained_on = named.model + (f" ({file})" if file else "")
        warn(
            f"{folder}: trained on other weights of its {part} {trained_on} than those found "
            f"({describe_place(named.model, file)}), so its answers mean little; put the original there",
            Caution,
            stacklevel=3,
        )


def _numbers(tensor: torch.Tensor) -> list[float]:
    flat = tensor.detach().flatten()
    step = -(-len(flat) // _VALUES)
    values = flat[::step].cpu().to(torch.float64).numpy()
    projections = _directions()[:, : len(values)] @ values / np.sqrt(max(len(values), 1))
    return [float(f"{number:.7g}") for number in (values.mean(), values.std(), *projections)]


@lru_cache(maxsize=1)
def _directions() -> np.ndarray:
    """`[projections, values]`, equal on every machine: NumPy guarantees the random numbers of RandomState."""
    return np.random.RandomState(_SEED).standard_normal((_PROJECTIONS, _VALUES))
