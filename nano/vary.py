"""Cheap variety, drawn anew for each batch: other vocal tracts, other microphones, blanked spans.

Works on features where `emosllm.augment` works on sound, so that a few stored views do not wear out.
Gives up: a warped mel axis moves F0 along with the formants, by up to a semitone and a half.
"""

from __future__ import annotations

import math

import torch


def vary_features(features: torch.Tensor, warp: float, spread: float) -> torch.Tensor:
    """Stretches the mel axis of each clip and lays a smooth random filter over it.

    Args:
        features: `[B, N, M]`, 0 where nothing is heard, which stays 0.
        warp: largest stretch as a share (Jaitly & Hinton 2013, vocal tract length perturbation).
        spread: deviation of each of the filter's four cosine terms, in units of the features.

    Returns:
        `[B, N, M]`.
    """
    size, steps, mels = features.shape
    at = (torch.arange(mels) * (1 + (torch.rand(size, 1) * 2 - 1) * warp)).clamp(max=mels - 1)  # [B, M]
    low = at.floor().long().clamp(max=mels - 2)
    share = (at - low)[:, None, :]
    low = low[:, None, :].expand(-1, steps, -1)
    warped = features.gather(2, low) * (1 - share) + features.gather(2, low + 1) * share
    axis = torch.linspace(0, 1, mels)
    waves = [torch.cos(math.pi * (k * axis + 2 * torch.rand(size, 1))) * torch.randn(size, 1) for k in (1, 2, 4, 6)]
    tone = spread * torch.stack(waves).sum(0)[:, None, :]
    return torch.where(warped > 0, (warped + tone).clamp(min=0), warped)


def mask_features(features: torch.Tensor, mask: torch.Tensor, times: int = 2, bins: int = 2) -> torch.Tensor:
    """SpecAugment (Park et al. 2019): blanks up to 0.3 s `times` and up to 12 mel bins `bins` times in each clip.

    Blanks take the clip's own mean, so that they look like neither silence nor noise. `[B, N, M]` in and out.
    """
    size, steps, mels = features.shape
    count = mask.sum(1).clamp(min=1)
    mean = features.sum((1, 2)) / (count * mels)
    at, bin_at = torch.arange(steps), torch.arange(mels)
    blank = torch.zeros_like(features, dtype=torch.bool)
    for _ in range(times):
        width = torch.rand(size) * torch.minimum(count * 0.15, torch.tensor(30.0))
        start = torch.rand(size) * (count - width)
        blank |= ((at >= start[:, None]) & (at < (start + width)[:, None]))[:, :, None]
    for _ in range(bins):
        width = torch.rand(size) * 12
        start = torch.rand(size) * (mels - width)
        blank |= ((bin_at >= start[:, None]) & (bin_at < (start + width)[:, None]))[:, None, :]
    return torch.where(blank & (mask[:, :, None] > 0), mean[:, None, None], features)
