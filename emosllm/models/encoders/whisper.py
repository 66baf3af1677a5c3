"""Whisper's encoder, and towers of the same build, on the clips' own length instead of a fixed 30 s window.

The published forward insists on the full window; its modules do not. Positions are cut to the longest clip, attention
sees each clip's own frames, and the convolutions see zeros behind the last pair of mel frames of a clip, so that a clip
in a batch gives the frames it gives alone. Without the silence that Whisper was trained with the frames are others than
those of the window.
"""

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel
from transformers.masking_utils import create_bidirectional_mask


def read_clips(tower: PreTrainedModel, features: Tensor, lengths: Tensor) -> Tensor:
    """Encode clips at their own length.

    Args:
        tower: an encoder with Whisper's convolutions, positions, layers and norm; it may pool before the norm.
        features: `[A, F, T]`, log-mel.
        lengths: `[A]`, mel frames of each clip, which come first.

    Returns:
        `[A, N, D]` of the last module; what stands behind a clip's own frames means nothing.
    """
    heard = after_convolutions(lengths).clamp(min=1)  # attention over nothing is not a number
    longest = max(2, int(heard.max()))  # one pair, for those that pool pairs
    features = features[:, :, : 2 * longest].to(tower.conv1.weight.dtype)
    # A clip alone ends where its last pair of mel frames ends; in a batch the convolutions must see no further.
    features = features * first(2 * heard, features.shape[-1])[:, None]
    hidden = nn.functional.gelu(tower.conv2(nn.functional.gelu(tower.conv1(features)))).transpose(1, 2)
    hidden = hidden + tower.embed_positions.weight[: hidden.shape[1]]
    mask = create_bidirectional_mask(
        config=tower.config, inputs_embeds=hidden, attention_mask=first(heard, hidden.shape[1]).long()
    )
    for layer in tower.layers:
        hidden = layer(hidden, mask)
    if hasattr(tower, "avg_pooler"):
        hidden = tower.avg_pooler(hidden.transpose(1, 2)).transpose(1, 2)
    return tower.layer_norm(hidden)


def after_convolutions(lengths: Tensor) -> Tensor:
    """Frames `[A]` of clips of so many mel frames: the second convolution takes two a step."""
    return (lengths + 1) // 2


def first(lengths: Tensor, width: int) -> Tensor:
    """`[A, width]` bool, true on the first `lengths` `[A]` of each row."""
    return torch.arange(width, device=lengths.device)[None] < lengths[:, None]
