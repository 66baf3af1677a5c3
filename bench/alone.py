"""One way of one case in a process of its own: its peak of memory and its operations."""

import multiprocessing
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool

import torch

from bench.cases import CASES
from bench.measure import operations, peak_of
from bench.scale import Setting


def alone(case: str, way: str, setting: Setting) -> dict[str, int]:
    """Bytes at the peak, and operations, as `peak_bytes` and `operations`.

    Where it can, the process is forked from one that has imported everything and computed nothing, which saves the
    imports for each.

    Raises:
        RuntimeError: it failed; the message says of what.
    """
    kind = "forkserver" if "forkserver" in multiprocessing.get_all_start_methods() else "spawn"
    context = multiprocessing.get_context(kind)
    context.set_forkserver_preload(["bench.cases"])
    try:
        with ProcessPoolExecutor(1, mp_context=context) as pool:
            return pool.submit(_measured, case, way, setting).result()
    except BrokenProcessPool:
        raise RuntimeError(f"{case}, {way}: killed, for want of memory most likely") from None
    except Exception as error:
        raise RuntimeError(f"{case}, {way}: {error}") from error


def _measured(name: str, way: str, setting: Setting) -> dict[str, int]:
    """Run it for the peak first, and once more for the count where it is ours and things are kept over calls."""
    torch.set_num_threads(setting.threads)
    pair = CASES[name].prepare(setting)
    run = getattr(pair, way)
    getattr(pair, f"before_{way}")()
    found: list[int] = []
    if way == "plain":
        peak = peak_of(lambda: found.append(operations(run)), setting.device)
    else:
        peak = peak_of(run, setting.device)
        found.append(operations(run))
    return {"peak_bytes": peak, "operations": found[0]}
