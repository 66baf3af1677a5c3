"""Pre-trains nano's speech encoder (a small FastConformer) on emotion, letters and prosody, then saves it alone.

    python -m nano.pretrain_encoder --data manifest.csv --out encoder

Only `train` rows teach; `val` rows are scored. The folder opens with `AutoModel` and `AutoFeatureExtractor`.
Gives up: self-supervision, which was not tried on 90 minutes of speech.
"""

from __future__ import annotations

import argparse
import copy
import json
import math
import shutil
import tempfile
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from emosllm.augment import RATE, Augment
from emosllm.log_mel import LogMelFeatureExtractor
from nano.data import MELS, RANGE_DB, Batch, Clip, add_view, balanced_indices, batches, read_clips
from nano.encoder import SUBSAMPLING, Settings, build_encoder, padding_error
from nano.heads import Heads
from nano.validation import perturbed_features, score
from nano.vary import mask_features, vary_features


def schedule(step: int, steps: int) -> float:
    """Share of the peak learning rate at `step`: linear warm-up, cosine to 2 %."""
    return min(1.0, (step + 1) / (0.06 * steps)) * (0.02 + 0.49 * (1 + math.cos(math.pi * step / steps)))


def average(mean: nn.Module, model: nn.Module, decay: float) -> None:
    """Moves the running mean of the weights (and of batch statistics) towards `model`."""
    with torch.no_grad():
        for old, new in zip(mean.state_dict().values(), model.state_dict().values(), strict=True):
            if old.dtype.is_floating_point:
                old.lerp_(new, 1 - decay)
            else:
                old.copy_(new)


def optimiser(model: nn.Module, settings: Settings) -> torch.optim.Optimizer:
    """AdamW; biases and norms are not decayed."""
    groups = [[p for p in model.parameters() if (p.ndim > 1) == matrix] for matrix in (True, False)]
    return torch.optim.AdamW(
        [{"params": groups[0], "weight_decay": settings.weight_decay}, {"params": groups[1], "weight_decay": 0.0}],
        lr=settings.rate,
        betas=(0.9, 0.98),
        fused=True,
    )


def step_loss(
    encoder: nn.Module, heads: Heads, batch: Batch, settings: Settings, progress: float
) -> tuple[torch.Tensor, dict[str, float]]:
    """Weighted sum of the losses of a batch, and each of them; the speaker's weight grows over the first 30 %."""
    features = vary_features(batch.features, settings.warp, settings.spread)
    features = mask_features(features, batch.mask, settings.masks_time, settings.masks_mel)
    frames = encoder(features, attention_mask=batch.mask)
    losses = heads.losses(frames.last_hidden_state, frames.attention_mask, batch, settings.smoothing)
    weights = {**settings.weights, "speaker": settings.weights["speaker"] * min(1.0, progress / 0.3)}
    total = torch.stack([weights[name] * loss for name, loss in losses.items()]).sum()
    return total, {name: loss.item() for name, loss in losses.items()}


def train(clips: list[Clip], settings: Settings, after_epoch: Callable[[int, nn.Module, Heads], None]) -> None:
    """Trains on the clips' views and hands the averaged encoder and heads to `after_epoch` each time."""
    rng = np.random.default_rng(settings.seed)
    torch.manual_seed(settings.seed)
    speakers = sorted({clip.speaker for clip in clips})
    letters = "".join(sorted(set("".join(clip.text for clip in clips))))
    encoder = build_encoder(settings)
    heads = Heads(settings.hidden_size, letters, len(speakers), 0.3, SUBSAMPLING // 4)
    model = nn.ModuleList([encoder, heads])
    mean, optimizer = copy.deepcopy(model), optimiser(model, settings)
    steps, step = settings.epochs * math.ceil(len(clips) / settings.batch), 0
    for epoch in range(1, settings.epochs + 1):
        began, seen = time.monotonic(), []
        model.train()
        for batch in batches(clips, balanced_indices(clips, rng, settings.balance), rng, settings.batch, speakers):
            for group in optimizer.param_groups:
                group["lr"] = settings.rate * schedule(step, steps)
            loss, parts = step_loss(encoder, heads, batch, settings, step / steps)
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            step += 1
            average(mean, model, min(settings.averaging, step / (step + 10)))
            seen.append(parts)
        shown = "  ".join(f"{name} {np.mean([parts[name] for parts in seen]):.3f}" for name in settings.weights)
        print(f"epoch {epoch}/{settings.epochs}  {shown}  {time.monotonic() - began:.0f} s", flush=True)
        after_epoch(epoch, mean[0], mean[1])  # type: ignore[arg-type]


def save(folder: Path, encoder: nn.Module, report: dict[str, Any]) -> None:
    """Writes the encoder, its feature extractor and the report to `folder`, which appears whole or not at all."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".encoder-") as work:
        whole = Path(work) / "whole"
        encoder.save_pretrained(whole)  # type: ignore[operator]
        LogMelFeatureExtractor(MELS, RATE, range_db=RANGE_DB).save_pretrained(whole)
        (whole / "pretraining.json").write_text(json.dumps(report, indent=2, ensure_ascii=False) + "\n", "utf-8")
        if folder.exists():
            shutil.move(folder, Path(work) / "old")
        shutil.move(whole, folder)


def run(manifest: Path, out: Path, settings: Settings) -> None:
    """Reads, augments, trains, scores on val and saves; every few epochs, so that a run cut short leaves its best."""
    began = time.monotonic()
    clips = [clip for clip in read_clips(manifest, "train") if clip.corpus != settings.hold_out]
    for view in range(settings.views + 1):
        add_view(clips, np.random.default_rng([settings.seed, view]), Augment() if view else None)
    val = [clip for clip in read_clips(manifest, "val") if clip.emotion >= 0]
    heard = perturbed_features(val)
    print(f"{len(clips)} clips, {settings.views + 1} views each  {time.monotonic() - began:.0f} s", flush=True)

    def report(epoch: int, encoder: nn.Module, heads: Heads) -> None:
        if epoch % settings.save_every and epoch != settings.epochs:
            return
        scores = score(encoder, heads, val, heard if epoch == settings.epochs else {"clean": heard["clean"]})
        print("  ".join(f"{corpus} UA {row['UA']:.3f}" for corpus, row in scores["clean"].items()), flush=True)
        facts = {
            "settings": settings.model_dump(),
            "epochs done": epoch,
            "augmentation": Augment().model_dump(),
            "parameters": sum(p.numel() for p in encoder.parameters()),
            "val": scores,
            "seconds": round(time.monotonic() - began),
            "versions": {name: version(name) for name in ("torch", "transformers", "numpy", "praat-parselmouth")},
        }
        save(out, encoder, facts)

    train(clips, settings, report)
    error = padding_error(out, val[::40])
    if error > 1e-3:
        raise RuntimeError(f"{out}: frames of a padded batch differ by {error:.1e} from those of single clips")


def main() -> None:
    """Command line; every setting that is not a flag stands in `Settings`."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="manifest.csv")
    parser.add_argument("--out", type=Path, required=True, help="folder to write")
    parser.add_argument("--epochs", type=int, default=Settings().epochs)
    parser.add_argument("--seed", type=int, default=Settings().seed)
    parser.add_argument("--hold-out", default="", help="corpus not to train on")
    parser.add_argument("--threads", type=int, default=1, help="CPU threads")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    settings = Settings(epochs=args.epochs, seed=args.seed, hold_out=args.hold_out)
    run(args.data, args.out, settings)


if __name__ == "__main__":
    main()
