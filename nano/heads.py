"""What nano's encoder is asked during pre-training: emotion, letters, prosody and (adversarially) the speaker.

The heads are thrown away afterwards; only the frames they shaped are kept. Gives up: the letters are read
greedily and no language model helps, as their only purpose is that the frames keep the words.
"""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional as F

from nano.data import LETTERS, Batch


class Reverse(torch.autograd.Function):
    """Identity whose gradient is turned round: what learns through it unlearns (Ganin & Lempitsky 2015, eq. 4)."""

    @staticmethod
    def forward(ctx: object, x: torch.Tensor) -> torch.Tensor:
        """Returns `x` as it is."""
        return x.view_as(x)

    @staticmethod
    def backward(ctx: object, grad: torch.Tensor) -> torch.Tensor:
        """Returns the gradient with its sign changed."""
        return -grad


class Heads(nn.Module):
    """Four small heads over the frames `[B, N, D]`.

    Args:
        size: D, width of the encoder.
        letters: characters that CTC may write, blank (index 0) not counted.
        speakers: number of training speakers.
        dropout: share of pooled values dropped before emotion is read.
        steps: letters and prosody are read this many times per frame, so that 80 ms frames can keep 40 ms detail.
    """

    def __init__(self, size: int, letters: str, speakers: int, dropout: float, steps: int, queries: int = 4) -> None:
        super().__init__()
        self.letters = letters
        self.attention = nn.Linear(size, queries)
        self.emotion = nn.Sequential(nn.Dropout(dropout), nn.Linear(size * queries, len(LETTERS)))
        self.speaker = nn.Sequential(nn.Linear(size * queries, size), nn.ReLU(), nn.Linear(size, speakers))
        self.steps = steps
        self.ctc = nn.Linear(size, steps * (len(letters) + 1))
        self.prosody = nn.Linear(size, steps * 3)

    def pool(self, frames: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """Averages frames `[B, N, D]` with the learned weights of each of Q queries: `[B, Q * D]`."""
        scores = self.attention(frames).masked_fill(mask[:, :, None] == 0, float("-inf"))
        return torch.einsum("bnq,bnd->bqd", scores.softmax(1), frames).flatten(1)

    def forward(self, frames: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """Emotion logits `[B, E]`."""
        return self.emotion(self.pool(frames, mask))

    def losses(
        self, frames: torch.Tensor, mask: torch.Tensor, batch: Batch, smoothing: float
    ) -> dict[str, torch.Tensor]:
        """Mean losses by name, each over the clips that know the answer."""
        pooled = self.pool(frames, mask)
        known = batch.emotion >= 0
        zero = frames.sum() * 0
        emotion = F.cross_entropy(self.emotion(pooled)[known], batch.emotion[known], label_smoothing=smoothing)
        speaker = F.cross_entropy(self.speaker(Reverse.apply(pooled)), batch.speaker.clamp(min=0))
        return {
            "emotion": emotion if known.any() else zero,
            "speaker": speaker,
            "ctc": self.ctc_loss(frames, mask, batch.texts),
            "prosody": self.prosody_loss(frames, batch.prosody),
        }

    def ctc_loss(self, frames: torch.Tensor, mask: torch.Tensor, texts: list[str]) -> torch.Tensor:
        """CTC per character; texts longer than the frames allow count nothing (very fast speech)."""
        ids = [[self.letters.find(c) + 1 for c in text if c in self.letters] for text in texts]
        lengths = torch.tensor([len(row) for row in ids])
        targets = torch.tensor([i for row in ids for i in row])
        log_probs = self._read(self.ctc, frames).log_softmax(-1).transpose(0, 1)
        spans = mask.sum(1) * self.steps
        losses = F.ctc_loss(log_probs, targets, spans, lengths, reduction="none", zero_infinity=True)
        return losses.sum() / max(1, int(lengths.sum()))

    def prosody_loss(self, frames: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        """Voicing (cross-entropy), octaves of voiced frames and level (absolute error); `[B, N', 3]` targets."""
        out = self._read(self.prosody, frames)[:, : targets.shape[1]]
        targets = targets[:, : out.shape[1]]
        known = ~targets[..., 0].isnan()
        out, targets = out[known], targets[known]
        voiced = targets[:, 0] > 0.5
        loss = F.binary_cross_entropy_with_logits(out[:, 0], targets[:, 0])
        loss = loss + 2 * (out[:, 1] - targets[:, 1])[voiced].abs().sum() / voiced.sum().clamp(min=1)
        return loss + (out[:, 2] - targets[:, 2]).abs().mean()

    def _read(self, head: nn.Linear, frames: torch.Tensor) -> torch.Tensor:
        """Applies a head of `steps * K` outputs to frames `[B, N, D]`: `[B, N * steps, K]`."""
        size, count, _ = frames.shape
        return head(frames).view(size, count * self.steps, -1)
