"""Parse the commands of the paper table as the command line does, so that every command shown is valid.

The result names a command's recipes and its number of trainings. Commands are not run, since that needs licensed data.
"""

import shlex
from dataclasses import dataclass
from typing import Any

import typer

from emosllm.cli import app
from emosllm.errors import UserError
from emosllm.experiments.grid import read_grid
from emosllm.experiments.protocols.catalogue import find_protocol
from emosllm.experiments.studies import load_study, study_variants
from emosllm.recipe import Recipe, load_recipe, recipe_names

#: The number of trainings of a protocol; one if not listed.
FOLDS = {"iemocap-loso": 5, "iemocap-speakers": 10, "emospeech-cv": 5}


@dataclass(frozen=True)
class Command:
    """A parsed command.

    Attributes:
        verb: its name, such as `evaluate`.
        given: its parameters, by name.
        recipes: the recipes that it trains or shows, with overrides applied, each once.
        folds: number of trainings of each.
        compared: names of the systems that a study or sweep compares.
    """

    verb: str
    given: dict[str, Any]
    recipes: tuple[Recipe, ...] = ()
    folds: int = 1
    compared: tuple[str, ...] = ()


def read_command(text: str) -> Command:
    """Parse a command as the command line does.

    Raises:
        UserError: an unknown verb, recipe, override, protocol or study. Unknown options and arguments raise typer's own
            error.
    """
    program, *rest = shlex.split(text)
    if program != "emosllm":
        raise UserError(f"{text!r} does not begin with emosllm")
    group: Any = typer.main.get_command(app)
    verb = program
    while hasattr(group, "commands"):
        if not rest or rest[0] not in group.commands:
            raise UserError(f"{text!r}: emosllm has no command {' '.join(rest[:1]) or '(none given)'}")
        verb, *rest = rest
        group = group.commands[verb]
    given = dict(group.make_context(verb, rest).params)
    return Command(verb, given, *_trained(verb, given))


def _trained(verb: str, given: dict[str, Any]) -> tuple[tuple[Recipe, ...], int, tuple[str, ...]]:
    overrides = given.get("overrides") or ()
    if verb in ("study", "sweep"):
        if verb == "study":
            variants = study_variants(load_study(given["name"]), given["recipe"], overrides).variants
        else:
            variants = tuple(read_grid(given["recipe"], overrides)[0])
        shared = {variant.training_key(False): variant.recipe for variant in variants}
        return tuple(shared.values()), given["folds"], tuple(variant.name for variant in variants)
    if verb == "evaluate" and given["protocol"] is not None:
        protocol = find_protocol(given["protocol"])
        labels = [f"labels={protocol.labels}"] if protocol.labels else []
        return (load_recipe(given["model"], [*overrides, *labels]),), FOLDS.get(protocol.name, 1), ()
    name = given.get("recipe") or given.get("model")
    if name in recipe_names():
        return (load_recipe(name, overrides),), 1, ()
    return (), 0, ()
