"""The command `samples`: eight recordings of real speech to try a system on."""

import sys
from pathlib import Path
from typing import Annotated

import typer

FromOption = Annotated[
    Path | None,
    typer.Option(
        "--from",
        metavar="FOLDER",
        help="Copy the recordings from this folder of EMO-DB (wav/12a05Wb.wav, or .flac).",
    ),
]


def samples(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Folder for the recordings.")] = Path("samples"),
    source: FromOption = None,
) -> None:
    """Download eight recordings (EMO-DB, CC0).

    Example: `emosllm samples` and then `emosllm predict nano samples`

    They have two speakers and four emotions. No builtin system was trained on these speakers. The command writes WAV
    files, manifest.csv and the licence. It downloads by audb (`pip install 'emosllm[corpora]'`), or copies with --from.
    """
    from emosllm.corpora.samples import write_samples

    for utterance in write_samples(folder, source):
        print(f"{utterance.audio!s}  {utterance.emotion:8} {utterance.speaker}  {utterance.transcript}")
    print(f"{folder}: eight recordings of EMO-DB (CC0 1.0), with manifest.csv", file=sys.stderr)
