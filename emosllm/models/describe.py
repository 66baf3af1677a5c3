"""What a recipe's model is made of, counted on the meta device: no weights, no memory, seconds for billions."""

from dataclasses import asdict, dataclass
from typing import Any

from torch import nn

from emosllm.models.build import build_empty
from emosllm.recipe import Recipe

_BYTES = {"float32": 4, "bfloat16": 2}
_OPTIMISER_BYTES = 16  # a trained weight in float32, its gradient, AdamW's two moments
_PREFIX_TOKENS = 320  # system prompt; ASSUMED, tokenizers differ
_ROW_TOKENS = 136  # audio vectors, prompt and answer of one sample; likewise


@dataclass(frozen=True)
class PartCount:
    """One part of the model.

    Attributes:
        what: the model it is, or its kind.
        shape: width and depth in words.
        total: its weights.
        trainable: how many of them any phase trains.
    """

    what: str
    shape: str
    total: int
    trainable: int


@dataclass(frozen=True)
class Description:
    """A recipe's model, counted.

    Attributes:
        recipe: its name.
        parts: encoder, mapper, llm, lora.
        total: all weights.
        trainable: weights that learn in the last phase.
        by_phase: weights that learn in each phase.
        memory: estimated peak of training, bytes by what they hold.
    """

    recipe: Recipe
    parts: dict[str, PartCount]
    total: int
    trainable: int
    by_phase: dict[str, int]
    memory: dict[str, int]

    def to_dict(self) -> dict[str, Any]:
        """The JSON form."""
        recipe = self.recipe
        return {
            "name": recipe.name,
            "title": recipe.title,
            "source": recipe.source,
            "parameters": {
                "total": self.total,
                "trainable": self.trainable,
                "parts": {name: asdict(part) for name, part in self.parts.items()},
                "by_phase": self.by_phase,
            },
            "training_memory_bytes": {**self.memory, "total": sum(self.memory.values())},
            "paper": dict(recipe.paper),
            "assumed": list(recipe.assumed),
        }


def describe(recipe: Recipe) -> Description:
    """Count a recipe's model."""
    model = build_empty(recipe)
    lora = sum(parameter.numel() for name, parameter in model.llm.named_parameters() if ".lora_" in name)
    encoder, mapper, llm = (_count(part) for part in (model.encoder, model.mapper, model.llm))
    ears, mouth = model.encoder.model.config, model.llm.config.get_text_config()
    layers = getattr(ears, "num_hidden_layers", None) or ears.encoder_layers
    learned = {learner for phase in recipe.phases.values() for learner in phase.learns}
    parts = {
        "encoder": PartCount(recipe.encoder.model, f"{layers} layers of {model.encoder.width}", encoder, 0),
        "mapper": PartCount(
            recipe.mapper.kind,
            f"{recipe.mapper.queries} queries, {recipe.mapper.layers} layers of {recipe.mapper.width}",
            mapper,
            mapper if "mapper" in learned else 0,
        ),
        "llm": PartCount(recipe.llm.model, f"{mouth.num_hidden_layers} layers of {mouth.hidden_size}", llm - lora, 0),
        "lora": PartCount(
            f"rank {recipe.lora.rank}, alpha {recipe.lora.alpha:g}",
            ", ".join(recipe.lora.targets),
            lora,
            lora if "lora" in learned else 0,
        ),
    }
    by_phase = {name: sum(parts[learner].total for learner in phase.learns) for name, phase in recipe.phases.items()}
    return Description(
        recipe, parts, encoder + mapper + llm, list(by_phase.values())[-1], by_phase, _memory(recipe, parts, mouth)
    )


def _count(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def _memory(recipe: Recipe, parts: dict[str, PartCount], llm: Any) -> dict[str, int]:
    """Bytes at the peak of a phase in which the LLM's adapters learn, without activation checkpointing.

    Activations are what a Llama-like layer keeps for its backward pass (two norms, four attention tensors, three of the
    feed-forward), for the shared prefix once and for every sample's own tokens.
    """
    size = _BYTES[recipe.training.precision]
    heads = getattr(llm, "num_key_value_heads", llm.num_attention_heads)
    head = getattr(llm, "head_dim", None) or llm.hidden_size // llm.num_attention_heads
    kept = 7 * llm.hidden_size + 2 * heads * head + 4 * llm.intermediate_size
    tokens = _PREFIX_TOKENS + recipe.training.micro_batch * _ROW_TOKENS
    answers = recipe.training.micro_batch * _ROW_TOKENS // 3
    return {
        "frozen_weights": size * sum(part.total - part.trainable for part in parts.values()),
        "trained_weights_gradients_moments": _OPTIMISER_BYTES * sum(part.trainable for part in parts.values()),
        "activations": size * kept * tokens * llm.num_hidden_layers,
        "logits": 3 * 4 * answers * llm.vocab_size,  # float32 logits, their softmax, their gradient
    }
