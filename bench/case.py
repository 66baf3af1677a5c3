"""A case of the benchmark: two implementations of the same computation, and the comparison of their results."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch

from bench.sizes import Setting
from emosllm.utterance import Prediction


@dataclass(frozen=True)
class Pair:
    """Both implementations, ready to run.

    Attributes:
        plain: runs the plain implementation, and returns the values to compare.
        ours: runs emosllm's implementation, likewise.
        compare: returns the differences between the two, and raises AssertionError if they are too large.
        samples: number of samples in one call.
        before_plain: builds the objects that only the plain implementation needs; not measured.
        before_ours: builds the objects that only ours needs; not measured.
        facts: settings that the figures depend on: layers, tokens, seconds of audio.
    """

    plain: Callable[[], Any]
    ours: Callable[[], Any]
    compare: Callable[[Any, Any], dict[str, float]]
    samples: int
    facts: dict[str, Any] = field(default_factory=dict)
    before_plain: Callable[[], Any] = lambda: None
    before_ours: Callable[[], Any] = lambda: None


@dataclass(frozen=True)
class Case:
    """One comparison.

    Attributes:
        name: on the command line.
        what: a description of the comparison, in one line.
        prepare: builds models and data.
        computes: whether operations and peaks are meaningful; seconds are then compared with the machine's matrix
            products.
    """

    name: str
    what: str
    prepare: Callable[[Setting], Pair]
    computes: bool = True


@dataclass(frozen=True)
class TrainingStep:
    """The result of a training step.

    Attributes:
        loss: the mean over the answers' tokens.
        gradient: of all trained parameters, in one row.
    """

    loss: float
    gradient: torch.Tensor


def equal_training_steps(
    loss_limit: float, gradient_limit: float
) -> Callable[[TrainingStep, TrainingStep], dict[str, float]]:
    """Return a comparison of two training steps, which must be equal up to rounding.

    Args:
        loss_limit: largest relative difference of the losses.
        gradient_limit: largest length of the gradients' difference, relative to the gradient's length.
    """

    def compare(plain: TrainingStep, ours: TrainingStep) -> dict[str, float]:
        loss = abs(ours.loss - plain.loss) / abs(plain.loss)
        gradient = float((ours.gradient - plain.gradient).norm() / plain.gradient.norm())
        assert loss <= loss_limit, f"losses differ: {plain.loss} and {ours.loss}"
        assert gradient <= gradient_limit, f"gradients differ by {gradient:.3g} of their length"
        return {"loss": plain.loss, "loss_differs_by": loss, "gradient_differs_by": gradient}

    return compare


def same_labels(dtype: torch.dtype) -> Callable[[list[str], list[Prediction]], dict[str, float]]:
    """Compare generated labels with scored labels; two labels of equal probability count as equal."""
    limit = 1e-4 if dtype == torch.float32 else 0.05

    def compare(plain: list[str], ours: list[Prediction]) -> dict[str, float]:
        furthest = 0.0
        for label, prediction in zip(plain, ours, strict=True):
            assert prediction.error is None, prediction.error
            behind = max(prediction.probabilities.values()) - prediction.probabilities[label]
            assert behind <= limit, f"labels differ: {label} and {prediction.label}, {behind:.3g} apart"
            furthest = max(furthest, behind)
        same = sum(label == prediction.label for label, prediction in zip(plain, ours, strict=True))
        return {"clips": len(plain), "same_label": same, "probability_differs_by": furthest}

    return compare
