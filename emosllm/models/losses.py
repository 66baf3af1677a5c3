"""Weighted cross-entropy over classes, shared by systems with an LLM and with a head."""

from torch import Tensor
from torch.nn.functional import nll_loss


def class_loss(
    scores: Tensor, labels: Tensor, weights: Tensor | None = None, items: Tensor | int | None = None
) -> Tensor:
    """Weighted cross-entropy over normalised scores.

    The sum is divided by the number of clips and not by the sum of their weights, so accumulated batches have the same
    loss as one large batch. Balanced weights average 1 over the training set.

    Source: THAU-UPM, section 3.3.

    Args:
        scores: `[B, K]` log-probabilities of the classes.
        labels: `[B]`, the true class of each clip.
        weights: `[B]`, weight of each clip.
        items: number of clips in the whole update; by default the number in this batch.
    """
    losses = nll_loss(scores, labels, reduction="none")
    if weights is not None:
        losses = losses * weights
    return losses.sum() / (len(labels) if items is None else items)
