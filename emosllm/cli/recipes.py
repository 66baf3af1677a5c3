"""The commands `recipes list`, `recipes show` and `recipes check`."""

from typing import Annotated

import typer

from emosllm.cli.options import OverridesArgument, RecipeArgument
from emosllm.errors import UserError


def recipes_list() -> None:
    """List the recipes of the package.

    Example: `emosllm recipes list`
    """
    from emosllm.recipe import load_recipe, recipe_names

    for name in recipe_names():
        print(f"{name:24} {load_recipe(name).title}")


def recipes_show(recipe: RecipeArgument, overrides: OverridesArgument = None) -> None:
    """Print a complete recipe, with every default.

    Example: `emosllm recipes show emosllm lora.rank=16`
    """
    from emosllm.recipe import dump, load_recipe

    print(dump(load_recipe(recipe, overrides or ())), end="")


def recipes_check(
    recipes: Annotated[
        list[str] | None, typer.Argument(help="Recipes: names or YAML files; all recipes of the package by default.")
    ] = None,
) -> None:
    """Check that recipes can be parsed and that their models have the stated numbers of trained weights.

    Example: `emosllm recipes check my.yaml`
    """
    from emosllm.models.description import describe
    from emosllm.prompting.prompt_template import check_templates
    from emosllm.recipe import load_recipe, recipe_names

    for name, recipe in [(name, load_recipe(name)) for name in recipes or recipe_names()]:
        check_templates(recipe)
        found = describe(recipe)
        if found.recipe.trainable not in (None, found.trainable):
            raise UserError(
                f"recipe {name} states {found.recipe.trainable} trained weights, its model has {found.trainable}"
            )
        print(f"{name}: {found.trainable:,} trained of {found.total:,} weights")
