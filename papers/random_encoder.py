"""Create an encoder of nano's shape with random weights, the baseline of nano's encoder in the study of encoders.

`python -m papers.random_encoder random-encoder`. There is no second trained encoder of that size to compare with.
"""

import shutil
from pathlib import Path
from typing import Annotated

import torch
import typer
from transformers import AutoConfig

from emosllm.files import atomic_folder
from emosllm.models.backbones import new_encoder
from emosllm.models.checkpoints.locations import locate

_EXTRACTOR = "preprocessor_config.json"


def main(out: Annotated[Path, typer.Argument(help="Write the encoder into this folder.")], seed: int = 0) -> None:
    """Write the encoder with what transformers draws for it."""
    trained = Path(locate("builtin:nano-encoder"))
    torch.manual_seed(seed)
    with atomic_folder(out, marker="config.json") as folder:
        new_encoder(AutoConfig.from_pretrained(trained, trust_remote_code=False)).save_pretrained(folder)
        shutil.copy(trained / _EXTRACTOR, folder / _EXTRACTOR)


if __name__ == "__main__":
    typer.run(main)
