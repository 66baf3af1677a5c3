"""A recipe: one system, stated once, as a delta over a base; frozen, verified, and found by name.

The columns of the house's one table (encoder, mapper, LLM, what learns, prompt and decoding) are the fields below.
There is no code in a recipe, and no default that `emosllm recipes show NAME` does not print.
"""

import contextlib
from collections.abc import Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal, Self, get_args

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from emosllm.augment import Augment
from emosllm.errors import UserError
from emosllm.labels import LABEL_SETS, LETTERS, LabelSet, label_set

Task = Literal["asr", "ser", "joint"]
Learner = Literal["mapper", "lora"]
Strategy = Literal["ser", "transcript-in-prompt", "transcript-first"]


class Part(BaseModel):
    """What all parts of a recipe share: frozen, and a key that nobody knows is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class EncoderPart(Part):
    """The frozen speech encoder."""

    model: str = Field(description="Hub id, local folder, or builtin:NAME, of a speech encoder of transformers")


class MapperPart(Part):
    """Encoder frames in, vectors of the LLM's width out (QPMapper: Vallaeys et al. 2024)."""

    kind: Literal["qp"] = "qp"
    queries: int = Field(32, ge=1, description="learned queries = audio vectors the LLM reads")
    layers: int = Field(2, ge=1)
    heads: int = Field(8, ge=1)
    width: int = Field(768, ge=1)
    feedforward: int = Field(768, ge=1, description="width of the feed-forward block")
    dropout: float = Field(0.1, ge=0, lt=1)

    @model_validator(mode="after")
    def _heads_divide(self) -> Self:
        if self.width % self.heads:
            raise ValueError(f"mapper.width {self.width} is not a multiple of mapper.heads {self.heads}")
        return self


class LlmPart(Part):
    """The causal LM."""

    model: str = Field(description="Hub id, local folder, or builtin:NAME, of a causal LM of transformers")


class LoraPart(Part):
    """Low-rank adapters on the LLM (Hu et al. 2021): W + (alpha / rank) B A."""

    rank: int = Field(8, ge=1)
    alpha: float = Field(16, gt=0)
    dropout: float = Field(0.0, ge=0, lt=1)
    targets: tuple[str, ...] = Field(min_length=1, description="names of the linear layers that get an adapter")


class PromptPart(Part):
    """What the LLM is told."""

    templates: str = Field("default", description="prompts shipped under that name, or a YAML file of your own")
    examples: Literal[0, 1, 2] = Field(1, description="format examples in the user turn (n-shot hint)")
    cues: bool = Field(False, description="loudness, pitch, pitch range, jitter, shimmer in words")
    gender: bool = Field(False, description="the speaker's gender, where known")
    shuffle_emotions: bool = Field(True, description="a new order of the emotions for every training sample")


class InferencePart(Part):
    """How a trained system is asked."""

    strategy: Strategy = "transcript-first"
    max_new_tokens: int = Field(128, ge=1, description="longest transcript, in tokens")


class AudioPart(Part):
    """What counts as one utterance."""

    max_seconds: float = Field(30.0, gt=0, description="longer recordings are refused, never cut in silence")


class Optimiser(Part):
    """AdamW with warm-up, per phase."""

    learning_rate: float = Field(gt=0)
    weight_decay: float = Field(0.0, ge=0)
    batch_size: int = Field(ge=1, description="samples per weight update over all processes and accumulation steps")
    warmup: float = Field(0.0, ge=0, lt=1, description="share of the phase's updates")
    schedule: Literal["linear", "cosine", "constant"] = "linear"
    max_grad_norm: float = Field(1.0, gt=0)


class Phase(Part):
    """One phase of the curriculum."""

    learns: tuple[Learner, ...] = Field(min_length=1)
    tasks: Mapping[Task, float] = Field(description="task -> share of the samples")
    corpora: tuple[str, ...] | None = Field(None, description="names in the manifest's corpus column; null is all")
    epochs: float = Field(gt=0, description="passes over the utterances that fit the tasks")
    transcript_weight: tuple[float, float] = Field(
        (1.0, 1.0), description="weight of the transcript's tokens in the loss at the start and the end; linear"
    )
    optimiser: Optimiser

    @model_validator(mode="after")
    def _shares(self) -> Self:
        if not self.tasks or any(share < 0 for share in self.tasks.values()) or sum(self.tasks.values()) <= 0:
            raise ValueError(f"phase.tasks {dict(self.tasks)} are not shares: give each task a number above 0")
        return self


class TrainingPart(Part):
    """How a run is carried out; changes speed and memory, not what is learned."""

    seed: int = Field(0, ge=0)
    micro_batch: int = Field(8, ge=1, description="samples per forward pass and process")
    precision: Literal["float32", "bfloat16"] = "float32"
    gradient_checkpointing: bool = False
    workers: int = Field(0, ge=0, description="processes that load audio")
    evaluations: int = Field(5, ge=1, description="validations per phase that trains emotions")
    save_every: int = Field(200, ge=1, description="weight updates between checkpoints")
    augmentation: Augment | None = Field(
        None, description="changes to the recordings; null caches the encoder's frames"
    )
    balance: bool = Field(False, description="draw every class of every corpus equally often")


class Recipe(Part):
    """A system, whole."""

    name: str
    title: str
    source: str = Field(description="paper and section")
    encoder: EncoderPart
    mapper: MapperPart
    llm: LlmPart
    lora: LoraPart
    start: str | None = Field(None, description="trained system whose mapper and adapters to begin with; null is anew")
    labels: str = Field(description="name of a label set")
    prompt: PromptPart
    inference: InferencePart
    audio: AudioPart
    phases: Mapping[str, Phase] = Field(min_length=1)
    training: TrainingPart
    trainable: int | None = Field(None, description="stated count of trained parameters; a test holds the recipe to it")
    paper: Mapping[str, str | float] = Field(default_factory=dict, description="the paper's figures")
    assumed: tuple[str, ...] = Field((), description="what the source does not say and we chose")

    @model_validator(mode="after")
    def _labels_known(self) -> Self:
        unnamed = [name for name in label_set(self.labels).names if name not in LETTERS]
        if unnamed:
            raise ValueError(f"labels: {self.labels} has {', '.join(unnamed)}, and no letter to answer that with")
        return self

    @property
    def label_set(self) -> LabelSet:
        """The classes this system answers with."""
        return LABEL_SETS[self.labels]


def names() -> list[str]:
    """The recipes that come with the package, without the bases that they build on."""
    found = [Path(entry.name).stem for entry in files("emosllm.recipes").iterdir() if entry.name.endswith(".yaml")]
    return sorted(name for name in found if not name.startswith("_"))


def load_recipe(name: str | Path, overrides: Sequence[str] = ()) -> Recipe:
    """Read a recipe by its name or from a file, with `key=value` overrides on top.

    Args:
        name: a name of `names()`, or the path of a YAML file (which may `include: NAME`).
        overrides: such as `lora.rank=16` or `phases.p3.epochs=2`; values are YAML.

    Raises:
        UserError: no such recipe, broken YAML, a key nobody knows (the known ones are listed), a value that does not
            fit.
    """
    tree = _read(str(name), seen=())
    for override in overrides:
        tree = _merge(tree, _override(override))
    return parse(tree, str(name))


def parse(tree: Mapping[str, Any], origin: str) -> Recipe:
    """Verify a tree of plain values, such as a checkpoint's stored recipe.

    Args:
        tree: nested dicts as YAML or JSON gives them.
        origin: what an error calls it.
    """
    try:
        return Recipe.model_validate(tree)
    except ValidationError as error:
        raise UserError(f"recipe {origin}: {_explain(error)}") from None


def dump(recipe: Recipe) -> str:
    """The whole recipe as YAML, every default written out."""
    return yaml.safe_dump(recipe.model_dump(mode="json"), sort_keys=False, allow_unicode=True, width=110)


def _read(name: str, seen: tuple[str, ...], folder: Path | None = None) -> dict[str, Any]:
    """The tree of a recipe file with everything it includes merged below it."""
    place = _find(name, folder)
    if str(place) in seen:
        raise UserError(f"recipe {name} includes itself: {' -> '.join((*seen, str(place)))}")
    try:
        tree = yaml.safe_load(place.read_bytes())
    except yaml.MarkedYAMLError as error:
        line = f"line {error.problem_mark.line + 1}: " if error.problem_mark else ""
        raise UserError(f"recipe {name} is not YAML: {line}{error.problem or error.context}; mend it") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise UserError(f"recipe {name} is not YAML: {' '.join(str(error).split())}; mend it") from None
    if not isinstance(tree, dict):
        raise UserError(f"recipe {name} is not a mapping of keys to values")
    base = tree.pop("include", None)
    return tree if base is None else _merge(_read(str(base), (*seen, str(place)), place.parent), tree)


def _find(name: str, folder: Path | None) -> Path:
    """The file of a recipe: one of ours by its name, or the path of the user's own, from `folder` where it includes."""
    shipped = Path(str(files("emosllm.recipes") / f"{name}.yaml"))
    if "/" not in name and shipped.is_file():
        return shipped
    path = ((folder or Path()) / name).resolve()
    if path.suffix in {".yaml", ".yml"} and path.is_file():
        return path
    raise UserError(f"no recipe {name!r}: known are {', '.join(names())}, or give the path of a .yaml file")


def _merge(base: Mapping[str, Any], delta: Mapping[str, Any]) -> dict[str, Any]:
    """`delta` over `base`: mappings merge key by key, everything else is replaced; an empty mapping clears."""
    merged = dict(base)
    for key, value in delta.items():
        both = isinstance(value, Mapping) and isinstance(merged.get(key), Mapping) and value
        merged[key] = _merge(merged[key], value) if both else value
    return merged


def _override(text: str) -> dict[str, Any]:
    key, sign, value = text.partition("=")
    if not sign or not key:
        raise UserError(f"override {text!r} is not key=value; for example lora.rank=16")
    try:
        tree: Any = yaml.safe_load(value)
    except yaml.YAMLError:
        raise UserError(f"override {text!r}: the value {value!r} is not YAML") from None
    if isinstance(tree, str):
        with contextlib.suppress(ValueError):  # YAML 1.1 reads 5e-4 as a word; a number is what was meant
            tree = float(tree)
    for part in reversed(key.split(".")):
        tree = {part: tree}
    assert isinstance(tree, dict)
    return tree


def _explain(error: ValidationError) -> str:
    """The first mistake in one line, with the keys known at that place where one was not known."""
    first = error.errors()[0]
    where = ".".join(str(part) for part in first["loc"])
    if first["type"] == "extra_forbidden":
        return f"unknown key {where!r}; known here: {', '.join(_fields_at(first['loc'][:-1]))}"
    if first["type"] == "missing":
        return f"{where!r} is missing"
    value = first["input"]
    shown = "" if isinstance(value, Mapping) else f", not {value!r}"
    return f"{where + ': ' if where else ''}{first['msg'].removeprefix('Value error, ')}{shown}"


def _fields_at(path: Sequence[int | str]) -> list[str]:
    """The field names of the part that `path` leads to."""
    part: type[BaseModel] = Recipe
    for step in path:
        field = part.model_fields.get(str(step))
        annotation: Any = Phase if part is Recipe and step == "phases" else field and field.annotation
        for kind in (annotation, *get_args(annotation)):  # `Augment | None` is an Augment here
            if isinstance(kind, type) and issubclass(kind, BaseModel):
                part = kind
    return list(part.model_fields)
