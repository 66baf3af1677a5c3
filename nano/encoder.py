"""nano's speech encoder: its settings, its first weights, and the check that padding changes nothing.

A ParakeetEncoder (FastConformer) of transformers, 0.8 million parameters. Gives up: 80 ms frames (12.5 per second),
as 40 ms ones took 2.3 times as long to train on one core; letters and prosody are read twice per frame instead.
Source: Rekesh et al. 2023, "Fast Conformer with linearly scalable attention".
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import torch
from pydantic import BaseModel, ConfigDict
from torch import nn
from transformers import AutoFeatureExtractor, AutoModel, ParakeetEncoderConfig

from emosllm.augment import RATE
from emosllm.log_mel import register
from nano.data import MELS, Clip

SUBSAMPLING = 8  # feature frames of 10 ms to one encoder frame of 80 ms


class Settings(BaseModel):
    """Everything that decides the result; the values are those of docs/log.md's best run on val."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    seed: int = 0
    epochs: int = 60
    save_every: int = 3  # epochs
    hold_out: str = ""  # a corpus that is not trained on, to see how the rest carries over to it
    hidden_size: int = 128
    layers: int = 3
    heads: int = 4
    intermediate_size: int = 256
    channels: int = 16  # of the 2-D convolutions that subsample
    kernel: int = 9  # frames, of the depthwise convolutions
    dropout: float = 0.15
    views: int = 5  # augmented renderings of each clip; one more is left clean
    batch: int = 16
    rate: float = 1.5e-3  # peak of the learning rate; 6 % of the steps warm up, then a cosine to 2 % of it
    weight_decay: float = 0.05
    averaging: float = 0.995  # decay of the running mean of the weights that is saved
    smoothing: float = 0.1  # of emotion labels
    balance: float = 0.5  # groups (corpus, emotion) are heard as often as size ** balance
    warp: float = 0.08  # of the mel axis, and
    spread: float = 0.2  # of its random filter; see nano.vary
    masks_time: int = 2
    masks_mel: int = 2
    weights: dict[str, float] = {"emotion": 1.0, "ctc": 0.3, "prosody": 0.3, "speaker": 0.1}


def build_encoder(settings: Settings) -> nn.Module:
    """A ParakeetEncoder with random weights."""
    config = ParakeetEncoderConfig(
        hidden_size=settings.hidden_size,
        num_hidden_layers=settings.layers,
        num_attention_heads=settings.heads,
        intermediate_size=settings.intermediate_size,
        conv_kernel_size=settings.kernel,
        subsampling_factor=SUBSAMPLING,
        subsampling_conv_channels=settings.channels,
        num_mel_bins=MELS,
        dropout=settings.dropout,
        activation_dropout=settings.dropout,
        attention_dropout=0.0,
        dropout_positions=0.0,
        layerdrop=0.0,
        scale_input=False,
        convolution_bias=False,
    )
    encoder: nn.Module = AutoModel.from_config(config)
    initialise(encoder)
    return encoder


def initialise(encoder: nn.Module) -> None:
    """Draws weights that keep the signal's size: transformers' 0.02 leaves 1e-4 of it after five convolutions,
    under the epsilon of the first LayerNorm, and nothing was learnt for several epochs.
    """
    for module in encoder.modules():
        if isinstance(module, nn.Linear | nn.Conv1d | nn.Conv2d):
            module.reset_parameters()
    for module in encoder.modules():
        if isinstance(module, nn.Conv2d):  # those before the first LayerNorm
            nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
            module.bias = nn.Parameter(torch.zeros(module.out_channels))


def padding_error(folder: Path, clips: list[Clip]) -> float:
    """Opens a saved folder and returns the largest difference between frames of a batch and of single clips."""
    register()
    extractor, encoder = AutoFeatureExtractor.from_pretrained(folder), AutoModel.from_pretrained(folder).eval()

    def frames(samples: Iterable[np.ndarray]) -> list[torch.Tensor]:
        inputs = extractor(list(samples), sampling_rate=RATE, padding=True, return_tensors="pt")
        out = encoder(**inputs)
        return [row[kept.bool()] for row, kept in zip(out.last_hidden_state, out.attention_mask, strict=True)]

    with torch.no_grad():
        together = frames(clip.samples for clip in clips)
        alone = [frames([clip.samples])[0] for clip in clips]
    return max(float((a - b).abs().max()) for a, b in zip(together, alone, strict=True))
