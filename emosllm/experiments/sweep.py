"""Run a sweep: every combination of a grid on every fold, with one results file and one plot."""

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
    """Options of a sweep.

    Attributes:
        folds: of the cross-validation, 5 if `None`; 1 trains on the manifest's train split and reports its val split.
        seeds: number of trainings of each combination and fold.
        choose_weights: select each training's weights on the reported part; this is optimistic, and the notes say so.
        resume: continue an interrupted sweep, or add values to its grid.
        cache: folder of the encoders' frames.
        keep_models: keep the trained weights.
        batch_size: clips scored together.
        device: as `load`.
        protocol: a published protocol whose train and val parts are used, in place of `folds`.
        partial: with a protocol, continue although numbers of clips are wrong, with a warning in the notes.
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
        overrides: `key=v1,v2,v3` is swept, `key=value` applies to all.
        manifests: the data; their test split is not used.
        out: folder of the sweep.
        settings: options of the sweep.
        console: shows the progress.

    Raises:
        UserError: a combination is not a valid recipe, data that cannot be divided or that leak, or a folder in use.
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
    """Run a sweep over given variants, with notes for a reader of their figures."""
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
