"""The option `--protocol` of `evaluate`: evaluate a system as in a published protocol."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from emosllm.cli.experiment_results import print_results
from emosllm.errors import UserError

if TYPE_CHECKING:
    from emosllm.experiments.protocols.evaluation import ProtocolSettings


def evaluate_protocol(
    name: str, system: str, manifests: Sequence[Path], overrides: Sequence[str], settings: "ProtocolSettings"
) -> None:
    """Run `emosllm evaluate --protocol`.

    Args:
        name: of the protocol.
        system: recipe, run, checkpoint or builtin model.
        manifests: the data.
        overrides: to a recipe.
        settings: options of the evaluation.
    """
    from emosllm.experiments.protocols.evaluation import evaluate_protocol
    from emosllm.reporting.formats.terminal import print_report
    from emosllm.training.phase_trainer import process_state

    results, report = evaluate_protocol(name, system, manifests, overrides, settings)
    if not process_state().is_main_process:
        return
    print_report(report, Console())
    if settings.out is not None:
        print_results(results, settings.out, notes=False)  # the report contains the notes


def refuse_with_protocol(**given: object) -> None:
    """Refuse options whose value a protocol decides itself.

    Args:
        given: option -> its value, `None` if it was left out.
    """
    for option, value in given.items():
        if value is not None:
            raise UserError(f"--{option} and --protocol cannot be used together: a protocol decides what is tested")


def refuse_without_protocol(**given: object) -> None:
    """Refuse options that have no effect without `--protocol`.

    Args:
        given: option -> its value, false if it was left out.
    """
    for option, value in given.items():
        if value:
            raise UserError(f"--{option.replace('_', '-')} is for --protocol: leave it out, or name a protocol")
