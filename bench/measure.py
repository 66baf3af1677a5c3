"""Measuring: both ways in turn, the machine's own matrix products between them, operations counted, peaks watched.

Seconds are taken in one process, so that both ways meet the same machine; peaks are taken in a process each, so that
neither inherits what the other left. Given up: peaks on systems other than Linux are those of the whole process.
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
_RUNS, _ROUND_SECONDS = 5, 2.0  # of each way in a round: at most, and what is enough
_PRODUCT = 1024, 2048, 8192  # a feed-forward block of Llama-3.2-1B
_PRODUCT_GPU = 8192, 8192, 8192  # a GPU is not filled by less
_UNDER_WAY = 20
_WEIGHTS = 16  # half a gigabyte in two bytes each
_STATUS = Path("/proc/self/status")


@dataclass(frozen=True)
class Round:
    """Ours in one round, and what the machine could do then: a shared one changes from one minute to the next.

    Attributes:
        seconds: the median of its runs.
        rate: multiplications and additions a second of matrix products, before and after them.
        reading: bytes a second of weights that are multiplied with a single row; `None` where that is not what limits.
    """

    seconds: float
    rate: float
    reading: float | None


@dataclass(frozen=True)
class Timing:
    """Both ways' times.

    Attributes:
        plain: seconds of each run.
        ours: likewise.
        rounds: of ours alone, as each round met the machine.
        busy: what part of the cores the products had; less than all where others were computing.
        compared: what `compare` said.
    """

    plain: list[float]
    ours: list[float]
    rounds: list[Round]
    busy: float
    compared: dict[str, float]

    @property
    def ratio(self) -> float:
        """How many times as fast ours is, by medians."""
        return median(self.plain) / median(self.ours)


def alternate(pair: Pair, rounds: int, dtype: torch.dtype | None, device: str) -> Timing:
    """Run both ways in turn, the order changing each round, and compare what they give in every round.

    Each runs again within a round until two seconds have gone by, five times at most.

    Args:
        pair: both ways.
        rounds: how often.
        dtype: of the matrix products that are measured in between; `None` measures none.
        device: what to wait for.

    Raises:
        AssertionError: they differ.
    """
    pair.before_plain()
    pair.before_ours()
    pair.ours()  # what is kept over calls is there from now on, as in a run
    weights = "weight_bytes" in pair.facts
    rounds_of_ours, shares = [], []
    seconds: dict[str, list[float]] = {"plain": [], "ours": []}
    compared: dict[str, float] = {}
    for number in range(rounds):
        given = {}
        for way in ("plain", "ours") if number % 2 == 0 else ("ours", "plain"):
            reading = reading_rate(dtype, device) if dtype is not None and weights and way == "ours" else None
            before = matrix_rate(dtype, device) if dtype is not None else None
            given[way], runs = _runs(getattr(pair, way), device)
            seconds[way] += runs
            if dtype is not None and before is not None:
                after = matrix_rate(dtype, device)
                shares += [before[1], after[1]]
                if way == "ours":
                    rounds_of_ours.append(Round(median(runs), (before[0] + after[0]) / 2, reading))
        compared = pair.compare(given["plain"], given["ours"])
    return Timing(seconds["plain"], seconds["ours"], rounds_of_ours, median(shares) if shares else 1.0, compared)


def _runs(way: Callable[[], Any], device: str) -> tuple[Any, list[float]]:
    """What a way gives, and the seconds of its runs: short ones are noise alone, so they are repeated."""
    runs: list[float] = []
    given = None
    while len(runs) < _RUNS and sum(runs) < _ROUND_SECONDS:
        began = time.perf_counter()
        given = way()
        _wait(device)
        runs.append(time.perf_counter() - began)
    return given, runs


def matrix_rate(dtype: torch.dtype, device: str) -> tuple[float, float]:
    """Operations a second of one large product, and what part of the cores it had."""
    rows, width, outputs = _PRODUCT if device == "cpu" else _PRODUCT_GPU
    a = torch.ones(rows, width, dtype=dtype, device=device)
    weight = torch.ones(outputs, width, dtype=dtype, device=device)
    cpu = time.process_time()
    products, wall = _again_and_again(lambda: torch.nn.functional.linear(a, weight), device)
    share = (time.process_time() - cpu) / wall / torch.get_num_threads() if device == "cpu" else 1.0
    return 2 * rows * width * outputs * products / wall, min(1.0, share)


def reading_rate(dtype: torch.dtype, device: str) -> float:
    """Bytes a second at which weights too large for any cache are multiplied with a single row."""
    _, width, outputs = _PRODUCT
    a = torch.ones(1, width, dtype=dtype, device=device)
    weights = [torch.ones(outputs, width, dtype=dtype, device=device) for _ in range(_WEIGHTS)]
    rounds, wall = _again_and_again(lambda: [torch.nn.functional.linear(a, weight) for weight in weights], device)
    return sum(weight.nbytes for weight in weights) * rounds / wall


def _again_and_again(call: Callable[[], Any], device: str) -> tuple[int, float]:
    """How often a call ends in a while, and how long the while was; on a GPU many are under way at a time."""
    call()
    _wait(device)
    calls, began = 0, time.perf_counter()
    while time.perf_counter() - began < _RATE_SECONDS:
        for _ in range(1 if device == "cpu" else _UNDER_WAY):
            call()
            calls += 1
        _wait(device)
    return calls, time.perf_counter() - began


def operations(way: Callable[[], Any]) -> int:
    """Multiplications and additions of the matrix products and convolutions of one call."""
    with FlopCounterMode(display=False, custom_mapping=_UNCOUNTED) as counter:
        way()
    return int(counter.get_total_flops())


def peak_of(way: Callable[[], Any], device: str) -> int:
    """Bytes at the highest point during one call, weights included."""
    if device == "cuda":
        torch.cuda.reset_peak_memory_stats()
        way()
        return int(torch.cuda.max_memory_allocated())
    if _STATUS.is_file():
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")  # the high-water mark begins anew
        way()
        line = next(line for line in _STATUS.read_text(encoding="ascii").splitlines() if line.startswith("VmHWM"))
        return int(line.split()[1]) * 1024
    way()
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _wait(device: str) -> None:
    if device == "cuda":
        torch.cuda.synchronize()


def _attend(query: Any, key: Any, value: Any, *_: Any, **__: Any) -> int:
    """Scores and sums of attention; heads of keys may be fewer than those of queries."""
    rows, width = prod(query[:-1]), query[-1]
    return 2 * rows * key[-2] * (width + value[-1])


def _attend_backward(_: Any, query: Any, key: Any, value: Any, *__: Any, **___: Any) -> int:
    """Scores again, and the gradients of queries, keys, weights and values."""
    rows, width = prod(query[:-1]), query[-1]
    return 2 * rows * key[-2] * (3 * width + 2 * value[-1])


def _multiply(inputs: Any, weight: Any, *_: Any, **__: Any) -> int:
    """A linear layer whose weight is laid out for oneDNN."""
    return 2 * prod(inputs) * weight[0]


# torch counts the attention of GPUs only, and no layer that its compiler lays out.
_UNCOUNTED = {
    torch.ops.mkldnn._linear_pointwise: _multiply,
    torch.ops.aten._scaled_dot_product_flash_attention_for_cpu: _attend,
    torch.ops.aten._scaled_dot_product_flash_attention_for_cpu_backward: _attend_backward,
}
