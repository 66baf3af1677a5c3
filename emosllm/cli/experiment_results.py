"""Print the results of an experiment and the paths of its files."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import typer
from rich.console import Console

if TYPE_CHECKING:
    from emosllm.experiments.results import Results


def print_results(results: "Results", out: Path, notes: bool = True) -> None:
    """Print the table, and the paths of its files."""
    from emosllm.experiments.results_files import screen_table
    from emosllm.training.phase_trainer import process_state

    if not process_state().is_main_process:
        return
    console = Console()
    console.print(screen_table(results))
    for note in results.notes if notes else ():
        console.print(note, style="dim", markup=False)
    console.print(results.chosen, style="dim", markup=False)
    print(f"{out / 'results.md'} and {out / 'results.json'} hold all results", file=sys.stderr)
    if any(row.failed for row in results.rows):
        raise typer.Exit(1)
