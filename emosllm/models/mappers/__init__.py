"""Mappers from the encoder's frames to vectors in the LLM's embedding space.

Each kind is a module with its options, its network and its facts (`Mapper`). The way in is `new_mapper`.
"""

from collections.abc import Callable
from importlib import import_module
from typing import Any

from emosllm.models.encoders.hidden_states import HiddenStates
from emosllm.models.mappers.mapper import Mapper
from emosllm.prompting.audio_vectors import AudioVectors, Convolutions
from emosllm.recipe_parts import MapperPart

#: The kinds of mapper: names of modules beside this file, and values of `mapper.kind` in a recipe.
KINDS = (
    "qp",
    "linear",
)
#: Kind -> network.
MAPPERS: dict[str, type[Mapper[Any]]] = {kind: import_module(f"emosllm.models.mappers.{kind}").MAPPER for kind in KINDS}


def new_mapper(
    part: MapperPart, frame_width: int, llm_width: int, hidden_states: HiddenStates | None = None
) -> Mapper[Any]:
    """Build the mapper of a recipe with newly initialised weights; the arguments are those of `Mapper.new`."""
    return MAPPERS[part.kind].new(part, frame_width, llm_width, hidden_states)


def mapper_vectors(part: MapperPart, convolutions: Callable[[], Convolutions] = tuple) -> AudioVectors:
    """The rule for the number of vectors of a clip; the arguments are those of `Mapper.vectors`."""
    return MAPPERS[part.kind].vectors(part, convolutions)


def describe_mapper(part: MapperPart) -> tuple[str, str]:
    """Name and size of a recipe's mapper, in words."""
    return MAPPERS[part.kind].describe(part)
