"""Load the manifest's recordings and classes for nano's baseline."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile as sf

from emosllm.audio import SAMPLE_RATE

LETTERS = "ASHUFDN"  # anger, sadness, happiness, surprise, fear, disgust, neutral (calm counts as neutral)
MAX_SECONDS = 12.0  # longer recordings are a few read sentences without an emotion


@dataclass
class Clip:
    """One recording with its labels; `emotion` is the index of its letter in `LETTERS`, or -1 without a label."""

    samples: np.ndarray  # float32 [T]
    emotion: int
    corpus: str


def read_clips(manifest: Path, split: str) -> list[Clip]:
    """Read one split of a manifest with columns path, corpus, split, msp, duration."""
    clips = []
    with manifest.open(encoding="utf-8", newline="") as lines:
        for row in csv.DictReader(lines):
            if row["split"] != split or float(row["duration"]) > MAX_SECONDS:
                continue
            samples, rate = sf.read(manifest.parent / row["path"], dtype="float32")
            if rate != SAMPLE_RATE or samples.ndim != 1:
                raise ValueError(f"{row['path']}: {rate} Hz, {samples.ndim} axes; the manifest must hold 16 kHz mono")
            emotion = LETTERS.find(row["msp"]) if row["msp"] else -1
            clips.append(Clip(samples, emotion, row["corpus"]))
    return clips
