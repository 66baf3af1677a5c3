"""A system under a protocol: trained anew for each fold, or scored as it is; leaks are refused before anything runs."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory

from rich.console import Console

from emosllm.errors import UserError
from emosllm.evaluation.report import Report
from emosllm.experiments.data.transform import Reshaping, Transcripts
from emosllm.experiments.experiment import Experiment
from emosllm.experiments.grid import Variant
from emosllm.experiments.plan import Outcome, Plan
from emosllm.experiments.protocols.catalogue import find_protocol
from emosllm.experiments.protocols.protocol import Protocol, ProtocolData, apply_protocol_to_manifests
from emosllm.experiments.results import Results, collect_results
from emosllm.experiments.results_files import write_results
from emosllm.experiments.scoring_options import Asking
from emosllm.inference.loader import checkpoint_folder
from emosllm.models.checkpoints.checkpoint import fetch_checkpoint, read_config
from emosllm.recipe import Recipe, load_recipe, names, parse
from emosllm.recipe_parts import Answer, Strategy
from emosllm.training.phase_trainer import these_processes

_AS_IT_IS = (
    "The system was not trained under this protocol: whether it learned from clips or speakers tested here, nobody "
    "can tell from here."
)


@dataclass(frozen=True)
class ProtocolSettings:
    """How a protocol is carried out.

    Attributes:
        out: folder of the experiment; `None` keeps nothing, which only systems that are not trained can do.
        resume: take up what was stopped.
        partial: go on where counts are wrong, and say so.
        test_only: do not train a recipe that could be trained, but score it as published.
        seeds: trainings, each with another seed.
        strategy: how the system is asked; the recipe's where `None`.
        answer: whether labels are scored or looked for in a free answer; the recipe's where `None`.
        transcripts: what the system is told in the test.
        asking: temperature, abstention, spoilt recordings.
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
    answer: Answer | None = None
    transcripts: Transcripts = "own"
    asking: Asking = field(default_factory=Asking)
    cache: Path | None = None
    keep_models: bool = True
    batch_size: int = 8
    device: str | None = None


def evaluate_protocol(
    name: str,
    system: str,
    manifests: Sequence[Path],
    overrides: Sequence[str] = (),
    settings: ProtocolSettings | None = None,
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
    settings = settings or ProtocolSettings()
    protocol = find_protocol(name)
    recipe, trained = _system(protocol, system, overrides, settings)
    if trained and settings.seeds > 1:
        raise UserError(f"--seeds {settings.seeds}: {system} is scored as it is, so no seed changes it; leave it out")
    how = (recipe.label_set, recipe.encoder is not None, settings.partial, trained)
    laid = apply_protocol_to_manifests(protocol, manifests, *how)
    told = Reshaping(transcripts=settings.transcripts)
    variant = Variant(recipe.name if not trained else system, {}, recipe, laid.labels, None, (), told, settings.asking)
    if trained:
        recipe.label_set.only(laid.labels.names)  # classes that it cannot answer with should be known now
        variant = replace(variant, system=system, overrides=tuple(overrides))
        laid = replace(laid, folds=tuple(replace(fold, train=()) for fold in laid.folds))
    plan = _plan(protocol, laid, variant, settings, trained)
    settings.asking.check(recipe, settings.transcripts, plan.folds)
    if settings.out is not None:
        return _carry_out(plan, protocol, settings, settings.out, console)
    if not trained:
        raise UserError(f"protocol {name} trains {system} {len(laid.folds)} times: give --out DIR for the runs")
    if these_processes().num_processes > 1:
        raise UserError("several processes need one folder for what they leave: give --out DIR")
    with TemporaryDirectory(prefix="emosllm-") as folder:
        return _carry_out(plan, protocol, settings, Path(folder), console)


def _plan(protocol: Protocol, laid: ProtocolData, variant: Variant, settings: ProtocolSettings, trained: bool) -> Plan:
    """What is computed; leaks are refused here."""
    if trained and not settings.asking.calibrates:  # validation parts are for nothing then
        laid = replace(laid, folds=tuple(replace(fold, val=()) for fold in laid.folds))
    remarks = protocol.check(laid.folds)
    partial = " (PARTIAL)" if laid.partial else ""
    return Plan(
        title=protocol.title + partial,
        variants=[variant],
        folds=laid.folds,
        seeds=settings.seeds,
        chooses="val" if protocol.chooses and not trained and all(fold.val for fold in laid.folds) else "never",
        shared_speakers=protocol.shares,
        notes=(*laid.notes, *remarks, *([_AS_IT_IS] if trained else [])),
        data=protocol.name + partial,
    )


def _carry_out(
    plan: Plan, protocol: Protocol, settings: ProtocolSettings, out: Path, console: Console | None
) -> tuple[Results, Report]:
    experiment = Experiment(
        plan, out, settings.cache, settings.keep_models, settings.batch_size, settings.device, console
    )
    outcomes: list[Outcome] = [outcome for group in experiment.run(settings.resume) for outcome in group]
    results = collect_results(plan, outcomes, protocol.headline, {}, out)
    if experiment.writes:
        write_results(results, out)
    first = outcomes[0]
    if first.pooled is None:
        failed = ", ".join(f"{fold}: {why}" for fold, why in first.failed.items())
        raise UserError(f"{out}: no figure over all folds, since some failed ({failed}); --resume tries these again")
    return results, first.pooled


def _system(
    protocol: Protocol, system: str, overrides: Sequence[str], settings: ProtocolSettings
) -> tuple[Recipe, bool]:
    """The recipe of what is measured, and whether it is taken as it is, without training."""
    labels = [] if protocol.labels is None else [f"labels={protocol.labels}"]
    wishes = {"strategy": settings.strategy, "answer": settings.answer}
    wishes = {key: value for key, value in wishes.items() if value is not None}
    asked = [f"inference.{key}={value}" for key, value in wishes.items()]
    if system in names() or system.endswith((".yaml", ".yml")):
        recipe = load_recipe(system, [*overrides, *asked])
        if recipe.phases and not settings.test_only:
            # A head's classes are its shape, a prompt's are its words: the protocol's are what is trained.
            return load_recipe(system, [*overrides, *asked, *labels]), False
        if recipe.unpublished:
            raise UserError(f"recipe {system}: its {' and '.join(recipe.unpublished)} must be trained first")
        return recipe, True
    if overrides:
        raise UserError(f"{system} is trained, so {overrides[0]!r} cannot change it; overrides are for recipes")
    recipe = parse(read_config(fetch_checkpoint(checkpoint_folder(system))).recipe, system)
    return recipe.model_copy(update={"inference": recipe.inference.model_copy(update=wishes)}), True
