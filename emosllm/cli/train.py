"""Verbs for whoever makes a system: train, and the recipes."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from emosllm.cli.options import DataOption, OverridesArgument, RecipeArgument
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
    from emosllm.prompting.prompt_template import check_templates
    from emosllm.recipe import load_recipe
    from emosllm.training.run import Run
    from emosllm.training.run_data import RunData

    resolved = load_recipe(recipe, overrides or ())
    check_templates(resolved)  # whether they are there should be known before the run's folder is
    run = Run(resolved, RunData.of(read_manifest(data), resolved), out, cache)
    before = resume and run.finished
    folder = run.train(resume, self_contained)
    said = f"{out} was finished before, and nothing was done; its system is {folder}" if before else f"trained {folder}"
    if before and self_contained:
        said += f"; emosllm export {out} --out FOLDER puts the backbones in"
    print(f"{said}; try it: emosllm predict {out} RECORDING", file=sys.stderr)


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
    from emosllm.models.description import describe
    from emosllm.prompting.prompt_template import check_templates
    from emosllm.recipe import load_recipe, names

    for name, recipe in [(name, load_recipe(name)) for name in recipes or names()]:
        check_templates(recipe)
        found = describe(recipe)
        if found.recipe.trainable not in (None, found.trainable):
            raise UserError(
                f"recipe {name} states {found.recipe.trainable} trained weights, its model has {found.trainable}"
            )
        print(f"{name}: {found.trainable:,} trained of {found.total:,} weights")
