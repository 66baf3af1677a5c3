"""Describe a recipe's model: parts, parameter counts and training memory, without loading weights.

The parameters are counted on the meta device, which takes seconds for billions of parameters.
"""

from dataclasses import asdict, dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

from torch import nn

from emosllm.models.build import System, audio_vectors, build_empty
from emosllm.models.checkpoints.locations import describe_place
from emosllm.models.encoders.encoder import SpeechEncoder
from emosllm.models.encoders.families import depth
from emosllm.models.mappers import describe_mapper
from emosllm.models.training_memory import BatchShape, training_memory
from emosllm.recipe import Recipe
from emosllm.recipe_parts import EncoderPart
from emosllm.safe_yaml import read_yaml

_BYTES = {"float32": 4, "bfloat16": 2}
_PREFIX_TOKENS = 320  # system prompt; ASSUMED, tokenizers differ
_ROW_TOKENS = 104  # prompt and answer of one sample without its clip; ASSUMED, tokenizers differ
_NORMALISED = {"clip": "the clip", "statistics": "the training set's statistics"}
_FRAMES_A_SECOND = 50  # frame rate of the encoders whose frames each become one vector


@dataclass(frozen=True)
class PartCount:
    """Name, shape and parameter count of one part of the model.

    Attributes:
        what: name of the published model, or the kind of part.
        shape: width and depth in words.
        total: number of weights.
        trainable: number of weights that are trained in any phase.
    """

    what: str
    shape: str
    total: int
    trainable: int


@dataclass(frozen=True)
class Description:
    """Parts, parameter counts and memory of a recipe's model.

    Attributes:
        recipe: the recipe.
        parts: those of encoder, mapper, llm, lora and head that the system has.
        total: number of weights.
        trainable: number of weights trained in the last phase.
        by_phase: number of weights trained in each phase.
        memory: estimated peak memory of training in bytes, by content.
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
            "places": backbone_locations(recipe),
            "downloads": {name: asdict(found) for name, found in downloads(recipe).items()},
            "paper": dict(recipe.paper),
            "assumed": list(recipe.assumed),
        }


@dataclass(frozen=True)
class Download:
    """Size and licence of a published model.

    Attributes:
        gigabytes: size on disk, rounded.
        licence: as stated in the model card.
    """

    gigabytes: float
    licence: str


def downloads(recipe: Recipe) -> dict[str, Download]:
    """Size and licence of the published models that a recipe needs, where `downloads.yaml` lists them."""
    known = read_yaml(Path(str(files("emosllm.models") / "downloads.yaml")), "downloads.yaml is")
    return {name: Download(**known[name]) for name in recipe.models if name in known}


def backbone_locations(recipe: Recipe) -> dict[str, str]:
    """Current location of each published model that a recipe needs, in words."""
    files = {recipe.llm.model: recipe.llm.file} if recipe.llm is not None else {}
    return {name: describe_place(name, files.get(name)) for name in recipe.models}


def describe(recipe: Recipe, model: System | None = None) -> Description:
    """Describe a recipe's model.

    Args:
        recipe: the system.
        model: the system on the meta device, if it is already built, for example from a checkpoint.
    """
    model = model or build_empty(recipe)
    words = _part_descriptions(recipe, model)
    counts = {"lora": count_weights(model, ".lora_")} if recipe.lora is not None else {}
    for name in ("encoder", "mapper", "llm", "head"):
        if name in words:
            part = getattr(model, name)
            counts[name] = count_weights(part) - count_weights(part, "lora_")
    parts = {
        name: PartCount(*what, counts[name], counts[name] if name in recipe.trained_parts else 0)
        for name, what in words.items()
    }
    by_phase = {name: sum(parts[part].total for part in phase.learns) for name, phase in recipe.phases.items()}
    last = list(by_phase.values())[-1] if by_phase else 0
    return Description(recipe, parts, sum(counts.values()), last, by_phase, _memory(recipe, model))


def _part_descriptions(recipe: Recipe, model: System) -> dict[str, tuple[str, str]]:
    """Name and size of each part, in words."""
    words = {}
    if recipe.encoder is not None and model.encoder is not None:
        words["encoder"] = (recipe.encoder.model, _encoder_description(recipe.encoder, model.encoder))
    if recipe.mapper is not None:
        words["mapper"] = describe_mapper(recipe.mapper)
    if recipe.llm is not None:
        llm_config = model.llm.config.get_text_config()
        words["llm"] = (recipe.llm.model, f"{llm_config.num_hidden_layers} layers of {llm_config.hidden_size}")
    if recipe.lora is not None:
        targets = [*recipe.lora.targets, *(["mapper"] if recipe.lora.mapper else [])]
        words["lora"] = (f"rank {recipe.lora.rank}, alpha {recipe.lora.alpha:g}", ", ".join(targets))
    if recipe.head is not None:
        head = recipe.head
        depth = f"{head.layers} layer{'s' * (head.layers != 1)} of {head.width}, " if head.layers else ""
        words["head"] = (head.model or "new", f"{depth}{head.pooling}, {len(recipe.label_set.names)} classes")
    return words


def _encoder_description(part: EncoderPart, encoder: SpeechEncoder) -> str:
    """The encoder's size, and the settings in which its use differs from the published model."""
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


def count_weights(module: nn.Module, kind: str = "") -> int:
    """Return the number of weights of a module whose names contain `kind`."""
    return sum(parameter.numel() for name, parameter in module.named_parameters() if kind in name)


def _memory(recipe: Recipe, model: System) -> dict[str, int]:
    """Peak memory in bytes of a training that trains all trained parts at once."""
    seconds, samples = recipe.audio.max_seconds, recipe.training.micro_batch
    frames = round(_FRAMES_A_SECOND * seconds) if recipe.mapper else 0
    encoder_config = model.encoder.model.config if model.encoder is not None else None
    clip = audio_vectors(recipe, encoder_config).of_frames(frames) if recipe.mapper else 0
    shape = BatchShape(samples, _PREFIX_TOKENS, _ROW_TOKENS + clip, _ROW_TOKENS // 3, frames)
    return training_memory(model, recipe.trained_parts, shape, _BYTES[recipe.training.precision])
