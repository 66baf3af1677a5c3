"""Verbs for whoever makes a system: train, info, and the recipes."""

import json
import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from emosllm.cli.options import DataOption, InfoFormat, OverridesArgument, RecipeArgument
from emosllm.errors import UserError


def train(
    recipe: RecipeArgument,
    data: DataOption,
    out: Annotated[Path, typer.Option(help="Folder of the run.")],
    overrides: OverridesArgument = None,
    resume: Annotated[bool, typer.Option(help="Take up a run that was stopped.")] = False,
    cache: Annotated[Path | None, typer.Option(help="Folder for the encoder's frames, shared by runs.")] = None,
    self_contained: Annotated[bool, typer.Option(help="Keep the backbones' weights in the checkpoint.")] = False,
) -> None:
    """Train a system through its recipe's phases.

    Example: `emosllm train nano --data manifest.csv --out runs/mine phases.p3.epochs=5`
    """
    from emosllm.corpora.manifest import read_manifest
    from emosllm.prompting.templates import check_templates
    from emosllm.recipe import load_recipe
    from emosllm.training.run import Run
    from emosllm.training.run_data import RunData

    resolved = load_recipe(recipe, overrides or ())
    check_templates(resolved)  # whether they are there should be known before the run's folder is
    run = Run(resolved, RunData.of(read_manifest(data), resolved), out, cache)
    folder = run.train(resume, self_contained)
    print(f"trained {folder}; try it: emosllm predict {out} RECORDING", file=sys.stderr)


def info(
    recipe: RecipeArgument,
    overrides: OverridesArgument = None,
    format: Annotated[InfoFormat, typer.Option(help="Table or JSON.")] = InfoFormat.table,
) -> None:
    """Describe a system: parts, counted weights, training memory, the paper's figures, what was assumed.

    Example: `emosllm info emosllm --format json`
    """
    from emosllm.recipe import load_recipe

    resolved = load_recipe(recipe, overrides or ())
    from emosllm.models.describe import describe, downloads

    found = describe(resolved)
    if format is InfoFormat.json:
        print(json.dumps(found.to_dict(), indent=2, ensure_ascii=False))
        return
    console = Console(markup=False, soft_wrap=True)  # brackets in a recipe's words are brackets
    table = Table(title=found.recipe.title, title_justify="left")
    for column in ("part", "what", "shape"):
        table.add_column(column)
    for column in ("weights", "trained"):
        table.add_column(column, justify="right")
    for name, part in found.parts.items():
        table.add_row(name, part.what, part.shape, f"{part.total:,}", f"{part.trainable:,}")
    table.add_row("in sum", "", "", f"{found.total:,}", f"{found.trainable:,}", style="bold")
    console.print(table)
    memory = sum(found.memory.values()) / 2**30
    console.print(f"learns: {', '.join(f'{name} {count:,}' for name, count in found.by_phase.items())}")
    console.print(f"training memory, estimated: {memory:.1f} GiB at {found.recipe.training.micro_batch} samples a pass")
    for model, download in downloads(found.recipe).items():
        console.print(f"needs: {model}, {download.gigabytes:g} GB, {download.licence}")
    console.print(f"source: {found.recipe.source}")
    for what, value in found.recipe.paper.items():
        console.print(f"paper: {what.replace('_', ' ')} = {value}")
    for assumption in found.recipe.assumed:
        console.print(f"assumed: {assumption}")


def recipes_list() -> None:
    """Name the recipes that come with the package.

    Example: `emosllm recipes list`
    """
    from emosllm.recipe import load_recipe, names

    for name in names():
        print(f"{name:24} {load_recipe(name).title}")


def recipes_show(recipe: RecipeArgument, overrides: OverridesArgument = None) -> None:
    """Print a recipe whole, every default written out.

    Example: `emosllm recipes show emosllm lora.rank=16`
    """
    from emosllm.recipe import dump, load_recipe

    print(dump(load_recipe(recipe, overrides or ())), end="")


def recipes_check(
    recipes: Annotated[list[str] | None, typer.Argument(help="Names or files; all shipped ones if none.")] = None,
) -> None:
    """Verify recipes: they parse, and their models have as many trained weights as they state.

    Example: `emosllm recipes check my.yaml`
    """
    from emosllm.models.describe import describe
    from emosllm.prompting.templates import check_templates
    from emosllm.recipe import load_recipe, names

    for name, recipe in [(name, load_recipe(name)) for name in recipes or names()]:
        check_templates(recipe)
        found = describe(recipe)
        if found.recipe.trainable not in (None, found.trainable):
            raise UserError(
                f"recipe {name} states {found.recipe.trainable} trained weights, its model has {found.trainable}"
            )
        print(f"{name}: {found.trainable:,} trained of {found.total:,} weights")
