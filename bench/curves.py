"""Measure how cost grows with samples, clip length, batch, prompt length and number of labels, in both implementations.

Seconds depend on the machine. Operations are counted, so they show the order of growth without noise. The order is the
slope of a straight line through the logarithms: 1 is proportional, 0 is constant.
"""

from collections.abc import Callable
from dataclasses import dataclass
from statistics import median
from typing import Any

import numpy as np

from bench.case import Pair
from bench.cases.labels import labels
from bench.cases.recognition import recognise
from bench.cases.training import speech
from bench.measure import alternate, operations
from bench.sizes import Setting

_CLIPS = 2  # processed together, where batches are counted


@dataclass(frozen=True)
class Axis:
    """A quantity that grows.

    Attributes:
        name: shown to people, with its unit.
        values: of the points.
        prepare: builds both implementations for one value.
        expected: the expected order of ours, as text.
    """

    name: str
    values: tuple[int, ...]
    prepare: Callable[[Setting, int], Pair]
    expected: str


AXES = (
    Axis("samples to recognise", (2, 4, 8), lambda s, n: recognise(s, n, together=_CLIPS), "proportional"),
    Axis(
        "seconds of a clip",
        (2, 4, 8, 16),
        lambda s, n: recognise(s, 1, seconds=float(n)),
        "the encoder's part proportional (its attention more), the LLM's constant",
    ),
    Axis("clips of a training batch", (1, 2, 4, 8), lambda s, n: speech(s, "asr", ["mapper"], n), "proportional"),
    Axis(
        "times the system prompt's length",
        (1, 2, 4),
        lambda s, n: recognise(s, 1, prompts=n),
        "constant except for attention over the prompt, which is cached",
    ),
    Axis("labels of several tokens", (2, 4, 8), labels, "a constant for the clip, and a few tokens a label"),
)


def measure_curves(setting: Setting) -> list[dict[str, Any]]:
    """Measure every point of every axis, and the order of growth by operations and by seconds."""
    found = []
    for axis in AXES:
        points = [_point(setting, axis, value) for value in axis.values]
        curve: dict[str, Any] = {"axis": axis.name, "expected": axis.expected, "points": points}
        for implementation in ("plain", "ours"):
            for what in ("operations", "seconds"):
                curve[f"{implementation}_order_by_{what}"] = order(
                    axis.values, [point[implementation][what] for point in points]
                )
        found.append(curve)
    return found


def order(values: tuple[int, ...], costs: list[float]) -> float:
    """Fit the power of `values` with which `costs` grow."""
    return float(np.polyfit(np.log(values), np.log(costs), 1)[0])


def _point(setting: Setting, axis: Axis, value: int) -> dict[str, Any]:
    pair = axis.prepare(setting, value)
    timing = alternate(pair, setting.rounds or setting.sizes.rounds, None, setting.device)
    return {
        "value": value,
        "plain": {"seconds": median(timing.plain), "operations": operations(pair.plain)},
        "ours": {"seconds": median(timing.ours), "operations": operations(pair.ours)},
    }
