"""Measure the peak memory and the operations of one implementation of one case, in a process of its own."""

import multiprocessing
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool

import torch

from bench.cases import CASES
from bench.measure import operations, peak_of
from bench.sizes import Setting


def measure_in_process(case: str, implementation: str, setting: Setting) -> dict[str, int]:
    """Return the bytes at the peak and the number of operations, as `peak_bytes` and `operations`.

    If possible, the process is forked from one that has imported everything and computed nothing, which saves the
    imports in each process.

    Raises:
        RuntimeError: the process failed; the message gives the reason.
    """
    kind = "forkserver" if "forkserver" in multiprocessing.get_all_start_methods() else "spawn"
    context = multiprocessing.get_context(kind)
    context.set_forkserver_preload(["bench.cases"])
    try:
        with ProcessPoolExecutor(1, mp_context=context) as pool:
            return pool.submit(_measured, case, implementation, setting).result()
    except BrokenProcessPool:
        raise RuntimeError(f"{case}, {implementation}: killed, probably out of memory") from None
    except Exception as error:
        raise RuntimeError(f"{case}, {implementation}: {error}") from error


def _measured(name: str, implementation: str, setting: Setting) -> dict[str, int]:
    """Run it for the peak first. If it is ours and caches values between calls, run it again to count operations."""
    torch.set_num_threads(setting.threads)
    pair = CASES[name].prepare(setting)
    run = getattr(pair, implementation)
    getattr(pair, f"before_{implementation}")()
    found: list[int] = []
    if implementation == "plain":
        peak = peak_of(lambda: found.append(operations(run)), setting.device)
    else:
        peak = peak_of(run, setting.device)
        found.append(operations(run))
    return {"peak_bytes": peak, "operations": found[0]}
