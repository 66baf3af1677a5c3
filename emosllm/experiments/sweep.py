"""A sweep: every combination of a grid on every fold, one results file, one picture."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from rich.console import Console

from emosllm.errors import UserError
from emosllm.experiments.data import read_data
from emosllm.experiments.folds import Fold, cross_validation, own_splits
from emosllm.experiments.grid import Variant, read_grid
from emosllm.experiments.leaks import check_folds
from emosllm.experiments.picture import short_key, write_pictures
from emosllm.experiments.plan import Outcome, Plan
from emosllm.experiments.results import Results, put_together
from emosllm.experiments.results_text import write_results
from emosllm.experiments.runs import Experiment
from emosllm.labels import LabelSet
from emosllm.utterance import Utterance


@dataclass(frozen=True)
class SweepSettings:
    """How a sweep is carried out.

    Attributes:
        folds: of the cross-validation; 1 learns from the manifest's train split and reports its val split.
        seeds: trainings of each combination and fold.
        choose_weights: choose each training's weights on the part that is reported; optimistic, and said so.
        resume: take up what was stopped, or add values to its grid.
        cache: folder of the encoders' frames.
        keep_models: leave the trained weights there.
        batch_size: clips scored together.
        device: as `load`.
    """

    folds: int = 5
    seeds: int = 1
    choose_weights: bool = False
    resume: bool = False
    cache: Path | None = None
    keep_models: bool = True
    batch_size: int = 8
    device: str | None = None


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
    variants, keys = read_grid(recipe, overrides)
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
    if settings.seeds < 1 or settings.folds < 1:
        raise UserError(f"{settings.folds} folds and {settings.seeds} seeds: give 1 or more of each")
    folds, told = _folds(read_data(manifests), variants[0].classes, settings.folds)
    told += check_folds(folds)
    plan = Plan(
        title=title,
        variants=variants,
        folds=folds,
        seeds=settings.seeds,
        chooses="test" if settings.choose_weights else "never",
        notes=(*notes, *told),
        data=", ".join(map(str, manifests)),
    )
    experiment = Experiment(
        plan, out, settings.cache, settings.keep_models, settings.batch_size, settings.device, console
    )
    figure = variants[0].recipe.training.choose_by
    outcomes: list[Outcome] = []
    for group in experiment.run(settings.resume):
        outcomes += group
        results = put_together(plan, outcomes, figure, keys, out)
        if experiment.writes:
            write_results(results, out)
    if experiment.writes:
        write_pictures(results, out)
    return results


def _folds(utterances: Sequence[Utterance], labels: LabelSet, k: int) -> tuple[list[Fold], list[str]]:
    """The folds of all but the test split, and what to say of them."""
    kept = [utterance for utterance in utterances if utterance.split != "test"]
    held = len(utterances) - len(kept)
    notes = [f"{held} clips of the test split were left alone."] if held else []
    if k == 1:
        fold = own_splits(kept, labels, test="val")
        return [fold], [*notes, "Figures are of the val split; comparing on it makes the best of them optimistic."]
    unsplit = [replace(utterance, split=None) for utterance in kept]
    return cross_validation(unsplit, labels, k), notes
