"""What a case of the benchmark is: two ways to the same numbers, and how the numbers are compared."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch

from bench.scale import Setting
from emosllm.utterance import Prediction


@dataclass(frozen=True)
class Pair:
    """Both ways, ready to run.

    Attributes:
        plain: the plain way; gives what is compared.
        ours: our way; likewise.
        compare: says how far apart the two are, and raises AssertionError where that is too far.
        samples: how many samples one call goes through.
        before_plain: builds what the plain way needs and ours does not; not measured.
        before_ours: the other way round.
        facts: what the figures depend on: layers, tokens, seconds of sound.
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
        name: as the command line takes it.
        what: what is compared, in a line.
        prepare: builds models and data.
        computes: whether operations and peaks mean anything here; seconds are then set against the machine's matrix
            products.
    """

    name: str
    what: str
    prepare: Callable[[Setting], Pair]
    computes: bool = True


@dataclass(frozen=True)
class Learned:
    """What a training step came to.

    Attributes:
        loss: the mean over the answers' tokens.
        gradient: of all that learns, in one row.
    """

    loss: float
    gradient: torch.Tensor


def same_learning(dtype: torch.dtype) -> Callable[[Learned, Learned], dict[str, float]]:
    """Compares two training steps: rounding apart, they are one."""
    loss_limit, gradient_limit = (1e-5, 1e-3) if dtype == torch.float32 else (0.01, 0.1)

    def compare(plain: Learned, ours: Learned) -> dict[str, float]:
        loss = abs(ours.loss - plain.loss) / abs(plain.loss)
        gradient = float((ours.gradient - plain.gradient).norm() / plain.gradient.norm())
        assert loss <= loss_limit, f"losses differ: {plain.loss} and {ours.loss}"
        assert gradient <= gradient_limit, f"gradients differ by {gradient:.3g} of their length"
        return {"loss": plain.loss, "loss_differs_by": loss, "gradient_differs_by": gradient}

    return compare


def same_labels(dtype: torch.dtype) -> Callable[[list[str], list[Prediction]], dict[str, float]]:
    """Compares labels that were generated with scored ones; two that are as likely as each other count as one."""
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
