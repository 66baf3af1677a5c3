"""The option `--protocol` of `evaluate`: evaluate a system as in a published protocol."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console

from emosllm.cli.experiment_results import print_results
from emosllm.errors import UserError


def evaluate_protocol(
    name: str,
    system: str,
    manifests: Sequence[Path],
    overrides: Sequence[str],
    refused: dict[str, object],
    asking: dict[str, Any],
    **settings: Any,
) -> None:
    """Run `emosllm evaluate --protocol`.

    Args:
        name: of the protocol.
        system: recipe, run, checkpoint or builtin model.
        manifests: the data.
        overrides: to a recipe.
        refused: options that a protocol decides itself, by name; given ones are an error.
        asking: of `emosllm.experiments.scoring_options.Asking`.
        settings: of `emosllm.experiments.protocols.evaluation.ProtocolSettings`.
    """
    from emosllm.experiments.protocols.evaluation import ProtocolSettings, evaluate_protocol
    from emosllm.experiments.scoring_options import Asking
    from emosllm.reporting.screen import print_report
    from emosllm.training.phase_trainer import these_processes

    for option, value in refused.items():
        if value is not None:
            raise UserError(f"--{option} and --protocol can't be used together: a protocol says what is tested and how")
    how = ProtocolSettings(asking=Asking(**asking), **settings)
    results, report = evaluate_protocol(name, system, manifests, overrides, how)
    if not these_processes().is_main_process:
        return
    print_report(report, Console())
    if settings["out"] is not None:
        print_results(results, settings["out"], notes=False)  # the report contains the notes


def only_with_protocol(**given: object) -> None:
    """Refuse options that have no effect without `--protocol`.

    Args:
        given: option -> its value, false if it was left out.
    """
    for option, value in given.items():
        if value:
            raise UserError(f"--{option.replace('_', '-')} is for --protocol: leave it out, or name a protocol")
