"""The command `export`: save a trained system with the weights of its backbones."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from emosllm.cli.options import (
    ModelArgument,
)


def export(
    model: ModelArgument,
    out: Annotated[Path, typer.Option(help="Write the new checkpoint into this folder.")],
    self_contained: Annotated[bool, typer.Option(help="Include the backbones' weights.")] = True,
) -> None:
    """Save a trained system with its backbones as one self-contained folder.

    Example: `emosllm export runs/mine --out mine-whole`
    """
    from emosllm.files import atomic_folder
    from emosllm.inference.loader import load_parts, stored_calibration
    from emosllm.inference.stored_calibration import CALIBRATION, write_calibration

    system, processor = load_parts(model)
    calibrated = stored_calibration(model)
    with atomic_folder(out, marker="config.json") as folder:
        system.save_pretrained(folder, self_contained=self_contained)
        processor.save_pretrained(folder)
        if calibrated is not None:
            write_calibration(calibrated, folder / CALIBRATION)
    print(f"{out}: try it: emosllm predict {out} RECORDING", file=sys.stderr)
