"""Verbs for many trainings: sweep and study; and what `evaluate --protocol` does."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console

from emosllm.cli.options import BatchOpt, DeviceOpt, ManifestsOption, OverridesArgument, RecipeArgument
from emosllm.errors import UserError

if TYPE_CHECKING:
    from emosllm.experiments.results import Results

OutOption = Annotated[Path, typer.Option(help="Folder of the runs, figures and results.")]
FoldsOption = Annotated[
    int | None,
    typer.Option(min=1, help="Of the cross-validation, 5 if not given; 1 learns from the train split and reports val."),
]
SeedsOption = Annotated[int, typer.Option(min=1, help="Trainings of each, which differ by their seed.")]
ChooseOption = Annotated[
    bool, typer.Option("--choose-weights", help="Choose each training's weights on the part that is reported.")
]
ResumeOption = Annotated[bool, typer.Option(help="Take up what was stopped; finished runs are not repeated.")]
TakeUpOption = Annotated[
    bool, typer.Option("--resume", help="With --protocol or --robustness: take up what was stopped in --out.")
]
CacheOption = Annotated[Path | None, typer.Option(help="Folder for the encoder's frames, shared by runs.")]
KeepOption = Annotated[bool, typer.Option("--keep-models/--drop-models", help="Keep the trained weights of every run.")]
PartialOption = Annotated[bool, typer.Option(help="With --protocol: go on where counts are wrong, and say so.")]
TestOnlyOption = Annotated[bool, typer.Option(help="With --protocol: score a recipe as published, without training.")]
CalibrateOption = Annotated[
    bool, typer.Option("--calibrate", help="With --protocol: fit a temperature on each fold's validation part.")
]
ProtocolOption = Annotated[
    str | None,
    typer.Option(
        help="Measure as published: iemocap-loso, meld, msp-podcast, emospeech-cv, ... A recipe is trained for each "
        "fold, a trained system is scored as it is."
    ),
]
DividedOption = Annotated[
    str | None,
    typer.Option(
        "--protocol",
        help="Learn from and report a published protocol's train and val parts, in its classes and by its rules for "
        "speakers on two sides, which are told: meld, msp-podcast, lssed, emobox:CORPUS.",
    ),
]
GridArgument = Annotated[list[str] | None, typer.Argument(help="key=v1,v2,v3 is swept; key=value holds for all.")]


def sweep(
    recipe: RecipeArgument,
    data: ManifestsOption,
    out: OutOption,
    overrides: GridArgument = None,
    folds: FoldsOption = None,
    protocol: DividedOption = None,
    partial: PartialOption = False,
    seeds: SeedsOption = 1,
    choose_weights: ChooseOption = False,
    resume: ResumeOption = False,
    cache: CacheOption = None,
    keep_models: KeepOption = True,
    batch_size: BatchOpt = 8,
    device: DeviceOpt = None,
) -> None:
    """Train every combination of some settings on every fold; a table and a heatmap of the figures.

    Example: `emosllm sweep gemma-text lora.rank=16,32,64 lora.alpha=16,32 --data manifest.csv --out grid`

    Folds hold the classes alike and no speaker twice, and `--protocol` is the one exception, where published splits
    share speakers; the test split is left alone. Exit code 1 when a run failed.
    """
    from emosllm.evaluation.extra import check_eval_extra
    from emosllm.experiments.sweep import SweepSettings
    from emosllm.experiments.sweep import sweep as sweep_recipe

    check_eval_extra()
    how = (choose_weights, resume, cache, keep_models, batch_size, device, protocol, partial)
    settings = SweepSettings(folds, seeds, *how)
    results = sweep_recipe(recipe, overrides or (), data, out, settings)
    _tell(results, out)


def study(
    name: Annotated[str, typer.Argument(help="Such as encoder, strategy, curriculum, size, or a YAML file.")],
    recipe: RecipeArgument,
    data: ManifestsOption,
    out: OutOption,
    overrides: OverridesArgument = None,
    folds: FoldsOption = None,
    protocol: DividedOption = None,
    partial: PartialOption = False,
    seeds: SeedsOption = 1,
    choose_weights: ChooseOption = False,
    resume: ResumeOption = False,
    cache: CacheOption = None,
    keep_models: KeepOption = True,
    batch_size: BatchOpt = 8,
    device: DeviceOpt = None,
) -> None:
    """Answer one of the field's questions about a recipe: an ablation of the papers, or what they leave open.

    Example: `emosllm study transcripts nano --data manifest.csv --out transcripts --folds 3`

    The studies are data (`emosllm/studies`); `key=v1,v2` takes the place of a study's own values.
    """
    from emosllm.evaluation.extra import check_eval_extra
    from emosllm.experiments.studies import lay_out_study, load_study
    from emosllm.experiments.sweep import SweepSettings, sweep_variants
    from emosllm.experiments.sweep_data import under_protocol

    check_eval_extra()
    found = load_study(name)
    studied = lay_out_study(found, recipe, under_protocol(protocol, overrides or ()))
    how = (choose_weights, resume, cache, keep_models, batch_size, device, protocol, partial)
    settings = SweepSettings(folds, seeds, *how)
    title = f"{recipe}: {found.title}"
    results = sweep_variants(title, studied.variants, studied.keys, data, out, settings, notes=studied.notes)
    _tell(results, out)


def evaluate_protocol(
    name: str,
    system: str,
    manifests: Sequence[Path],
    overrides: Sequence[str],
    refused: dict[str, object],
    asking: dict[str, Any],
    **settings: Any,
) -> None:
    """What `emosllm evaluate --protocol` does.

    Args:
        name: of the protocol.
        system: recipe, run, checkpoint or builtin.
        manifests: the data.
        overrides: to a recipe.
        refused: options that a protocol decides itself, by name; given ones are an error.
        asking: of `emosllm.experiments.scoring_options.Asking`.
        settings: of `emosllm.experiments.protocols.evaluation.Settings`.
    """
    from emosllm.experiments.protocols.evaluation import Settings, evaluate_under
    from emosllm.experiments.scoring_options import Asking
    from emosllm.reporting.screen import print_report
    from emosllm.training.phase_trainer import these_processes

    for option, value in refused.items():
        if value is not None:
            raise UserError(f"--{option} and --protocol can't be used together: a protocol says what is tested and how")
    how = Settings(asking=Asking(**asking), **settings)
    results, report = evaluate_under(name, system, manifests, overrides, how)
    if not these_processes().is_main_process:
        return
    print_report(report, Console())
    if settings["out"] is not None:
        _tell(results, settings["out"], notes=False)  # the report has told them


def only_with_protocol(**given: object) -> None:
    """Refuse options that say nothing without `--protocol`.

    Args:
        given: option -> its value, false where it was left out.
    """
    for option, value in given.items():
        if value:
            raise UserError(f"--{option.replace('_', '-')} is for --protocol: leave it out, or name a protocol")


def _tell(results: "Results", out: Path, notes: bool = True) -> None:
    """The table, and where everything is."""
    from emosllm.experiments.results_files import screen_table
    from emosllm.training.phase_trainer import these_processes

    if not these_processes().is_main_process:
        return
    console = Console()
    console.print(screen_table(results))
    for note in results.notes if notes else ():
        console.print(note, style="dim", markup=False)
    console.print(results.chosen, style="dim", markup=False)
    print(f"{out / 'results.md'} and {out / 'results.json'} hold it all", file=sys.stderr)
    if any(row.failed for row in results.rows):
        raise typer.Exit(1)
