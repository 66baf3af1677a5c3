"""A system under a protocol: trained anew for each fold, or scored as it is; leaks are refused before anything runs."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

from rich.console import Console

from emosllm.corpora.manifest import read_manifest
from emosllm.errors import UserError
from emosllm.evaluation.results import Report
from emosllm.experiments.data import read_data
from emosllm.experiments.folds import Fold
from emosllm.experiments.grid import Variant
from emosllm.experiments.leaks import check_folds
from emosllm.experiments.plan import Outcome, Plan
from emosllm.experiments.protocols import Laid, Protocol, find_protocol, lay_out
from emosllm.experiments.results import Results, put_together, write_results
from emosllm.experiments.runs import Experiment
from emosllm.inference.loading import checkpoint_folder
from emosllm.labels import LabelSet
from emosllm.models.checkpoint import fetch_checkpoint, read_config
from emosllm.parts import Strategy
from emosllm.recipe import Recipe, load_recipe, names, parse

_AS_IT_IS = (
    "The system was not trained under this protocol: whether it learned from clips or speakers tested here, nobody "
    "can tell from here."
)


@dataclass(frozen=True)
class Settings:
    """How a protocol is carried out.

    Attributes:
        out: folder of the experiment; `None` keeps nothing, which only systems that are not trained can do.
        resume: take up what was stopped.
        partial: go on where counts are wrong, and say so.
        test_only: do not train a recipe that could be trained, but score it as published.
        seeds: trainings, each with another seed.
        strategy: how the system is asked; the recipe's where `None`.
        cache: folder of the encoders' frames.
        keep_models: leave the trained weights there.
        batch_size: clips scored together.
        device: as `load`.
    """

    out: Path | None = None
    resume: bool = False
    partial: bool = False
    test_only: bool = False
    seeds: int = 1
    strategy: Strategy | None = None
    cache: Path | None = None
    keep_models: bool = True
    batch_size: int = 8
    device: str | None = None


def evaluate_under(
    name: str,
    system: str,
    manifests: Sequence[Path],
    overrides: Sequence[str] = (),
    settings: Settings | None = None,
    console: Console | None = None,
) -> tuple[Results, Report]:
    """Measure a system as a protocol says.

    Args:
        name: of the protocol.
        system: a recipe, which is trained for each fold; or a trained system or a published one, scored as it is.
        manifests: the data; for EmoBox, one manifest a fold.
        overrides: to the recipe.
        settings: how.
        console: where to tell how far it is.

    Returns:
        Figures by fold, and the report over all clips with the first seed.

    Raises:
        UserError: no such protocol or system, wrong counts, a leak, or a folder that is taken.
    """
    settings = settings or Settings()
    protocol = find_protocol(name)
    recipe, trained = _system(protocol, system, overrides, settings)
    laid = _laid(protocol, manifests, recipe, settings.partial)
    variant = Variant(recipe.name if not trained else system, {}, recipe, laid.labels)
    if trained:
        recipe.label_set.only(laid.labels.names)  # classes that it can't answer with should be known now
        variant = replace(variant, system=system, overrides=tuple(overrides))
        laid = replace(laid, folds=tuple(Fold(f.name, (), (), f.test) for f in laid.folds))
    remarks = check_folds(laid.folds, protocol.shared_speakers)
    chooses = "val" if protocol.chooses and all(fold.val for fold in laid.folds) else "never"
    plan = Plan(
        title=protocol.title + (" (PARTIAL)" if laid.partial else ""),
        variants=[variant],
        folds=laid.folds,
        seeds=1 if trained else settings.seeds,
        chooses=chooses,
        shared_speakers=protocol.shared_speakers is not None,
        notes=(*laid.notes, *remarks, *([_AS_IT_IS] if trained else [])),
        data=protocol.name + (" (PARTIAL)" if laid.partial else ""),
    )
    if settings.out is not None:
        return _carry_out(plan, protocol, settings, settings.out, console)
    if not trained:
        raise UserError(f"protocol {name} trains {system} {len(laid.folds)} times: give --out DIR for the runs")
    with TemporaryDirectory(prefix="emosllm-") as folder:
        return _carry_out(plan, protocol, settings, Path(folder), console)


def _carry_out(
    plan: Plan, protocol: Protocol, settings: Settings, out: Path, console: Console | None
) -> tuple[Results, Report]:
    experiment = Experiment(
        plan, out, settings.cache, settings.keep_models, settings.batch_size, settings.device, console
    )
    outcomes: list[Outcome] = [outcome for group in experiment.run(settings.resume) for outcome in group]
    results = put_together(plan, outcomes, protocol.headline, {}, out)
    if experiment.writes:
        write_results(results, out)
    first = outcomes[0]
    if first.pooled is None:
        failed = ", ".join(f"{fold}: {why}" for fold, why in first.failed.items())
        raise UserError(f"{out}: no figure over all folds, since some failed ({failed}); --resume tries these again")
    return results, first.pooled


def _system(protocol: Protocol, system: str, overrides: Sequence[str], settings: Settings) -> tuple[Recipe, bool]:
    """The recipe of what is measured, and whether it is taken as it is, without training."""
    labels = [] if protocol.labels is None else [f"labels={protocol.labels}"]
    asked = [] if settings.strategy is None else [f"inference.strategy={settings.strategy}"]
    if system in names() or system.endswith((".yaml", ".yml")):
        recipe = load_recipe(system, [*overrides, *asked])
        if recipe.phases and not settings.test_only:
            # A head's classes are its shape, a prompt's are its words: the protocol's are what is trained.
            return load_recipe(system, [*overrides, *asked, *labels]), False
        if recipe.unpublished:
            raise UserError(f"recipe {system}: its {' and '.join(recipe.unpublished)} must be trained first")
        return recipe, True
    if overrides:
        raise UserError(f"{system} is trained, so {overrides[0]!r} can't change it any more; overrides are for recipes")
    recipe = parse(read_config(fetch_checkpoint(checkpoint_folder(system))).recipe, system)
    if settings.strategy is not None:
        inference = recipe.inference.model_copy(update={"strategy": settings.strategy})
        recipe = recipe.model_copy(update={"inference": inference})
    return recipe, True


def _laid(protocol: Protocol, manifests: Sequence[Path], recipe: Recipe, partial: bool) -> Laid:
    """The protocol's folds; of EmoBox each manifest is one."""
    listens = recipe.encoder is not None
    if not protocol.name.startswith("emobox:"):
        return lay_out(protocol, read_data(manifests), recipe.label_set, listens, partial)
    parts = [lay_out(protocol, read_manifest(path), recipe.label_set, listens, partial) for path in manifests]
    present = {name for part in parts for name in part.labels.names}
    labels: LabelSet = recipe.label_set.only(name for name in recipe.label_set.names if name in present)
    folds = [replace(part.folds[0], name=f"fold-{number}") for number, part in enumerate(parts, start=1)]
    notes = dict.fromkeys(note for part in parts for note in part.notes)
    return Laid(tuple(folds), labels, tuple(notes), any(part.partial for part in parts))
