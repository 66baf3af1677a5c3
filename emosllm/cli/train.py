"""The command `train`: train a system through the phases of its recipe."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from emosllm.cli.options import DataOption, OverridesArgument, RecipeArgument


def train(
    recipe: RecipeArgument,
    data: DataOption,
    out: Annotated[Path, typer.Option(help="Write the run into this folder.")],
    overrides: OverridesArgument = None,
    resume: Annotated[bool, typer.Option(help="Continue an interrupted run.")] = False,
    cache: Annotated[
        Path | None,
        typer.Option(
            help="Store the encoder's frames in this folder, which runs can share; by default in the run's folder."
        ),
    ] = None,
    self_contained: Annotated[bool, typer.Option(help="Include the backbones' weights in the checkpoint.")] = False,
) -> None:
    """Train a system through its recipe's phases.

    Example: `emosllm train nano --data manifest.csv --out runs/mine phases.p3.epochs=5`
    """
    from emosllm.corpora.manifest import read_manifest
    from emosllm.prompting.prompt_template import check_templates
    from emosllm.recipe import load_recipe
    from emosllm.training.run import Run
    from emosllm.training.run_data import RunData

    resolved = load_recipe(recipe, overrides or ())
    check_templates(resolved)  # reports missing templates before the run's folder is created
    run = Run(resolved, RunData.of(read_manifest(data), resolved), out, cache)
    before = resume and run.finished
    folder = run.train(resume, self_contained)
    result = (
        f"{out} was finished before, and nothing was done; its system is {folder}" if before else f"trained {folder}"
    )
    if before and self_contained:
        result += f"; emosllm export {out} --out FOLDER adds the backbones"
    print(f"{result}; try it: emosllm predict {out} RECORDING", file=sys.stderr)
