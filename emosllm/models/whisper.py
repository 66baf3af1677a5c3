"""Whisper's encoder on a clip's own length instead of its 30-second window.

The layers see a clip's own frames and nothing else, so a clip of 3 s costs a tenth, and a batch equals its clips alone.
Gives up: what the encoder was trained on, a window that is always full. Qwen2-Audio's tower has the same shape.
"""

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel
from transformers.masking_utils import create_bidirectional_mask

from emosllm.prompting.vectors import Convolutions, convolved

STEM: Convolutions = ((3, 1, 1), (3, 2, 1))  # over mel frames


def encode_own_length(model: PreTrainedModel, features: Tensor, lengths: Tensor) -> Tensor:
    """Run the encoder on the clips' own mel frames.

    Args:
        model: Whisper's encoder, or a tower of the same shape that pools pairs behind its layers.
        features: `[A, F, T]`, log-mel, each clip's frames first.
        lengths: `[A]`, mel frames of each clip.

    Returns:
        The last hidden state `[A, N, D]`; of each clip the first `convolved(length)` frames are its own.
    """
    lengths = lengths.clamp(min=2)  # attention over nothing is not a number, and pairs need two
    sound = _first(lengths, int(lengths.max()))[:, None]
    features = features[..., : sound.shape[-1]]
    # A clip alone ends in the zeros that a convolution pads with; in a batch its neighbour's length must not show.
    hidden = nn.functional.gelu(model.conv1(features * sound)) * sound
    hidden = nn.functional.gelu(model.conv2(hidden)).transpose(1, 2)
    hidden = hidden + model.embed_positions.weight[: hidden.shape[1]]
    seen = _first(convolved(lengths, STEM), hidden.shape[1]).long()
    mask = create_bidirectional_mask(config=model.config, inputs_embeds=hidden, attention_mask=seen)
    for layer in model.layers:
        output = layer(hidden, mask)
        hidden = output[0] if isinstance(output, tuple) else output
    if (pooler := getattr(model, "avg_pooler", None)) is not None:
        hidden = pooler(hidden.transpose(1, 2)).transpose(1, 2)
    normed: Tensor = model.layer_norm(hidden)
    return normed


def _first(lengths: Tensor, width: int) -> Tensor:
    """`[A, width]` bool, true on the first `lengths` of each row."""
    return torch.arange(width, device=lengths.device)[None] < lengths[:, None]
