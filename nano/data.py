"""Speech for the pre-training of nano's encoder: the manifest's rows, log-mel features, augmented views, batches.

Views are computed once and kept in memory as float16 (about 45 MB for 89 minutes), because augmenting anew in
each epoch would cost as much as training. Gives up: with few views the same noise returns every few epochs;
`nano.vary`, drawn anew for each batch, makes up for some of it.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import parselmouth
import soundfile as sf
import torch

from emosllm.augment import RATE, Augment, colour, level_db, warp
from emosllm.log_mel import log_mel, relative

LETTERS = "ASHUFDN"  # anger, sadness, happiness, surprise, fear, disgust, neutral (calm counts as neutral)
MELS = 80
RANGE_DB = 26.0  # dB below the peak that features keep; docs/log.md compares 26 with 35
FRAME = 640  # samples between prosody targets: 40 ms
MAX_SECONDS = 12.0  # longer recordings (a few read sentences) would set the size of every batch


@dataclass
class Clip:
    """One recording with what is known about it; `emotion` and `corpus` are indices, -1 where unknown."""

    samples: np.ndarray  # float32 [T]
    emotion: int
    corpus: str
    speaker: str
    text: str
    views: list[tuple[np.ndarray, np.ndarray]] = field(default_factory=list)  # features [N, M], targets [N/4, 3]


def read_clips(manifest: Path, split: str) -> list[Clip]:
    """Reads one split of a manifest with columns path, speaker, transcript, corpus, split, msp, duration."""
    clips = []
    with manifest.open(encoding="utf-8", newline="") as lines:
        for row in csv.DictReader(lines):
            if row["split"] != split or float(row["duration"]) > MAX_SECONDS:
                continue
            samples, rate = sf.read(manifest.parent / row["path"], dtype="float32")
            if rate != RATE or samples.ndim != 1:
                raise ValueError(f"{row['path']}: {rate} Hz, {samples.ndim} axes; the manifest must hold 16 kHz mono")
            emotion = LETTERS.find(row["msp"]) if row["msp"] else -1
            clips.append(Clip(samples, emotion, row["corpus"], row["speaker"], fold_text(row["transcript"])))
    return clips


def fold_text(text: str) -> str:
    """Lower-case letters and single spaces only; letters of every alphabet stay."""
    return " ".join("".join(c if c.isalpha() or c == "'" else " " for c in text.lower()).split())


def prosody(samples: np.ndarray) -> np.ndarray:
    """What every frame should still know: `[N, 3]`, voiced (0 or 1), octaves above 200 Hz, level.

    F0 by Praat's autocorrelation (60-600 Hz); the level is in units of 20 dB relative to the loudest frame, so
    that it follows the dynamics and not the microphone.
    """
    count = max(1, len(samples) // FRAME)
    level = level_db(np.resize(samples, count * FRAME).reshape(count, FRAME))
    pitch = np.zeros(count)
    if len(samples) > RATE // 8:
        track = parselmouth.Sound(samples.astype(np.float64), RATE).to_pitch(FRAME / RATE, 60.0, 600.0)
        at = np.clip(((np.arange(count) + 0.5) * FRAME / RATE - track.x1) / track.dx, 0, track.n_frames - 1)
        pitch = track.selected_array["frequency"][np.round(at).astype(int)]
    voiced = pitch > 0
    octaves = np.where(voiced, np.log2(np.maximum(pitch, 60.0) / 200.0), 0.0)
    return np.stack([voiced, octaves, np.maximum(level - level.max(), -60.0) / 20], 1).astype(np.float32)


def features_of(samples: np.ndarray) -> np.ndarray:
    """What the saved feature extractor gives for `[T]` samples: `[N, M]`, 0 to 3."""
    return relative(log_mel(samples, MELS, RATE), RANGE_DB)


def add_view(clips: list[Clip], rng: np.random.Generator, settings: Augment | None) -> None:
    """Appends one more view (features and frame targets) to each clip: augmented, or as it is."""
    others = [clip.samples for clip in clips]
    for clip in clips:
        samples = clip.samples if settings is None else warp(clip.samples, rng, settings)
        targets = prosody(samples)
        if settings is not None:
            samples = colour(samples, rng, settings, others)
        clip.views.append((features_of(samples).astype(np.float16), targets.astype(np.float16)))


@dataclass
class Batch:
    """Padded features and everything that is asked of them."""

    features: torch.Tensor  # [B, N, M]
    mask: torch.Tensor  # [B, N], 1 where there is sound
    prosody: torch.Tensor  # [B, N/4, 3], NaN beyond the end
    emotion: torch.Tensor  # [B], -1 unknown
    speaker: torch.Tensor  # [B]
    texts: list[str]


def collate(items: list[tuple[np.ndarray, np.ndarray, Clip]], speakers: list[str]) -> Batch:
    """Pads (features, targets, clip) triples; speakers are numbered by their place in `speakers`."""
    longest = max(len(features) for features, _, _ in items)
    out = torch.zeros(len(items), longest, MELS)
    mask = torch.zeros(len(items), longest, dtype=torch.long)
    targets = torch.full((len(items), (longest + 3) // 4 + 1, 3), float("nan"))
    for i, (features, frames, _) in enumerate(items):
        out[i, : len(features)], mask[i, : len(features)] = torch.from_numpy(features).float(), 1
        targets[i, : len(frames)] = torch.from_numpy(frames).float()
    clips = [clip for _, _, clip in items]
    emotion = torch.tensor([clip.emotion for clip in clips])
    speaker = torch.tensor([speakers.index(clip.speaker) if clip.speaker in speakers else -1 for clip in clips])
    return Batch(out, mask, targets, emotion, speaker, [clip.text for clip in clips])


def balanced_indices(clips: list[Clip], rng: np.random.Generator, power: float = 0.5) -> np.ndarray:
    """One epoch's draw `[C]`: each (corpus, emotion) group weighs its size ** power, so small ones are heard more."""
    keys = [(clip.corpus, clip.emotion) for clip in clips]
    sizes = {key: keys.count(key) for key in set(keys)}
    weights = np.array([sizes[key] ** (power - 1) for key in keys])
    return rng.choice(len(clips), len(clips), p=weights / weights.sum())


def batches(
    clips: list[Clip], indices: np.ndarray, rng: np.random.Generator, size: int, speakers: list[str]
) -> Iterator[Batch]:
    """Yields batches of about equal length in random order, a random view of each clip."""
    views = [clips[i].views[rng.integers(len(clips[i].views))] for i in indices]
    order = np.argsort([len(features) * rng.uniform(0.9, 1.1) for features, _ in views])
    groups = [order[start : start + size] for start in range(0, len(order), size)]
    for group in rng.permutation(len(groups)):
        items = [(*views[k], clips[indices[k]]) for k in groups[group]]
        yield collate(items, speakers)
