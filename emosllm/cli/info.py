"""The command `info`: describe a recipe, a training run or a checkpoint."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table

from emosllm.cli.options import InfoFormat, OverridesArgument
from emosllm.errors import UserError

if TYPE_CHECKING:
    from emosllm.evaluation.provenance import Training
    from emosllm.evaluation.trained_system import TrainedSystem
    from emosllm.models.description import Description

SystemArgument = Annotated[
    str, typer.Argument(metavar="SYSTEM", help="System: recipe name, YAML file, run folder, or checkpoint.")
]


def info(
    system: SystemArgument,
    overrides: OverridesArgument = None,
    format: Annotated[InfoFormat, typer.Option(help="Format of the output.")] = InfoFormat.table,
) -> None:
    """Describe a system: parts, counted weights, training memory, the paper's figures, assumptions.

    Example: `emosllm info emosllm --format json`

    For a run or a checkpoint, the description includes its training: `emosllm info runs/mine`
    """
    from emosllm.recipe import load_recipe

    trained = None
    if _is_trained(system):
        if overrides:
            raise UserError(f"{system} is trained, so {overrides[0]!r} cannot change it; overrides are for recipes")
        from emosllm.evaluation.trained_system import read_trained_system

        trained = read_trained_system(system)
        found = trained.description
    else:
        resolved = load_recipe(system, overrides or ())
        from emosllm.models.description import describe

        found = describe(resolved)
    if format is InfoFormat.json:
        more = {} if trained is None else {"trained": trained.to_dict()}
        print(json.dumps(found.to_dict() | more, indent=2, ensure_ascii=False))
        return
    console = Console(markup=False, soft_wrap=True)  # square brackets in a recipe's text are not markup
    _print_parts(console, found)
    if trained is None:
        _print_requirements(console, found)
    else:
        _print_trained(console, trained)
    _print_locations(console, found)
    _print_origin(console, found)


def _is_trained(system: str) -> bool:
    """Whether the name is a folder or a possible checkpoint on the hub; a recipe precedes a folder of the same name."""
    from emosllm.recipe import recipe_names

    if system in recipe_names() or system.endswith((".yaml", ".yml")):
        return False
    return Path(system).is_dir() or system.count("/") == 1


def _print_parts(console: Console, found: "Description") -> None:
    table = Table(title=found.recipe.title, title_justify="left")
    for column in ("part", "what", "shape"):
        table.add_column(column)
    for column in ("weights", "trained"):
        table.add_column(column, justify="right")
    for name, part in found.parts.items():
        table.add_row(name, part.what, part.shape, f"{part.total:,}", f"{part.trainable:,}")
    table.add_row("in sum", "", "", f"{found.total:,}", f"{found.trainable:,}", style="bold")
    console.print(table)


def _print_requirements(console: Console, found: "Description") -> None:
    """Print what the training requires."""
    from emosllm.models.description import downloads

    memory = sum(found.memory.values()) / 2**30
    console.print(
        f"trained weights by phase: {', '.join(f'{name} {count:,}' for name, count in found.by_phase.items())}"
    )
    console.print(f"training memory, estimated: {memory:.1f} GiB at {found.recipe.training.micro_batch} samples a pass")
    for model, download in downloads(found.recipe).items():
        console.print(f"needs: {model}, {download.gigabytes:g} GB, {download.licence}")


def _print_locations(console: Console, found: "Description") -> None:
    from emosllm.models.description import backbone_locations

    for model, place in backbone_locations(found.recipe).items():
        console.print(f"found: {model}: {place}")


def _print_trained(console: Console, trained: "TrainedSystem") -> None:
    """Print the training of the system: its data, its duration and its result."""
    if trained.folder is None:
        done = ", ".join(trained.done) or "none"
        wanted = ", ".join(trained.description.recipe.phases)
        console.print(f"not finished: phases done: {done}, of {wanted}; `emosllm train` with --resume continues it")
    else:
        inside = "with the backbones' weights" if trained.self_contained else "with the backbones' names"
        console.print(f"checkpoint: {trained.folder}, {trained.megabytes:.1f} MB, {inside}")
    labels = trained.description.recipe.label_set
    console.print(f"recipe: {trained.description.recipe.name}; answers {', '.join(labels.names)}")
    if trained.calibration is not None:
        console.print(f"calibrated: {trained.calibration.note}")
    if trained.training is not None:
        _print_run(console, trained.training)
    elif trained.folder is not None:
        console.print("trained: no run is stored beside the checkpoint")


def _print_run(console: Console, run: "Training") -> None:
    from emosllm.reporting.report_text import hours

    machine = run.hardware.get("gpu") or run.hardware.get("machine", "an unknown machine")
    console.print(f"trained: on {run.train:,} utterances, chosen by {run.val:,}; data {run.data}, seed {run.seed}")
    console.print(f"took: {hours(run.seconds)} on {machine}")
    for name, figures in run.phases.items():
        shown = ", ".join(
            f"{key.replace('eval_', 'validation ')} {f'{value:.3f}' if isinstance(value, float) else value}"
            for key, value in figures.items()
            if key != "seconds"
        )
        console.print(f"phase {name}: {shown}; {hours(figures.get('seconds', 0.0))}")
    console.print(f"with: {', '.join(f'{name} {version}' for name, version in run.versions.items())}")


def _print_origin(console: Console, found: "Description") -> None:
    console.print(f"source: {found.recipe.source}")
    for what, value in found.recipe.paper.items():
        console.print(f"paper: {what.replace('_', ' ')} = {value}")
    for assumption in found.recipe.assumed:
        console.print(f"assumed: {assumption}")
