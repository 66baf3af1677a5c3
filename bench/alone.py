"""One way of one case in a process of its own: its peak of memory and its operations, as a line of JSON."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Annotated

import torch
import typer

from bench.cases import CASES
from bench.measure import operations, peak_of
from bench.scale import Setting

ROOT = Path(__file__).parents[1]


def main(
    case: str,
    way: str,
    scale: str = "full",
    device: str = "cpu",
    threads: int = 2,
    data: Annotated[Path | None, typer.Option()] = None,
    layers: Annotated[int | None, typer.Option()] = None,
    batch: Annotated[int | None, typer.Option()] = None,
) -> None:
    """Run it: for the peak first, and once more for the count where it is ours and things are kept over calls."""
    torch.set_num_threads(threads)
    pair = CASES[case].prepare(Setting(scale, device, threads, data, layers, batch))
    run = getattr(pair, way)
    found: list[int] = []
    if way == "plain":
        peak = peak_of(lambda: found.append(operations(run)), device)
    else:
        peak = peak_of(run, device)
        found.append(operations(run))
    print(json.dumps({"peak_bytes": peak, "operations": found[0]}))


def alone(case: str, way: str, setting: Setting) -> dict[str, int]:
    """`main` in a process of its own.

    Raises:
        RuntimeError: it failed; the message is its last line.
    """
    command = [sys.executable, "-m", "bench.alone", case, way, *setting.options]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
    if done.returncode:
        raise RuntimeError(f"{case}, {way}: {(done.stderr.strip().splitlines() or ['killed'])[-1]}")
    return dict(json.loads(done.stdout.strip().splitlines()[-1]))


if __name__ == "__main__":
    typer.run(main)
