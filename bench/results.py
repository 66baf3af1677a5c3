"""The result of a case as data (figures, settings, versions, cores and commit) and as a table."""

import json
import os
import platform
import subprocess
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Any

import torch

from bench.case import Case
from bench.isolated_run import measure_in_process
from bench.measure import Round, alternate, cores
from bench.sizes import Setting
from emosllm.evaluation.report_builder import versions_here
from emosllm.files import write_atomically

# Least share of the cores, and most waiting processes beyond them. Otherwise, other processes made the run slower.
_SHARE, _WAITING = 0.9, 0.5
_HEAD = (
    "case",
    "plain",
    "ours",
    "times as fast",
    "peak, plain",
    "peak, ours",
    "memory",
    "of the limit",
    "of the roofline",
)

ROOT = Path(__file__).parents[1]
Result = dict[str, Any]


def measure(case: Case, setting: Setting) -> Result:
    """Run one case, first for its peaks and then for its seconds.

    Raises:
        AssertionError: the results of both implementations differ.
    """
    load, began = os.getloadavg()[0], time.perf_counter()
    # First, while this process has not loaded a model.
    peaks = (
        {implementation: measure_in_process(case.name, implementation, setting) for implementation in ("plain", "ours")}
        if case.computes
        else {}
    )
    pair = case.prepare(setting)
    dtype = setting.sizes.dtype if case.computes else None
    timing = alternate(pair, setting.rounds or setting.sizes.rounds, dtype, setting.device)
    given = describe_run(setting)
    result: Result = {
        "case": case.name,
        "what": case.what,
        "settings": {**pair.facts, "samples": pair.samples, **given["settings"]},
        "plain": {"seconds": timing.plain, **peaks.get("plain", {})},
        "ours": {"seconds": timing.ours, **peaks.get("ours", {})},
        "times_as_fast": timing.ratio,
        "equal": timing.compared,
        "machine": {**given["machine"], "load_before": load, "share_of_cores": timing.busy},
        "crowded": timing.busy < _SHARE or load > cores() + _WAITING,
        **{name: given[name] for name in ("commit", "versions", "date")},
    }
    result["took_seconds"] = time.perf_counter() - began
    if peaks:
        result["memory_ratio"] = peaks["ours"]["peak_bytes"] / peaks["plain"]["peak_bytes"]
        result |= share_of_limit(timing.rounds, peaks["ours"]["operations"], pair.facts.get("weight_bytes"))
    return result | throughput(result)


def share_of_limit(rounds: Sequence[Round], operations: float, weight_bytes: float | None) -> Result:
    """How near ours comes to the machine's speed in the same round, as the median of the rounds.

    Args:
        rounds: of ours.
        operations: number of operations in one run.
        weight_bytes: the least that a run must read, if reading may be the limit.
    """
    computing = [operations / one.rate for one in rounds]  # seconds
    found: Result = {
        "matrix_products_a_second": median(one.rate for one in rounds),
        "of_the_limit": median(least / one.seconds for least, one in zip(computing, rounds, strict=True)),
    }
    rates = [one.reading for one in rounds if one.reading is not None]
    if weight_bytes is not None and rates:
        reading = [weight_bytes / rate for rate in rates]
        pairs = zip(computing, reading, rounds, strict=True)
        found["weight_bytes_a_second"] = median(rates)
        found["of_the_roof"] = median(max(first, second) / one.seconds for first, second, one in pairs)
    return found


def throughput(result: Result) -> Result:
    """Add samples and, if there are rows, tokens a second of each implementation, as `a_second`.

    A sample's tokens are those of its whole row, however often an implementation reads them.
    """
    facts = result["settings"]
    tokens = sum(facts.get(name, 0) for name in ("prefix_tokens", "audio_vectors", "other_tokens"))
    found = {}
    for implementation in ("plain", "ours"):
        samples = facts["samples"] / median(result[implementation]["seconds"])
        found[implementation] = {"samples": samples} | ({"tokens": samples * tokens} if tokens else {})
    return {"a_second": found}


def describe_run(setting: Setting) -> Result:
    """The settings, machine, versions and commit that all figures of a run depend on."""
    dtype = str(setting.sizes.dtype).removeprefix("torch.")
    settings = {"scale": setting.scale, "device": _device(setting), "threads": setting.threads, "dtype": dtype}
    return {
        "settings": settings,
        "machine": {"processor": _processor(), "cores": cores()},
        "commit": _commit(),
        "versions": versions_here(),
        "date": time.strftime("%Y-%m-%d"),
    }


def save_result(result: Result, folder: Path) -> Path:
    """Write one result under its case's name, with the scale's name if that is not the default one."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / _file(result["case"], result["settings"]["scale"])
    write_atomically(path, json.dumps(result, indent=2) + "\n")
    return path


def read_results(folder: Path, names: Iterable[str]) -> list[Result]:
    """Read the stored results, in the order of the names, at the default scale and the large one."""
    paths = [folder / _file(name, scale) for name in names for scale in ("full", "large")]
    return [json.loads(path.read_text(encoding="utf-8")) for path in paths if path.is_file()]


def _file(case: str, scale: str) -> str:
    return f"{case}.json" if scale == "full" else f"{case}-{scale}.json"


def table(results: Sequence[Result]) -> str:
    """Results as a Markdown table; seconds are for one call."""
    lines = [_HEAD, ("---",) + ("---:",) * (len(_HEAD) - 1), *map(_row, results)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"


def _row(result: Result) -> tuple[str, ...]:
    peaks = [result[implementation].get("peak_bytes") for implementation in ("plain", "ours")]
    shares = [result.get(name) for name in ("of_the_limit", "of_the_roof")]
    return (
        result["what"] + _size(result["settings"]) + (" (under load)" if result["crowded"] else ""),
        *(f"{median(result[implementation]['seconds']):.3g} s" for implementation in ("plain", "ours")),
        f"{result['times_as_fast']:.2f}",
        *("" if peak is None else f"{peak / 1e9:.2f} GB" for peak in peaks),
        f"{result['memory_ratio']:.2f}" if "memory_ratio" in result else "",
        *("" if share is None else f"{share:.0%}" for share in shares),
    )


def _size(settings: Mapping[str, Any]) -> str:
    """The size of the case, if it has layers or batches."""
    sizes = [(settings.get("layers"), "layer"), (settings.get("batch"), "clip")]
    parts = [f"{count} {unit}{'s' * (count > 1)}" for count, unit in sizes if count is not None]
    return f": {', '.join(parts)}" if parts else ""


def _device(setting: Setting) -> str:
    return torch.cuda.get_device_name() if setting.device == "cuda" else "cpu"


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    lines = info.read_text(encoding="utf-8").splitlines() if info.is_file() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def _commit() -> str:
    """The repository's commit, with a plus if files differ from it."""
    try:
        git = ["git", "-C", str(ROOT)]
        head = subprocess.run([*git, "rev-parse", "--short=12", "HEAD"], capture_output=True, text=True, check=True)
        changes = subprocess.run([*git, "status", "--porcelain", "emosllm", "bench/cases"], capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return head.stdout.strip() + ("+" if changes.stdout else "")
