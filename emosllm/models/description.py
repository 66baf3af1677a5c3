"""What a recipe's model is made of, counted on the meta device: no weights, no memory, seconds for billions."""

from dataclasses import asdict, dataclass
from importlib.resources import files
from typing import Any

import yaml
from torch import nn

from emosllm.models.build import System, audio_vectors, build_empty
from emosllm.models.checkpoints.locations import describe_place
from emosllm.models.encoders.encoder import SpeechEncoder
from emosllm.models.encoders.families import depth
from emosllm.models.training_memory import Load, training_memory
from emosllm.recipe import Recipe
from emosllm.recipe_parts import EncoderPart, LinearMapperPart, QPMapperPart

_BYTES = {"float32": 4, "bfloat16": 2}
_PREFIX_TOKENS = 320  # system prompt; ASSUMED, tokenizers differ
_ROW_TOKENS = 104  # prompt and answer of one sample without its clip; likewise
_NORMALISED = {"clip": "the clip", "statistics": "the training set's statistics"}
_FRAMES_A_SECOND = 50  # of the encoders whose every frame becomes a vector


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
        parts: encoder, mapper, llm, lora, head: those that the system has.
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
            "places": places(recipe),
            "downloads": {name: asdict(found) for name, found in downloads(recipe).items()},
            "paper": dict(recipe.paper),
            "assumed": list(recipe.assumed),
        }


@dataclass(frozen=True)
class Download:
    """What it takes to have a published model.

    Attributes:
        gigabytes: on disk, rounded.
        licence: as its card states it.
    """

    gigabytes: float
    licence: str


def downloads(recipe: Recipe) -> dict[str, Download]:
    """The published models that a recipe needs, as far as we know them."""
    text = (files("emosllm.models") / "downloads.yaml").read_text(encoding="utf-8")
    known = yaml.safe_load(text)
    return {name: Download(**known[name]) for name in recipe.models if name in known}


def places(recipe: Recipe) -> dict[str, str]:
    """Where each published model that a recipe needs is found now, in words."""
    files = {recipe.llm.model: recipe.llm.file} if recipe.llm is not None else {}
    return {name: describe_place(name, files.get(name)) for name in recipe.models}


def describe(recipe: Recipe, model: System | None = None) -> Description:
    """Count a recipe's model.

    Args:
        recipe: the system.
        model: the same on the meta device, where it is built already, as of a checkpoint.
    """
    model = model or build_empty(recipe)
    words = _words(recipe, model)
    counts = {"lora": _count(model, ".lora_")} if recipe.lora is not None else {}
    for name in ("encoder", "mapper", "llm", "head"):
        if name in words:
            part = getattr(model, name)
            counts[name] = _count(part) - _count(part, "lora_")
    parts = {
        name: PartCount(*what, counts[name], counts[name] if name in recipe.learned else 0)
        for name, what in words.items()
    }
    by_phase = {name: sum(parts[learner].total for learner in phase.learns) for name, phase in recipe.phases.items()}
    last = list(by_phase.values())[-1] if by_phase else 0
    return Description(recipe, parts, sum(counts.values()), last, by_phase, _memory(recipe, model))


def _words(recipe: Recipe, model: System) -> dict[str, tuple[str, str]]:
    """What each part is and how large, in words."""
    words = {}
    if recipe.encoder is not None and model.encoder is not None:
        words["encoder"] = (recipe.encoder.model, _heard(recipe.encoder, model.encoder))
    if isinstance(recipe.mapper, QPMapperPart):
        shape = f"{recipe.mapper.queries} queries, {recipe.mapper.layers} layers of {recipe.mapper.width}"
        words["mapper"] = ("qp", shape)
    if isinstance(recipe.mapper, LinearMapperPart):
        words["mapper"] = (recipe.mapper.model or "linear", "one layer" + ", two ends" * recipe.mapper.ends)
    if recipe.llm is not None:
        mouth = model.llm.config.get_text_config()
        words["llm"] = (recipe.llm.model, f"{mouth.num_hidden_layers} layers of {mouth.hidden_size}")
    if recipe.lora is not None:
        targets = [*recipe.lora.targets, *(["mapper"] if recipe.lora.mapper else [])]
        words["lora"] = (f"rank {recipe.lora.rank}, alpha {recipe.lora.alpha:g}", ", ".join(targets))
    if recipe.head is not None:
        head = recipe.head
        depth = f"{head.layers} layer{'s' * (head.layers != 1)} of {head.width}, " if head.layers else ""
        words["head"] = (head.model or "new", f"{depth}{head.pooling}, {len(recipe.label_set.names)} classes")
    return words


def _heard(part: EncoderPart, encoder: SpeechEncoder) -> str:
    """The encoder's size, and whatever is read of it in another way than published."""
    layers = depth(encoder.model.config)
    words = [f"{layers} layer{'s' * (layers != 1)} of {encoder.width}"]
    if isinstance(part.layers, tuple):
        words.append(f"hidden states {', '.join(map(str, part.layers))} mixed")
    elif part.layers == "weighted":
        words.append(f"{encoder.states} hidden states mixed")
    elif part.layers != "last":
        words.append(f"hidden state {part.layers}")
    if part.window == "clip":
        words.append("on the clip's length")
    if part.normalise != "none":
        words.append(f"normalised by {_NORMALISED[part.normalise]}")
    return ", ".join(words)


def _count(module: nn.Module, kind: str = "") -> int:
    return sum(parameter.numel() for name, parameter in module.named_parameters() if kind in name)


def _memory(recipe: Recipe, model: System) -> dict[str, int]:
    """Bytes at the peak of training, in the phase where most learns."""
    seconds, samples = recipe.audio.max_seconds, recipe.training.micro_batch
    frames = round(_FRAMES_A_SECOND * seconds) if recipe.mapper else 0
    ears = model.encoder.model.config if model.encoder is not None else None
    clip = audio_vectors(recipe, ears).of_frames(frames) if recipe.mapper else 0
    load = Load(samples, _PREFIX_TOKENS, _ROW_TOKENS + clip, _ROW_TOKENS // 3, frames)
    return training_memory(model, recipe.learned, load, _BYTES[recipe.training.precision])
