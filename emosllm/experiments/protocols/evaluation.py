"""Evaluate a system under a protocol: train it for each fold, or score a trained one. Refuse folds with leakage."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory

from rich.console import Console

from emosllm.errors import UserError
from emosllm.evaluation.report import Report
from emosllm.experiments.data.data_transform import DataTransform, Transcripts
from emosllm.experiments.experiment import Experiment
from emosllm.experiments.grid import Variant
from emosllm.experiments.plan import Outcome, Plan
from emosllm.experiments.protocols.catalogue import find_protocol
from emosllm.experiments.protocols.protocol import Protocol, ProtocolData, apply_protocol_to_manifests
from emosllm.experiments.results import Results, collect_results
from emosllm.experiments.results_files import write_results
from emosllm.experiments.scoring_options import ScoringOptions
from emosllm.inference.loader import checkpoint_folder
from emosllm.models.checkpoints.checkpoint import fetch_checkpoint, read_config
from emosllm.recipe import Recipe, load_recipe, parse, recipe_names
from emosllm.recipe_parts import Answer, Strategy
from emosllm.training.phase_trainer import process_state

_AS_IT_IS = (
    "The system was not trained under this protocol: its training data may contain clips or speakers that are tested "
    "here."
)


@dataclass(frozen=True)
class ProtocolSettings:
    """Options of an evaluation under a protocol.

    Attributes:
        out: folder of the experiment; `None` stores nothing, which is possible only without training.
        resume: continue an interrupted evaluation.
        partial: continue although numbers of clips are wrong, with a warning in the notes.
        test_only: score a recipe as published instead of training it.
        seeds: number of trainings of each fold, which differ by their seed.
        strategy: the inference strategy; the recipe's if `None`.
        answer: whether labels are scored or searched in a free answer; the recipe's if `None`.
        transcripts: the transcripts that the system gets in the test.
        scoring: temperature, abstention, degraded recordings.
        cache: folder of the encoders' frames.
        keep_models: keep the trained weights.
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
    scoring: ScoringOptions = field(default_factory=ScoringOptions)
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
    """Evaluate a system under a protocol.

    Args:
        name: name of the protocol.
        system: a recipe, which is trained for each fold; or a trained or published system, which is only scored.
        manifests: the data; for EmoBox, one manifest for each fold.
        overrides: changes to the recipe.
        settings: options of the evaluation.
        console: shows the progress.

    Returns:
        Figures by fold, and the report over all clips with the first seed.

    Raises:
        UserError: no such protocol or system, wrong numbers of clips, leakage, or a folder in use.
    """
    settings = settings or ProtocolSettings()
    protocol = find_protocol(name)
    recipe, trained = _system(protocol, system, overrides, settings)
    if trained and settings.seeds > 1:
        raise UserError(
            f"--seeds {settings.seeds}: {system} is not trained here, so seeds have no effect: leave it out"
        )
    options = (recipe.label_set, recipe.encoder is not None, settings.partial, trained)
    divided = apply_protocol_to_manifests(protocol, manifests, *options)
    transform = DataTransform(transcripts=settings.transcripts)
    variant = Variant(
        recipe.name if not trained else system, {}, recipe, divided.labels, None, (), transform, settings.scoring
    )
    if trained:
        recipe.label_set.only(divided.labels.names)  # raises an error here if the system lacks one of the classes
        variant = replace(variant, system=system, overrides=tuple(overrides))
        divided = replace(divided, folds=tuple(replace(fold, train=()) for fold in divided.folds))
    plan = _plan(protocol, divided, variant, settings, trained)
    settings.scoring.check(recipe, settings.transcripts, plan.folds)
    if settings.out is not None:
        return _run_plan(plan, protocol, settings, settings.out, console)
    if not trained:
        raise UserError(f"protocol {name} trains {system} {len(divided.folds)} times: give --out DIR for the runs")
    if process_state().num_processes > 1:
        raise UserError("several processes need one folder for their results: give --out DIR")
    with TemporaryDirectory(prefix="emosllm-") as folder:
        return _run_plan(plan, protocol, settings, Path(folder), console)


def _plan(
    protocol: Protocol, divided: ProtocolData, variant: Variant, settings: ProtocolSettings, trained: bool
) -> Plan:
    """The plan of the experiment, after the check for leakage."""
    if trained and not settings.scoring.calibrates:  # validation parts have no use then
        divided = replace(divided, folds=tuple(replace(fold, val=()) for fold in divided.folds))
    remarks = protocol.check(divided.folds)
    partial = " (PARTIAL)" if divided.partial else ""
    return Plan(
        title=protocol.title + partial,
        variants=[variant],
        folds=divided.folds,
        seeds=settings.seeds,
        chooses="val" if protocol.chooses and not trained and all(fold.val for fold in divided.folds) else "never",
        shared_speakers=protocol.shares,
        notes=(*divided.notes, *remarks, *([_AS_IT_IS] if trained else [])),
        data=protocol.name + partial,
    )


def _run_plan(
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
        raise UserError(f"{out}: no figure over all folds, since some failed ({failed}): repeat these with --resume")
    return results, first.pooled


def _system(
    protocol: Protocol, system: str, overrides: Sequence[str], settings: ProtocolSettings
) -> tuple[Recipe, bool]:
    """The recipe of the system, and whether it is scored without training."""
    labels = [] if protocol.labels is None else [f"labels={protocol.labels}"]
    chosen = {"strategy": settings.strategy, "answer": settings.answer}
    chosen = {key: value for key, value in chosen.items() if value is not None}
    inference = [f"inference.{key}={value}" for key, value in chosen.items()]
    if system in recipe_names() or system.endswith((".yaml", ".yml")):
        recipe = load_recipe(system, [*overrides, *inference])
        if recipe.phases and not settings.test_only:
            # The classes define a head's shape and a prompt's words, so the training uses the protocol's classes.
            return load_recipe(system, [*overrides, *inference, *labels]), False
        if recipe.unpublished:
            raise UserError(f"recipe {system}: its {' and '.join(recipe.unpublished)} must be trained first")
        return recipe, True
    if overrides:
        raise UserError(f"{system} is trained, so {overrides[0]!r} cannot change it: overrides are for recipes")
    recipe = parse(read_config(fetch_checkpoint(checkpoint_folder(system))).recipe, system)
    return recipe.model_copy(update={"inference": recipe.inference.model_copy(update=chosen)}), True
