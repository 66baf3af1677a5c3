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
from emosllm.models.mappers import QPMapper
from emosllm.models.speech_llm import SpeechLLM

_FLOAT = 4
# Fragmentation of glibc's heap, as a share of the memory allocated and freed in a step. Measured: docs/performance.md.
_HOLES = 0.5
_OPTIMISER = 16  # bytes: a trained weight in float32, its gradient, AdamW's two moments


@dataclass(frozen=True)
class Load:
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


def training_memory(model: nn.Module, learns: Collection[str], load: Load, size: int) -> dict[str, int]:
    """Peak memory of a phase in bytes, by content, without activation checkpointing.

    Args:
        model: a system; it may be on the meta device.
        learns: the parts that are trained (`mapper`, `lora`, `head`).
        load: sizes of the batch.
        size: bytes of a frozen weight: 2 in bfloat16, 4 in float32.
    """
    frozen = trained = 0
    for name, parameter in model.named_parameters():
        learner = "lora" if ".lora_" in name else name.partition(".")[0]
        if learner in learns:
            trained += _OPTIMISER * parameter.numel()
        else:
            frozen += parameter.numel() * (size if learner in ("llm", "encoder") else _FLOAT)
    memory = {"frozen_weights": frozen, "trained_weights_gradients_moments": trained}
    if not isinstance(model, SpeechLLM) or not learns:
        return memory
    memory["activations"] = _llm(model, "lora" in learns, load, size)
    if "mapper" in learns and isinstance(model.mapper, QPMapper):
        memory["activations"] += _mapper(model.mapper, load, size)
    if "mapper" in learns and model.encoder is not None:
        memory["activations"] += _hidden_states(model.encoder, load, getattr(model.mapper, "pool", 1))
    vocabulary = model.llm.config.get_text_config().vocab_size
    # The softmax of the backward pass, its gradient before and after, and the gradient in the LLM's precision.
    memory["logits"] = load.samples * load.answer * vocabulary * (3 * _FLOAT + size % _FLOAT)
    memory["allocator"] = round(_HOLES * (memory["activations"] + memory["logits"]))
    return memory


def _llm(model: SpeechLLM, learns: bool, load: Load, size: int) -> int:
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
    if learns:
        adapted = lora_layers(model.llm)
        read = sum(layer.in_features for layer in adapted) // layers
        read = min(read, 2 * llm.hidden_size + width + llm.intermediate_size)  # adapters with the same input share it
        narrow = sum(sum(layer.r.values()) for layer in adapted) // layers
        token += size * (read + narrow)
    tokens = load.samples * load.row + learns * load.prefix
    keys = load.samples * (load.prefix + load.row) + learns * load.prefix
    mask = load.samples * load.row * (load.prefix + load.row) * size * width // shared
    unread = tokens - load.samples * load.answer
    return layers * (tokens * (token + gated) + keys * 2 * size * shared) - unread * gated + mask


def _mapper(mapper: QPMapper, load: Load, size: int) -> int:
    """Activations of the mapper in bytes, for frames and queries: inputs, norms and attention."""
    places = load.samples * (-(-load.frames // mapper.pool) + len(mapper.queries))
    total = 0
    for layer in mapper.layers.layers:
        width, feedforward = layer.linear1.in_features, layer.linear1.out_features
        total += places * (4 * _FLOAT * width + size * (6 * width + 3 * feedforward))
    return total


def _hidden_states(encoder: SpeechEncoder, load: Load, pool: int) -> int:
    """Activations of mixing in bytes: all hidden states of each clip in float32, after `pool` frames were averaged."""
    if not encoder.part.mixes:
        return 0
    return load.samples * -(-load.frames // pool) * encoder.states * encoder.width * _FLOAT
