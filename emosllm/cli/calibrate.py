"""The command `calibrate`: fit one temperature on validation data."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from emosllm.cli.options import (
    BatchSizeOption,
    DataOption,
    DeviceOption,
    LabelsOption,
    ModelArgument,
    StrategyOption,
    TranscriptsChoice,
    TranscriptsOption,
    chosen_labels,
    chosen_split,
    chosen_strategy,
    with_progress,
)
from emosllm.errors import UserError


def calibrate(
    model: ModelArgument,
    data: DataOption,
    split: Annotated[str | None, typer.Option(help="Split of the manifest: train, val or test.")] = "val",
    out: Annotated[
        Path | None,
        typer.Option(help="Write the temperature to this file; by default calibration.json beside the weights."),
    ] = None,
    transcripts: TranscriptsOption = TranscriptsChoice.own,
    strategy: StrategyOption = None,
    labels: LabelsOption = None,
    batch_size: BatchSizeOption = 8,
    device: DeviceOption = None,
) -> None:
    """Fit one temperature on validation data, so that a system's probabilities are calibrated.

    Example: `emosllm calibrate runs/mine --data manifest.csv --split val`

    The temperature is written to calibration.json beside the weights. All later commands apply it. It changes no label.
    """
    from emosllm.corpora.manifest import read_manifest
    from emosllm.evaluation.temperature import fit_recogniser_temperature
    from emosllm.extras import check_eval_extra
    from emosllm.files import make_folder
    from emosllm.inference.loader import load
    from emosllm.inference.stored_calibration import write_calibration

    check_eval_extra()
    place = _place(model) if out is None else out
    utterances = chosen_split(read_manifest(data), split, data)
    recogniser = load(model, device=device, strategy=chosen_strategy(strategy), answer="score", temperature=1.0)
    recogniser.labels = recogniser.labels.only(chosen_labels(labels, utterances) or recogniser.labels.names)
    make_folder(place.parent)
    found = fit_recogniser_temperature(
        recogniser,
        utterances,
        data=data.name,
        split=split,
        transcripts=transcripts.value,
        batch_size=batch_size,
        with_progress=lambda predictions: with_progress(predictions, len(utterances)),
    )
    write_calibration(found, place)
    print(
        f"temperature {found.temperature:.3f}, fitted on {found.n} clips of {data}" + (f" ({split})" if split else "")
    )
    print(f"NLL {found.nll_before:.3f} -> {found.nll_after:.3f}, ECE {found.ece_before:.3f} -> {found.ece_after:.3f}")
    print(f"{place}: written", file=sys.stderr)


def _place(model: str) -> Path:
    """The path of a system's calibration."""
    from emosllm.inference.loader import checkpoint_folder
    from emosllm.inference.stored_calibration import CALIBRATION
    from emosllm.models.checkpoints.locations import builtins

    folder = checkpoint_folder(model)
    if folder in {str(each) for each in builtins().values()} or not (Path(folder) / "config.json").is_file():
        raise UserError(f"{model} is not a local folder, so it cannot hold a temperature; give --out calibration.json")
    return Path(folder) / CALIBRATION
