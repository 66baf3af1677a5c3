"""Load and verify recipes: each defines one system in YAML, optionally as a delta over a base recipe.

The fields are encoder, mapper, LLM, head, adapters, prompt, decoding and training phases. A recipe contains no code.
`emosllm recipes show NAME` prints every default.
"""

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any, Self, get_args

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from emosllm.errors import UserError, did_you_mean
from emosllm.labels import LABEL_SETS, LabelSet, label_set
from emosllm.recipe_parts import (
    AnyMapperPart,
    AudioPart,
    EncoderPart,
    HeadPart,
    InferencePart,
    LlmPart,
    LoraPart,
    MapperPart,
    Part,
    Phase,
    PromptPart,
    TrainingPart,
)
from emosllm.safe_yaml import parse_yaml, read_yaml


class Recipe(Part):
    """One system: an encoder with a mapper and an LLM, an LLM alone, or an encoder with a head."""

    model_config = ConfigDict(defer_build=True)  # checking a mapper needs torch, and importing this module does not

    name: str
    title: str
    source: str = Field(description="paper and section")
    encoder: EncoderPart | None = None
    mapper: AnyMapperPart | None = None
    llm: LlmPart | None = None
    lora: LoraPart | None = None
    head: HeadPart | None = None
    start: str | None = Field(None, description="trained system with the initial mapper and adapters; null: new")
    labels: str = Field(description="name of a label set")
    prompt: PromptPart | None = None
    inference: InferencePart = InferencePart()
    audio: AudioPart = AudioPart()
    phases: Mapping[str, Phase] = Field(description="the curriculum; empty for a system that is used as published")
    training: TrainingPart
    trainable: int | None = Field(None, description="stated count of trained parameters, which a test checks")
    paper: Mapping[str, str | float] = Field(default_factory=dict, description="the paper's figures")
    assumed: tuple[str, ...] = Field((), description="choices that the source does not state")

    @model_validator(mode="after")
    def _check_fields(self) -> Self:
        label_set(self.labels)
        for contradiction in self._contradictions():
            raise ValueError(contradiction)
        return self

    def _contradictions(self) -> Iterator[str]:
        """Yield one sentence for each contradiction between fields."""
        if (self.llm is None) == (self.head is None):
            yield "a system answers through an llm or through a head: give one of the two"
        if self.head is not None and (self.encoder is None or self.mapper or self.lora or self.prompt):
            yield "a head reads an encoder's frames: give encoder, and null for mapper, lora and prompt"
        if self.llm is not None:
            if self.prompt is None:
                yield "an llm needs prompt"
            if (self.encoder is None) != (self.mapper is None):
                yield "encoder and mapper go together: give both, or null for both"
            if self.encoder is None and self.prompt is not None and not self.prompt.transcript:
                yield "without an encoder the llm must read something: set prompt.transcript=true"
            if self.encoder is None and self.prompt is not None and self.prompt.cues:
                yield "cues are measured on recordings, and this system has no encoder: set prompt.cues=null"
            if self.lora is not None and self.lora.mapper:
                if self.mapper is None:
                    yield "lora.mapper: this system has no mapper"
                elif not self.mapper.takes_adapter:
                    yield f"lora.mapper: a {self.mapper.kind} mapper is trained whole and takes no adapter"
        for name, phase in self.phases.items():
            for part in phase.learns:
                if getattr(self, part) is None:
                    yield f"phases.{name}.learns: {part}, and this system has none"
            if phase.asked != {"ser"} and (self.llm is None or self.encoder is None):
                yield f"phases.{name}.tasks: every task but ser needs an encoder and an llm"
            if self.head is not None and phase.loss != "classes":
                yield f"phases.{name}.loss: a head has no tokens; set it to classes"
        if self.uses_transcript and (self.llm is None or self.encoder is None):
            yield f"inference.strategy {self.inference.strategy!r} needs a system that transcribes; use ser"
        if self.inference.transcribes and (self.llm is None or self.encoder is None):
            yield "inference.transcribes: only a system with encoder and llm can transcribe; set it to false or null"
        if self.inference.answer == "generate" and self.llm is None:
            yield "inference.answer 'generate' needs an llm"
        if self.inference.fallback is not None and self.inference.fallback not in self.label_set.names:
            yield f"inference.fallback {self.inference.fallback!r} is not a class of {self.labels}"

    @property
    def uses_transcript(self) -> bool:
        """Whether answers depend on a transcript, which the system writes itself if none is given."""
        return self.inference.strategy != "ser"

    @property
    def transcribes(self) -> bool:
        """Whether the system transcribes: as the recipe states, and by default if a phase trains transcription."""
        if self.inference.transcribes is not None:
            return self.inference.transcribes
        return any(phase.asked != {"ser"} for phase in self.phases.values())

    @property
    def label_set(self) -> LabelSet:
        """The classes this system answers with."""
        return LABEL_SETS[self.labels]

    @property
    def models(self) -> list[str]:
        """The published models that the system uses, each once."""
        parts = (self.encoder, self.mapper, self.llm, self.head)
        return list(dict.fromkeys(name for part in parts if (name := getattr(part, "model", None)) is not None))

    @property
    def trained_parts(self) -> set[str]:
        """The parts that any phase trains."""
        return {part for phase in self.phases.values() for part in phase.learns}

    @property
    def unpublished(self) -> list[str]:
        """The parts without published weights; they are random until they are trained."""
        parts = {"mapper": self.mapper, "head": self.head}
        return [name for name, part in parts.items() if part is not None and getattr(part, "model", None) is None]


def recipe_names() -> list[str]:
    """Return the names of the recipes in the package, without the base recipes."""
    found = [Path(entry.name).stem for entry in files("emosllm.recipes").iterdir() if entry.name.endswith(".yaml")]
    return sorted(name for name in found if not name.startswith("_"))


def load_recipe(name: str | Path, overrides: Sequence[str] = ()) -> Recipe:
    """Load a recipe by its name or from a file, and apply `key=value` overrides.

    Args:
        name: a name of `recipe_names()`, or the path of a YAML file (which may `include: NAME`).
        overrides: such as `lora.rank=16` or `phases.p3.epochs=2`; values are YAML.

    Raises:
        UserError: the recipe does not exist, is not valid YAML, has an unknown key (the message lists the known ones),
            or has an invalid value.
    """
    tree = _read(str(name), seen=())
    for override in overrides:
        tree = _merge(tree, _override(override))
    return parse(tree, str(name))


def parse(tree: Mapping[str, Any], origin: str) -> Recipe:
    """Verify a tree of plain values, such as a checkpoint's stored recipe.

    Args:
        tree: nested dicts as YAML or JSON gives them.
        origin: name of the recipe in errors.
    """
    try:
        return Recipe.model_validate(tree)
    except ValidationError as error:
        raise UserError(f"recipe {origin}: {_explain(error)}") from None


def dump(recipe: Recipe) -> str:
    """Return the whole recipe as YAML, with every default."""
    return yaml.safe_dump(recipe.model_dump(mode="json"), sort_keys=False, allow_unicode=True, width=110)


def _read(name: str, seen: tuple[str, ...], folder: Path | None = None) -> dict[str, Any]:
    """Read a recipe file and merge it over the recipe that it includes."""
    place = _find(name, folder)
    if str(place) in seen:
        raise UserError(f"recipe {name} includes itself: {' -> '.join((*seen, str(place)))}")
    tree = read_yaml(place, f"recipe {name} is")
    if not isinstance(tree, dict):
        raise UserError(f"recipe {name} is not a mapping of keys to values")
    base = tree.pop("include", None)
    return tree if base is None else _merge(_read(str(base), (*seen, str(place)), place.parent), tree)


def _find(name: str, folder: Path | None) -> Path:
    """Find a recipe's file: by its name in the package, or by its path, relative to `folder` for an included file."""
    shipped = Path(str(files("emosllm.recipes") / f"{name}.yaml"))
    if "/" not in name and shipped.is_file():
        return shipped
    path = ((folder or Path()) / name).resolve()
    if path.suffix in {".yaml", ".yml"} and path.is_file():
        return path
    near = did_you_mean(name, recipe_names())
    raise UserError(
        f"no recipe {name!r}{near}: known are {', '.join(recipe_names())}, or give the path of a .yaml file"
    )


def _merge(base: Mapping[str, Any], delta: Mapping[str, Any]) -> dict[str, Any]:
    """Merge `delta` over `base`: mappings merge key by key, other values are replaced, an empty mapping clears.

    A part of another `kind` has other keys, so it replaces the whole part.
    """
    merged = dict(base)
    for key, value in delta.items():
        old = merged.get(key)
        if value and isinstance(value, Mapping) and isinstance(old, Mapping):
            alike = value.get("kind", old.get("kind")) == old.get("kind")
            merged[key] = _merge(old, value) if alike else value
        else:
            merged[key] = value
    return merged


def _override(text: str) -> dict[str, Any]:
    key, sign, value = text.partition("=")
    if not sign or not key:
        raise UserError(f"override {text!r} is not key=value; for example lora.rank=16")
    tree: Any = parse_yaml(value, f"override {_short_value(text)}: the value {_short_value(value)} is")
    if isinstance(tree, str):
        with contextlib.suppress(ValueError):  # YAML 1.1 reads 5e-4 as a string
            tree = float(tree)
    for part in reversed(key.split(".")):
        tree = {part: tree}
    assert isinstance(tree, dict)
    return tree


def _explain(error: ValidationError) -> str:
    """Describe the first error in one line; for an unknown key, list the known ones."""
    first = error.errors()[0]
    # pydantic adds the kind of a mapper to an error's path; the recipe has no such key.
    kinds = {part.model_fields["kind"].default for part in MapperPart.__subclasses__()}
    where = ".".join(str(step) for step in first["loc"] if step not in kinds)
    if first["type"] == "extra_forbidden":
        return f"unknown key {where!r}; known here: {', '.join(_fields_at(first['loc'][:-1]))}"
    if first["type"] == "missing":
        return f"{where!r} is missing"
    value = first["input"]
    shown = "" if isinstance(value, Mapping) else f", not {_short_value(value)}"
    return f"{where + ': ' if where else ''}{first['msg'].removeprefix('Value error, ')}{shown}"


def _short_value(value: Any) -> str:
    """A value in a message, cut to a line: a recipe may hold a list of thousands."""
    text = repr(value)
    return text if len(text) <= 160 else f"{text[:160]} …"


def _fields_at(path: Sequence[int | str]) -> list[str]:
    """Return the field names of the part at `path`."""
    part: type[BaseModel] = Recipe
    for step in path:
        field = part.model_fields.get(str(step))
        annotation: Any = Phase if part is Recipe and step == "phases" else field and field.annotation
        for kind in _parts_in(annotation) if annotation else ():
            if "kind" not in kind.model_fields or kind.model_fields["kind"].default == path[-1]:
                part = kind
    return list(part.model_fields)


def _parts_in(annotation: Any) -> Iterator[type[BaseModel]]:
    """Yield the parts that an annotation like `Augment | None` allows; for a base, the parts that have it."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield from annotation.__subclasses__() or [annotation]
    for inner in get_args(annotation):
        yield from _parts_in(inner)
