"""How much memory a training step takes at its peak, estimated from shapes; checked against measured peaks.

Counted are the weights and their optimiser, what the LLM's layers and the mapper keep for the backward pass, and the
logits. Given up: layers that are not Llama-like (two norms, gated feed-forward), and allocators unlike glibc's.
`python -m bench.memory` compares it with the peaks of real steps.
"""

from collections.abc import Collection
from dataclasses import dataclass

from torch import nn

from emosllm.models.encoders.encoder import SpeechEncoder
from emosllm.models.llms.lora import lora_layers
from emosllm.models.mappers import QPMapper
from emosllm.models.speech_llm import SpeechLLM

_FLOAT = 4
# Of what comes and goes in a step, glibc's heap holds half as much again as holes; measured, see docs/performance.md.
_HOLES = 0.5
_OPTIMISER = 16  # a trained weight in float32, its gradient, AdamW's two moments


@dataclass(frozen=True)
class Load:
    """What one forward pass holds.

    Attributes:
        samples: rows of the batch.
        prefix: tokens that all rows begin with.
        row: a row's own tokens, its clip's vectors included.
        answer: tokens of a row that the loss is over.
        frames: of the encoder, for each clip.
    """

    samples: int
    prefix: int
    row: int
    answer: int
    frames: int


def training_memory(model: nn.Module, learns: Collection[str], load: Load, size: int) -> dict[str, int]:
    """Bytes at the peak of a phase, without activation checkpointing, by what they hold.

    Args:
        model: a system, on the meta device if need be.
        learns: the parts that learn (`mapper`, `lora`, `head`).
        load: tokens and samples.
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
        memory["activations"] += _hidden_states(model.encoder, load)
    vocabulary = model.llm.config.get_text_config().vocab_size
    # The softmax of the backward pass, its gradient before and after, and the gradient in the LLM's precision.
    memory["logits"] = load.samples * load.answer * vocabulary * (3 * _FLOAT + size % _FLOAT)
    memory["allocator"] = round(_HOLES * (memory["activations"] + memory["logits"]))
    return memory


def _llm(model: SpeechLLM, learns: bool, load: Load, size: int) -> int:
    """What the layers keep: of all rows, and of the prefix too where the LLM learns (else it is read without gradient).

    Frozen linear layers keep nothing; norms keep their input in float32, attention what it multiplies, the gated
    feed-forward its three widest rows (the last layer's for answers alone), and an adapter what it reads. Keys and
    values are there once for each row, the prefix's included. The mask has a row for each token and head that shares
    its keys, a column for each key, and is the same in all layers.
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
        read = min(read, 2 * llm.hidden_size + width + llm.intermediate_size)  # adapters of the same input share it
        narrow = sum(sum(layer.r.values()) for layer in adapted) // layers
        token += size * (read + narrow)
    tokens = load.samples * load.row + learns * load.prefix
    keys = load.samples * (load.prefix + load.row) + learns * load.prefix
    mask = load.samples * load.row * (load.prefix + load.row) * size * width // shared
    unread = tokens - load.samples * load.answer
    return layers * (tokens * (token + gated) + keys * 2 * size * shared) - unread * gated + mask


def _mapper(mapper: QPMapper, load: Load, size: int) -> int:
    """What the mapper keeps for frames and queries: its inputs, norms and attention."""
    places = load.samples * (-(-load.frames // mapper.pool) + len(mapper.queries))
    total = 0
    for layer in mapper.layers.layers:
        width, feedforward = layer.linear1.in_features, layer.linear1.out_features
        total += places * (4 * _FLOAT * width + size * (6 * width + 3 * feedforward))
    return total


def _hidden_states(encoder: SpeechEncoder, load: Load) -> int:
    """What mixing keeps: all hidden states of each clip in float32, as they are or normalised."""
    if not encoder.part.mixes:
        return 0
    return load.samples * load.frames * encoder.states * encoder.width * _FLOAT
