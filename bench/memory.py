"""Measure the memory of a training step, and compare it with the estimate of `emosllm info`; one recipe a process.

    python -m bench.memory --layers 4 --phase p2

The step is the Trainer's: mixed precision, AdamW, frames from the cache. The memory of the process before the model was
built (Python, torch) is subtracted.
"""

import json
import os
from pathlib import Path
from typing import Annotated

import torch
import typer

from bench.cases.training import step
from bench.measure import peak_of
from bench.sizes import Setting
from bench.systems import speech_system, text_only
from emosllm.models.training_memory import BatchShape, training_memory
from emosllm.recipe_parts import TrainablePart

_SECONDS = 3.7
_TRAINED_PARTS: dict[str, tuple[TrainablePart, ...]] = {"p1": ("mapper",), "p2": ("mapper", "lora"), "text": ("lora",)}


def main(
    scale: str = "full",
    layers: int = 4,
    batch: int = 8,
    phase: Annotated[
        str, typer.Option(help="Trained parts: p1 (mapper), p2 (mapper and LoRA), or text (LoRA, no audio).")
    ] = "p1",
    threads: int = 2,
) -> None:
    """Measure one size and print it as a line of JSON."""
    torch.set_num_threads(threads)
    setting = Setting(scale, "cpu", threads, layers=layers, batch=batch)
    before = _resident()
    model, processor = text_only(setting, layers) if phase == "text" else speech_system(setting, layers)
    trained_parts = _TRAINED_PARTS[phase]
    pair = step(setting, model, processor, "ser" if phase == "text" else "asr", trained_parts, batch, _SECONDS, {})
    moments = [torch.ones_like(weight) for weight in model.parameters() if weight.requires_grad for _ in range(2)]
    pair.ours()  # reads the prefix, if it is cached
    peak = peak_of(pair.ours, "cpu") - before
    assert moments, "no weight is trained"
    facts = pair.facts
    shape = BatchShape(
        batch,
        facts["prefix_tokens"],
        facts["audio_vectors"] + facts["other_tokens"],
        round(facts["answer_tokens"] / batch),
        0 if phase == "text" else round(50 * _SECONDS),
    )
    estimate = training_memory(model, trained_parts, shape, setting.sizes.dtype.itemsize)
    print(json.dumps({"phase": phase, "layers": layers, "batch": batch, "measured": peak, **estimate}))


def _resident() -> int:
    """The current resident bytes of this process."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


if __name__ == "__main__":
    typer.run(main)
