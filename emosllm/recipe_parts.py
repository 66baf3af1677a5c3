"""The parts of a recipe as frozen, verified models: encoder, mapper, LLM, head, adapters, prompt, training.

A system is encoder, mapper and LLM, or encoder and head, or an LLM alone; `Recipe` (emosllm.recipe) checks the
combination. Field names are the keys of a recipe file.
"""

from collections.abc import Mapping
from importlib import import_module
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, GetCoreSchemaHandler, model_validator
from pydantic_core import CoreSchema, core_schema

from emosllm.augmentation import Augment

Task = Literal["asr", "ser", "joint"]
TrainablePart = Literal["mapper", "lora", "head"]
Strategy = Literal["ser", "transcript-in-prompt", "transcript-first"]
Answer = Literal["score", "generate"]
Metric = Literal["ua", "wa", "macro_f1", "weighted_f1"]
CueSetName = Literal["praat", "librosa"]  # each a module of emosllm/prompting/cues
Window = Literal["model", "clip"]
Normalise = Literal["none", "clip", "statistics"]

#: strategy -> the task that asks for the emotion, and the task whose answer contains the transcript that it depends on.
EMOTION_TASK: Mapping[Strategy, Task] = {"ser": "ser", "transcript-in-prompt": "ser", "transcript-first": "joint"}
TRANSCRIPT_TASK: Mapping[Strategy, Task] = {"ser": "asr", "transcript-in-prompt": "asr", "transcript-first": "joint"}


def _layers(value: object) -> object:
    """Check the choice of layers here, because pydantic would report one error for each alternative type."""
    if isinstance(value, str) and value in ("last", "weighted"):
        return value
    several = isinstance(value, list | tuple)
    given = list(value) if isinstance(value, list | tuple) else [value]
    numbers = [number for number in given if isinstance(number, int) and not isinstance(number, bool) and number >= 0]
    if len(numbers) < max(len(given), 1 + several) or numbers != sorted(set(numbers)):
        raise ValueError(
            "give last, weighted, the number of a layer (0 is what enters the first), or several in ascending order "
            "([2, 3])"
        )
    return tuple(numbers) if several else value


#: Which hidden states are read; `last` includes the encoder's final norm, the others do not.
Layers = Annotated[Literal["last", "weighted"] | int | tuple[int, ...], BeforeValidator(_layers)]


class Part(BaseModel):
    """Base of all parts of a recipe: frozen, and an unknown key is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class EncoderPart(Part):
    """The frozen speech encoder."""

    model: str = Field(description="Hub id, local folder, or builtin:NAME, of a speech encoder, or of a model with one")
    layers: Layers = Field(
        "last", description="last, the number of one layer, weighted: a learned mean of all, or of those in a list"
    )
    window: Window = Field("model", description="clip reads a fixed-window encoder on the clip's own length")
    normalise: Normalise = Field(
        "none", description="of each state's frames: by the clip's own mean and deviation, or the training set's"
    )

    @property
    def mixes(self) -> bool:
        """Whether several hidden states are read, which the mapper or head combines into one."""
        return self.layers == "weighted" or isinstance(self.layers, tuple)


class MapperPart(Part):
    """Base of the options of a mapper. Each kind has its own options, beside its network in `emosllm.models.mappers`.

    Attributes:
        takes_adapter: whether `lora.mapper` may put adapters on its linear layers.
        kind: name of the mapper's module.
    """

    takes_adapter: ClassVar[bool] = False
    kind: str


class _EveryKind:
    """Annotation of a field that allows the options of every kind of mapper."""

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """Load the mappers by name when the first recipe is checked: they need torch and are above this module."""
        mappers = import_module("emosllm.models.mappers").MAPPERS
        options = {kind: handler.generate_schema(mapper.part) for kind, mapper in mappers.items()}
        return core_schema.tagged_union_schema(options, discriminator="kind")


AnyMapperPart = Annotated[MapperPart, _EveryKind()]


class LlmPart(Part):
    """The causal LM."""

    model: str = Field(description="Hub id, local folder, or builtin:NAME, of a causal LM, or of a model with one")
    file: str | None = Field(None, description="GGUF file of the model that holds the LLM; null is its safetensors")


class HeadPart(Part):
    """Classify frames without an LLM: transformer layers, pooling over time, one linear layer."""

    layers: int = Field(1, ge=0)
    width: int = Field(1024, ge=1, description="of the transformer layers; unused where there are none")
    heads: int = Field(8, ge=1)
    feedforward: int = Field(512, ge=1, description="width of the feed-forward block")
    dropout: float = Field(0.1, ge=0, lt=1)
    pooling: Literal["mean", "attention"] = "mean"
    model: str | None = Field(None, description="published model that provides the initial head; null: untrained")

    @model_validator(mode="after")
    def _can_be_built(self) -> Self:
        if self.layers and self.width % self.heads:
            raise ValueError(f"head.width {self.width} is not a multiple of head.heads {self.heads}")
        if self.model is not None and (self.layers or self.pooling != "mean"):
            raise ValueError("head.model: published heads are linear on the mean; set head.layers=0 and pooling=mean")
        return self


class LoraPart(Part):
    """Low-rank adapters on the LLM (Hu et al. 2021): W + (alpha / rank) B A."""

    rank: int = Field(8, ge=1)
    alpha: float = Field(16, gt=0)
    dropout: float = Field(0.0, ge=0, lt=1)
    targets: tuple[str, ...] = Field(min_length=1, description="names of the linear layers that get an adapter")
    mapper: bool = Field(False, description="an adapter on the linear layer of the mapper too")


class PromptPart(Part):
    """The content of the LLM's prompt."""

    templates: str = Field("default", description="prompts shipped under that name, or a YAML file of your own")
    transcript: bool = Field(False, description="the utterance's own transcript in the user turn, always")
    examples: Literal[0, 1, 2] = Field(1, description="format examples in the user turn (n-shot hint)")
    cues: CueSetName | None = Field(None, description="acoustic properties in words; null: none")
    gender: bool = Field(False, description="the speaker's gender, where known")
    shuffle_emotions: bool = Field(True, description="a new order of the emotions for every training sample")


class InferencePart(Part):
    """How a trained system answers."""

    strategy: Strategy = "ser"
    transcribes: bool | None = Field(
        None, description="whether its transcripts are shown; null: only if a phase trains asr or joint"
    )
    max_new_tokens: int = Field(128, ge=1, description="longest transcript or free answer, in tokens")
    answer: Answer = Field("score", description="score the labels, or generate text and search it for a label")
    fallback: str | None = Field(None, description="class of a generated text without a label; null counts as wrong")


class AudioPart(Part):
    """Length and level of an utterance's audio."""

    max_seconds: float = Field(30.0, gt=0, description="longer recordings are an error; they are not cut")
    level: float | None = Field(
        None, le=0, description="dBFS to which the loud parts of every clip are scaled; null leaves levels unchanged"
    )
    beyond_window: Literal["refuse", "windows"] = Field(
        "refuse", description="clips longer than the encoder's own window: an error, or read window by window"
    )


class Optimiser(Part):
    """AdamW with warm-up, per phase; with weight decay 0 it is Adam."""

    learning_rate: float = Field(gt=0)
    weight_decay: float = Field(0.0, ge=0)
    batch_size: int = Field(ge=1, description="samples per weight update over all processes and accumulation steps")
    warmup: float = Field(0.0, ge=0, lt=1, description="share of the phase's updates")
    schedule: Literal["linear", "cosine", "constant"] = "linear"
    max_grad_norm: float = Field(1.0, gt=0)


class Phase(Part):
    """One phase of the curriculum."""

    learns: tuple[TrainablePart, ...] = Field(min_length=1)
    tasks: Mapping[Task, float] = Field(description="task -> share of the samples")
    corpora: tuple[str, ...] | None = Field(None, description="names in the manifest's corpus column; null is all")
    epochs: float = Field(gt=0, description="passes over the utterances that fit the tasks")
    loss: Literal["tokens", "classes"] = Field(
        "tokens", description="cross-entropy over the answer's tokens, or over the scores of the emotions"
    )
    class_weights: Literal["none", "balanced"] = Field(
        "none", description="of the loss over classes; balanced is N / (classes x clips of the class)"
    )
    transcript_weight: tuple[float, float] = Field(
        (1.0, 1.0), description="weight of the transcript's tokens in the loss at the start and the end; linear"
    )
    optimiser: Optimiser

    @model_validator(mode="after")
    def _shares(self) -> Self:
        if not self.tasks or any(share < 0 for share in self.tasks.values()) or sum(self.tasks.values()) <= 0:
            raise ValueError(f"phase.tasks {dict(self.tasks)} are not shares: give each task a number above 0")
        if self.loss == "classes" and self.asked != {"ser"}:
            raise ValueError(f"phase.loss 'classes' compares emotions only; tasks are {', '.join(sorted(self.asked))}")
        if self.loss == "tokens" and self.class_weights != "none":
            raise ValueError(f"phase.class_weights {self.class_weights!r} need phase.loss 'classes'; set them to none")
        return self

    @property
    def asked(self) -> set[Task]:
        """The tasks that have a share."""
        return {task for task, share in self.tasks.items() if share > 0}


class TrainingPart(Part):
    """Settings of a training run: random numbers, speed and memory, validation, augmentation and sampling."""

    seed: int = Field(0, ge=0)
    micro_batch: int = Field(8, ge=1, description="samples per forward pass and process")
    precision: Literal["float32", "bfloat16"] = "float32"
    gradient_checkpointing: bool = False
    workers: int = Field(0, ge=0, description="processes that load audio")
    evaluations: int = Field(5, ge=1, description="validations per phase that trains emotions")
    choose_by: Metric = Field("ua", description="metric on val that selects the weights to keep")
    save_every: int = Field(200, ge=1, description="weight updates between checkpoints")
    augmentation: Augment | None = Field(
        None, description="changes to the recordings; null caches the encoder's frames"
    )
    views: int = Field(0, ge=0, description="augmented versions of each recording, made once; 0: a new one each time")
    balance: bool = Field(False, description="draw every class of every corpus equally often")

    @property
    def kept_views(self) -> int:
        """Number of augmented versions of each recording that are made once; 0 without augmentation."""
        return self.views if self.augmentation is not None else 0
