"""Estimate the peak memory of a training step from the model's shapes.

The estimate counts weights, optimiser states, logits, and the activations that the LLM's layers and the mapper keep for
the backward pass. It assumes Llama-like layers (two norms, gated feed-forward) and the allocator of glibc.
`python -m bench.memory` compares it with the measured peaks of real steps.
"""

from collections.abc import Collection
from dataclasses import dataclass

from torch import nn

from emosllm.models.encoders.encoder import SpeechEncoder
from emosllm.models.llms.lora import lora_layers
from emosllm.models.speech_llm import SpeechLLM

_FLOAT = 4
# Fragmentation of glibc's heap, as a share of the memory allocated and freed in a step. Measured: docs/performance.md.
_HOLES = 0.5
_OPTIMISER = 16  # bytes: a trained weight in float32, its gradient, AdamW's two moments


@dataclass(frozen=True)
class BatchShape:
    """Sizes of the batch in one forward pass.

    Attributes:
        samples: number of rows.
        prefix: number of tokens in the prefix shared by all rows.
        row: number of tokens in a row after the prefix, including its clip's vectors.
        answer: number of tokens in a row that count in the loss.
        frames: number of encoder frames in a clip.
    """

    samples: int
    prefix: int
    row: int
    answer: int
    frames: int


def training_memory(model: nn.Module, trained_parts: Collection[str], shape: BatchShape, size: int) -> dict[str, int]:
    """Peak memory of a phase in bytes, by content, without activation checkpointing.

    Args:
        model: a system; it may be on the meta device.
        trained_parts: the parts that are trained (`mapper`, `lora`, `head`).
        shape: sizes of the batch.
        size: bytes of a frozen weight: 2 in bfloat16, 4 in float32.
    """
    frozen = trained = 0
    for name, parameter in model.named_parameters():
        part = "lora" if ".lora_" in name else name.partition(".")[0]
        if part in trained_parts:
            trained += _OPTIMISER * parameter.numel()
        else:
            frozen += parameter.numel() * (size if part in ("llm", "encoder") else _FLOAT)
    memory = {"frozen_weights": frozen, "trained_weights_gradients_moments": trained}
    if not isinstance(model, SpeechLLM) or not trained_parts:
        return memory
    memory["activations"] = _llm(model, "lora" in trained_parts, shape, size)
    if "mapper" in trained_parts and model.mapper is not None:
        memory["activations"] += model.mapper.activation_bytes(shape.samples, shape.frames, size)
    if "mapper" in trained_parts and model.encoder is not None:
        memory["activations"] += _hidden_states(model.encoder, shape, getattr(model.mapper, "pool", 1))
    vocabulary = model.llm.config.get_text_config().vocab_size
    # The softmax of the backward pass, its gradient before and after, and the gradient in the LLM's precision.
    memory["logits"] = shape.samples * shape.answer * vocabulary * (3 * _FLOAT + size % _FLOAT)
    memory["allocator"] = round(_HOLES * (memory["activations"] + memory["logits"]))
    return memory


def _llm(model: SpeechLLM, trained: bool, shape: BatchShape, size: int) -> int:
    """Activations of the LLM's layers in bytes, for all rows; for the prefix only where the LLM is trained.

    Frozen linear layers keep nothing. Norms keep their input in float32. Attention keeps its factors. The gated
    feed-forward keeps three intermediate tensors, in the last layer only for answers. An adapter keeps its input. Keys
    and values are kept for each row, including the prefix. The mask, shared by all layers, has one row for each token
    and each query head of a group, and one column for each key.
    """
    llm = model.llm.config.get_text_config()
    head = getattr(llm, "head_dim", None) or llm.hidden_size // llm.num_attention_heads
    width = llm.num_attention_heads * head
    shared = (getattr(llm, "num_key_value_heads", None) or llm.num_attention_heads) * head
    layers, gated = llm.num_hidden_layers, 3 * size * llm.intermediate_size
    token = 2 * _FLOAT * llm.hidden_size + 2 * size * width
    if trained:
        adapted = lora_layers(model.llm)
        read = sum(layer.in_features for layer in adapted) // layers
        read = min(read, 2 * llm.hidden_size + width + llm.intermediate_size)  # adapters with the same input share it
        narrow = sum(sum(layer.r.values()) for layer in adapted) // layers
        token += size * (read + narrow)
    tokens = shape.samples * shape.row + trained * shape.prefix
    keys = shape.samples * (shape.prefix + shape.row) + trained * shape.prefix
    mask = shape.samples * shape.row * (shape.prefix + shape.row) * size * width // shared
    unread = tokens - shape.samples * shape.answer
    return layers * (tokens * (token + gated) + keys * 2 * size * shared) - unread * gated + mask


def _hidden_states(encoder: SpeechEncoder, shape: BatchShape, pool: int) -> int:
    """Activations of mixing in bytes: all hidden states of each clip in float32, after `pool` frames were averaged."""
    if not encoder.part.mixes:
        return 0
    return shape.samples * -(-shape.frames // pool) * encoder.states * encoder.width * _FLOAT
