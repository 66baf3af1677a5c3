"""Run the benchmark: `python -m bench` for all cases, `python -m bench NAME` for one; see `bench/cases`.

python -m bench --scale small           # seconds: a test that both implementations agree
python -m bench phase-1 --format json
python -m bench --write-docs            # the tables and curves of docs/performance.md from the stored results
"""

import json
import sys
from pathlib import Path
from typing import Annotated, Literal

import torch
import typer

from bench.cases import CASES
from bench.curves import measure_curves
from bench.measure import cores
from bench.pages import CURVES, write_pages
from bench.results import describe_run, measure, save_result, table
from bench.sizes import SCALES, Setting
from emosllm.files import write_atomically

RESULTS = Path("bench/results")


def main(
    names: Annotated[
        list[str] | None, typer.Argument(metavar="[NAME]...", help="Cases to run; all by default.")
    ] = None,
    form: Annotated[Literal["table", "json"], typer.Option("--format", help="Format of the output.")] = "table",
    scale: Annotated[
        str | None,
        typer.Option(
            help="Size of the cases: full, large, published or small; by default published on cuda, else full."
        ),
    ] = None,
    device: Annotated[str, typer.Option(help="Device: cpu or cuda.")] = "cpu",
    threads: Annotated[int, typer.Option(help="Number of threads, by default the number of cores.")] = cores(),
    data: Annotated[
        Path | None,
        typer.Option(
            help="Measure cues of the real recordings in this folder with manifest.csv; synthetic ones by default."
        ),
    ] = None,
    layers: Annotated[
        int | None, typer.Option(help="Number of layers of the LLM, by default that of the scale.")
    ] = None,
    batch: Annotated[int | None, typer.Option(help="Number of clips in a batch, by default that of the scale.")] = None,
    rounds: Annotated[
        int | None, typer.Option(help="Number of rounds for each implementation, by default that of the scale.")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Store the results in this folder.")] = None,
    curves: Annotated[bool, typer.Option(help="Measure the growth of the cost instead of the cases.")] = False,
    write_docs: Annotated[
        bool, typer.Option(help="Write the tables and curves of docs/performance.md from the stored results.")
    ] = False,
) -> None:
    """Compare emosllm with the plain implementation on the same data, with equal results."""
    wanted = names or list(CASES)
    if unknown := [name for name in wanted if name not in CASES]:
        raise typer.BadParameter(f"no case {unknown[0]}; cases are {', '.join(CASES)}")
    if device == "cuda" and not torch.cuda.is_available():
        raise typer.BadParameter("no CUDA device here: leave --device out to measure the CPU")
    scale = scale or ("full" if device == "cpu" else "published")
    if scale not in SCALES:
        raise typer.BadParameter(f"no scale {scale}; scales are {', '.join(SCALES)}")
    if write_docs:
        write_pages(out or RESULTS, list(CASES))
        return
    torch.set_num_threads(threads)
    setting = Setting(scale, device, threads, data, layers, batch, rounds)
    if curves:
        text = json.dumps({**describe_run(setting), "curves": measure_curves(setting)}, indent=2)
        write_atomically((out or RESULTS) / CURVES, text + "\n")
        print(text)
        return
    results = []
    for name in wanted:
        print(f"{name}: {CASES[name].what}", file=sys.stderr, flush=True)
        results.append(measure(CASES[name], setting))
        if out is not None:
            save_result(results[-1], out)
    print(json.dumps(results, indent=2) if form == "json" else table(results))


if __name__ == "__main__":
    typer.run(main)
