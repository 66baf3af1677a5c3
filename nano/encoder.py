"""Build nano's encoder: the first layers of Whisper base, stored in int8.

The middle layers of Whisper give the best emotion recognition and the last layer the worst (docs/log.md), so only the
first 5 layers are kept. Limitation: the later layers, which represent the words, are lost.

    python -m nano.encoder --models FOLDER --out FOLDER

Source: Radford et al. 2022, "Robust Speech Recognition via Large-Scale Weak Supervision"; weights MIT.
"""

import json
from pathlib import Path
from typing import Annotated

import typer
from transformers import AutoFeatureExtractor

from emosllm.files import atomic_folder
from emosllm.models.backbones import load_encoder
from emosllm.models.checkpoints.int8_weights import save_int8

LAYERS = 5
WHISPER = "whisper-base"
LICENCE = """The weights in this folder are the first layers of the encoder of OpenAI's Whisper base, stored in int8.

MIT License

Copyright (c) 2022 OpenAI

Permission is hereby granted, free of charge, to any person obtaining a copy of this software and associated
documentation files (the "Software"), to deal in the Software without restriction, including without limitation the
rights to use, copy, modify, merge, publish, distribute, sublicense, and/or sell copies of the Software, and to permit
persons to whom the Software is furnished to do so, subject to the following conditions:

The above copyright notice and this permission notice shall be included in all copies or substantial portions of the
Software.

THE SOFTWARE IS PROVIDED "AS IS", WITHOUT WARRANTY OF ANY KIND, EXPRESS OR IMPLIED, INCLUDING BUT NOT LIMITED TO THE
WARRANTIES OF MERCHANTABILITY, FITNESS FOR A PARTICULAR PURPOSE AND NONINFRINGEMENT. IN NO EVENT SHALL THE AUTHORS OR
COPYRIGHT HOLDERS BE LIABLE FOR ANY CLAIM, DAMAGES OR OTHER LIABILITY, WHETHER IN AN ACTION OF CONTRACT, TORT OR
OTHERWISE, ARISING FROM, OUT OF OR IN CONNECTION WITH THE SOFTWARE OR THE USE OR OTHER DEALINGS IN THE SOFTWARE.
"""


def main(
    models: Annotated[Path, typer.Option(help="Folder of models that holds whisper-base.")],
    out: Annotated[Path, typer.Option(help="Folder for the encoder.")],
    layers: Annotated[int, typer.Option(help="Layers to keep.")] = LAYERS,
) -> None:
    """Store the first layers of Whisper's encoder."""
    source = str(models / WHISPER)
    encoder = load_encoder(source)
    del encoder.layers[layers:]
    encoder.config.encoder_layers = encoder.config.num_hidden_layers = layers
    encoder.config.architectures = [type(encoder).__name__]
    with atomic_folder(out, marker="config.json") as folder:
        save_int8(encoder, folder)
        AutoFeatureExtractor.from_pretrained(source, trust_remote_code=False).save_pretrained(folder)
        (folder / "LICENSE").write_text(LICENCE, encoding="utf-8")
        notes = {"source": "openai/whisper-base", "layers": layers, "stored": "int8, one scale an output channel"}
        (folder / "pretraining.json").write_text(json.dumps(notes, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    typer.run(main)
