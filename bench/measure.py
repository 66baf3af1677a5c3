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
_ROWS, _IN, _OUT = 1024, 2048, 8192  # a feed-forward block of Llama-3.2-1B
_STATUS = Path("/proc/self/status")


@dataclass(frozen=True)
class Timing:
    """Both ways' times.

    Attributes:
        plain: seconds of each round.
        ours: likewise.
        rates: multiplications and additions a second of the machine's matrix products, before, between and after.
        busy: what part of the cores the products had; less than all where others were computing.
        compared: what `compare` said.
    """

    plain: list[float]
    ours: list[float]
    rates: list[float]
    busy: float
    compared: dict[str, float]

    @property
    def ratio(self) -> float:
        """How many times as fast ours is, by medians."""
        return median(self.plain) / median(self.ours)


def alternate(pair: Pair, rounds: int, dtype: torch.dtype | None, device: str) -> Timing:
    """Run both ways in turn, the order changing each round, and compare what they give in every round.

    Args:
        pair: both ways.
        rounds: how often.
        dtype: of the matrix products that are measured in between; `None` measures none.
        device: what to wait for.

    Raises:
        AssertionError: they differ.
    """
    pair.ours()  # what is kept over calls is there from now on, as in a run
    rates, shares = [], []
    seconds: dict[str, list[float]] = {"plain": [], "ours": []}
    compared: dict[str, float] = {}
    for number in range(rounds):
        given = {}
        for way in ("plain", "ours") if number % 2 == 0 else ("ours", "plain"):
            if dtype is not None:
                rate, share = matrix_rate(dtype, device)
                rates.append(rate)
                shares.append(share)
            began = time.perf_counter()
            given[way] = getattr(pair, way)()
            _wait(device)
            seconds[way].append(time.perf_counter() - began)
        compared = pair.compare(given["plain"], given["ours"])
    return Timing(seconds["plain"], seconds["ours"], rates, median(shares) if shares else 1.0, compared)


def matrix_rate(dtype: torch.dtype, device: str) -> tuple[float, float]:
    """Operations a second of one large product, and what part of the cores it had."""
    a = torch.ones(_ROWS, _IN, dtype=dtype, device=device)
    weight = torch.ones(_OUT, _IN, dtype=dtype, device=device)
    torch.nn.functional.linear(a, weight)
    _wait(device)
    products, began, cpu = 0, time.perf_counter(), time.process_time()
    while time.perf_counter() - began < _RATE_SECONDS:
        torch.nn.functional.linear(a, weight)
        _wait(device)
        products += 1
    wall = time.perf_counter() - began
    share = (time.process_time() - cpu) / wall / torch.get_num_threads() if device == "cpu" else 1.0
    return 2 * _ROWS * _IN * _OUT * products / wall, min(1.0, share)


def operations(way: Callable[[], Any]) -> int:
    """Multiplications and additions of the matrix products and convolutions of one call."""
    with FlopCounterMode(display=False, custom_mapping=_ATTENTION) as counter:
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


# torch counts the attention of GPUs only.
_ATTENTION = {
    torch.ops.aten._scaled_dot_product_flash_attention_for_cpu: _attend,
    torch.ops.aten._scaled_dot_product_flash_attention_for_cpu_backward: _attend_backward,
}
