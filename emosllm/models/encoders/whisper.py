"""Run Whisper's encoder, and encoders of the same architecture, on the clips' own length instead of a 30 s window.

The published forward requires the full window; its modules do not. Positions are cut to the longest clip, attention is
limited to each clip's own frames, and the convolutions read zeros after the last pair of mel frames of a clip. The
frames of a clip therefore do not depend on its batch. They differ from those of the full window, because the silence
that Whisper was trained with is missing.
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
        lengths: `[A]`, number of mel frames of each clip; padding follows them.

    Returns:
        `[A, N, D]` of the last module; frames after a clip's own frames are not valid.
    """
    counts = after_convolutions(lengths).clamp(min=1)  # attention over no position would give NaN
    longest = max(2, int(counts.max()))  # at least one pair, for encoders that pool pairs
    features = features[:, :, : 2 * longest].to(tower.conv1.weight.dtype)
    # A single clip ends at its last pair of mel frames; in a batch the convolutions must not read beyond it.
    features = features * length_mask(2 * counts, features.shape[-1])[:, None]
    hidden = nn.functional.gelu(tower.conv2(nn.functional.gelu(tower.conv1(features)))).transpose(1, 2)
    hidden = hidden + tower.embed_positions.weight[: hidden.shape[1]]
    mask = create_bidirectional_mask(
        config=tower.config, inputs_embeds=hidden, attention_mask=length_mask(counts, hidden.shape[1]).long()
    )
    for layer in tower.layers:
        hidden = layer(hidden, mask)
    if hasattr(tower, "avg_pooler"):
        hidden = tower.avg_pooler(hidden.transpose(1, 2)).transpose(1, 2)
    return tower.layer_norm(hidden)


def after_convolutions(lengths: Tensor) -> Tensor:
    """Number of frames `[A]` for the given numbers of mel frames: the second convolution has a stride of two."""
    return (lengths + 1) // 2


def length_mask(lengths: Tensor, width: int) -> Tensor:
    """`[A, width]` bool, true on the first `lengths` `[A]` of each row."""
    return torch.arange(width, device=lengths.device)[None] < lengths[:, None]
