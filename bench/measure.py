"""Measure both implementations in turn, with the machine's own matrix products in between, operations and peaks.

Seconds are measured in one process, so that both implementations run on the same machine state. Peaks are measured in
separate processes, so that memory of one does not count for the other. Limitation: on systems other than Linux, peaks
are those of the whole process.
"""

import os
import resource
import time
from collections.abc import Callable
from dataclasses import dataclass
from math import prod
from pathlib import Path
from statistics import median
from typing import Any

import torch
from torch.utils.flop_counter import FlopCounterMode

from bench.case import Pair

_RATE_SECONDS = 0.4
_RUNS, _ROUND_SECONDS = 5, 2.0  # of each implementation in a round: the largest number, and the time that is enough
_PRODUCT = 1024, 2048, 8192  # a feed-forward block of Llama-3.2-1B
_PRODUCT_GPU = 8192, 8192, 8192  # smaller products do not fill a GPU
_UNDER_WAY = 20
_WEIGHTS = 16  # matrices: half a gigabyte in two bytes each
_STATUS = Path("/proc/self/status")


@dataclass(frozen=True)
class Round:
    """Our times in one round, and the machine's speed in that round, since a shared machine changes within minutes.

    Attributes:
        seconds: the median of its runs.
        rate: multiplications and additions a second of matrix products, before and after them.
        reading: bytes a second of weights that are multiplied with a single row; `None` if that is not the limit.
    """

    seconds: float
    rate: float
    reading: float | None


@dataclass(frozen=True)
class Timing:
    """The times of both implementations.

    Attributes:
        plain: seconds of each run.
        ours: likewise.
        rounds: of ours alone, with the machine's speed in each round.
        busy: share of the cores that the products had; below 1 if other processes were computing.
        compared: the result of `compare`.
    """

    plain: list[float]
    ours: list[float]
    rounds: list[Round]
    busy: float
    compared: dict[str, float]

    @property
    def ratio(self) -> float:
        """The speed of ours relative to the plain implementation, by medians."""
        return median(self.plain) / median(self.ours)


def alternate(pair: Pair, rounds: int, dtype: torch.dtype | None, device: str) -> Timing:
    """Run both implementations in turn, in an order that changes each round, and compare their results in every round.

    Each runs repeatedly within a round until two seconds have passed, at most five times.

    Args:
        pair: both implementations.
        rounds: number of rounds.
        dtype: of the matrix products that are measured in between; `None` measures none.
        device: for synchronisation.

    Raises:
        AssertionError: the results differ.
    """
    pair.before_plain()
    pair.before_ours()
    pair.ours()  # fills the caches that persist between calls, as in a normal run
    weights = "weight_bytes" in pair.facts
    rounds_of_ours, shares = [], []
    seconds: dict[str, list[float]] = {"plain": [], "ours": []}
    compared: dict[str, float] = {}
    for number in range(rounds):
        given = {}
        for implementation in ("plain", "ours") if number % 2 == 0 else ("ours", "plain"):
            reading = (
                reading_rate(dtype, device) if dtype is not None and weights and implementation == "ours" else None
            )
            before = matrix_rate(dtype, device) if dtype is not None else None
            given[implementation], runs = _runs(getattr(pair, implementation), device)
            seconds[implementation] += runs
            if dtype is not None and before is not None:
                after = matrix_rate(dtype, device)
                shares += [before[1], after[1]]
                if implementation == "ours":
                    rounds_of_ours.append(Round(median(runs), (before[0] + after[0]) / 2, reading))
        compared = pair.compare(given["plain"], given["ours"])
    return Timing(seconds["plain"], seconds["ours"], rounds_of_ours, median(shares) if shares else 1.0, compared)


def _runs(implementation: Callable[[], Any], device: str) -> tuple[Any, list[float]]:
    """Return the result and the seconds of each run. Short runs are repeated, since a single one is mostly noise."""
    runs: list[float] = []
    given = None
    while len(runs) < _RUNS and sum(runs) < _ROUND_SECONDS:
        began = time.perf_counter()
        given = implementation()
        _wait(device)
        runs.append(time.perf_counter() - began)
    return given, runs


def matrix_rate(dtype: torch.dtype, device: str) -> tuple[float, float]:
    """Operations a second of one large product, and the share of the cores that it had."""
    rows, width, outputs = _PRODUCT if device == "cpu" else _PRODUCT_GPU
    a = torch.ones(rows, width, dtype=dtype, device=device)
    weight = torch.ones(outputs, width, dtype=dtype, device=device)
    cpu = time.process_time()
    products, wall = _repeat(lambda: torch.nn.functional.linear(a, weight), device)
    share = (time.process_time() - cpu) / wall / torch.get_num_threads() if device == "cpu" else 1.0
    return 2 * rows * width * outputs * products / wall, min(1.0, share)


def reading_rate(dtype: torch.dtype, device: str) -> float:
    """Bytes a second at which weights too large for any cache are multiplied with a single row."""
    _, width, outputs = _PRODUCT
    a = torch.ones(1, width, dtype=dtype, device=device)
    weights = [torch.ones(outputs, width, dtype=dtype, device=device) for _ in range(_WEIGHTS)]
    rounds, wall = _repeat(lambda: [torch.nn.functional.linear(a, weight) for weight in weights], device)
    return sum(weight.nbytes for weight in weights) * rounds / wall


def _repeat(call: Callable[[], Any], device: str) -> tuple[int, float]:
    """Repeat a call for some time: the number of calls, and the seconds. On a GPU many calls are in flight."""
    call()
    _wait(device)
    calls, began = 0, time.perf_counter()
    while time.perf_counter() - began < _RATE_SECONDS:
        for _ in range(1 if device == "cpu" else _UNDER_WAY):
            call()
            calls += 1
        _wait(device)
    return calls, time.perf_counter() - began


def operations(implementation: Callable[[], Any]) -> int:
    """Count multiplications and additions of the matrix products and convolutions of one call."""
    with FlopCounterMode(display=False, custom_mapping=_UNCOUNTED) as counter:
        implementation()
    return int(counter.get_total_flops())


def peak_of(implementation: Callable[[], Any], device: str) -> int:
    """Measure the bytes at the peak of one call, including weights."""
    if device == "cuda":
        torch.cuda.reset_peak_memory_stats()
        implementation()
        return int(torch.cuda.max_memory_allocated())
    if _STATUS.is_file():
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")  # resets the high-water mark
        implementation()
        line = next(line for line in _STATUS.read_text(encoding="ascii").splitlines() if line.startswith("VmHWM"))
        return int(line.split()[1]) * 1024
    implementation()
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def cores() -> int:
    """The number of cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _wait(device: str) -> None:
    if device == "cuda":
        torch.cuda.synchronize()


def _attend(query: Any, key: Any, value: Any, *_: Any, **__: Any) -> int:
    """Operations of attention: scores and sums; keys may have fewer heads than queries."""
    rows, width = prod(query[:-1]), query[-1]
    return 2 * rows * key[-2] * (width + value[-1])


def _attend_backward(_: Any, query: Any, key: Any, value: Any, *__: Any, **___: Any) -> int:
    """Operations of attention's backward pass: scores again, and gradients of queries, keys, weights and values."""
    rows, width = prod(query[:-1]), query[-1]
    return 2 * rows * key[-2] * (3 * width + 2 * value[-1])


def _multiply(inputs: Any, weight: Any, *_: Any, **__: Any) -> int:
    """Operations of a linear layer whose weight has oneDNN's layout."""
    return 2 * prod(inputs) * weight[0]


# torch counts attention on GPUs only, and no layers that its compiler has rearranged.
_UNCOUNTED = {
    torch.ops.mkldnn._linear_pointwise: _multiply,
    torch.ops.aten._scaled_dot_product_flash_attention_for_cpu: _attend,
    torch.ops.aten._scaled_dot_product_flash_attention_for_cpu_backward: _attend_backward,
}
