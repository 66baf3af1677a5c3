"""A sweep: every combination of a grid on every fold, one results file, one picture."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from emosllm.errors import UserError
from emosllm.experiments.experiment import Experiment
from emosllm.experiments.grid import Variant, read_grid
from emosllm.experiments.plan import Outcome, Plan
from emosllm.experiments.plots import short_key, write_pictures
from emosllm.experiments.results import Results, collect_results
from emosllm.experiments.results_files import write_results
from emosllm.experiments.sweep_data import divide_data, protocol_overrides


@dataclass(frozen=True)
class SweepSettings:
    """How a sweep is carried out.

    Attributes:
        folds: of the cross-validation, 5 where `None`; 1 learns from the manifest's train split and reports its val
            split.
        seeds: trainings of each combination and fold.
        choose_weights: choose each training's weights on the part that is reported; optimistic, and said so.
        resume: take up what was stopped, or add values to its grid.
        cache: folder of the encoders' frames.
        keep_models: leave the trained weights there.
        batch_size: clips scored together.
        device: as `load`.
        protocol: a published one whose train and val parts are learned from and reported, in place of `folds`.
        partial: with a protocol, go on where counts are wrong, and say so.
    """

    folds: int | None = None
    seeds: int = 1
    choose_weights: bool = False
    resume: bool = False
    cache: Path | None = None
    keep_models: bool = True
    batch_size: int = 8
    device: str | None = None
    protocol: str | None = None
    partial: bool = False


def sweep(
    recipe: str,
    overrides: Sequence[str],
    manifests: Sequence[Path],
    out: Path,
    settings: SweepSettings | None = None,
    console: Console | None = None,
) -> Results:
    """Train and score every combination of the overrides' values.

    Args:
        recipe: a name or a file.
        overrides: `key=v1,v2,v3` is swept, `key=value` holds for all.
        manifests: the data; their test split is not touched.
        out: folder of the sweep.
        settings: how.
        console: where to tell how far it is.

    Raises:
        UserError: a combination is no recipe, data that can't be divided or that leak, or a folder that is taken.
    """
    settings = settings or SweepSettings()
    variants, keys = read_grid(recipe, protocol_overrides(settings.protocol, overrides))
    return sweep_variants(
        f"{recipe}: {' × '.join(map(short_key, keys)) or 'as it is'}", variants, keys, manifests, out, settings, console
    )


def sweep_variants(
    title: str,
    variants: Sequence[Variant],
    keys: Mapping[str, Sequence[str]],
    manifests: Sequence[Path],
    out: Path,
    settings: SweepSettings | None = None,
    console: Console | None = None,
    notes: Sequence[str] = (),
) -> Results:
    """The same for variants that were made otherwise, with what a reader of their figures must know."""
    settings = settings or SweepSettings()
    if settings.seeds < 1:
        raise UserError(f"{settings.seeds} seeds: give 1 or more")
    divided = divide_data(manifests, variants, settings.folds, settings.protocol, settings.partial)
    plan = Plan(
        title=title + (" (PARTIAL)" if divided.partial else ""),
        variants=divided.variants,
        folds=divided.folds,
        seeds=settings.seeds,
        chooses="test" if settings.choose_weights else "never",
        shared_speakers=divided.shared_speakers,
        notes=(*notes, *divided.notes),
        data=divided.data,
    )
    experiment = Experiment(
        plan, out, settings.cache, settings.keep_models, settings.batch_size, settings.device, console
    )
    outcomes: list[Outcome] = []
    for group in experiment.run(settings.resume):
        outcomes += group
        results = collect_results(plan, outcomes, divided.figure, keys, out)
        if experiment.writes:
            write_results(results, out)
    if experiment.writes:
        write_pictures(results, out)
    return results
