"""Compute what a run needs from the recipe's shapes: downloads, weights, GPU memory and hours.

Hours are an estimate: the counted operations, divided by two fifths of an A100's bfloat16 speed. Real runs need more,
for loading, evaluation and small batches. Not included: idle time of the GPU, and decoding of videos.
"""

from dataclasses import dataclass
from functools import lru_cache

from emosllm.models.build import build_empty
from emosllm.models.description import Description, describe, downloads
from emosllm.recipe import Recipe, dump, parse
from emosllm.recipe_parts import PromptPart
from emosllm.safe_yaml import parse_yaml
from papers.operations import encoder_operations, training_operations
from papers.rows import Corpus

OPERATIONS_PER_SECOND = 0.4 * 312e12  # operations a second: two fifths of an A100's bfloat16 peak; ASSUMED
BASIS = (
    "Memory is the estimate of `emosllm info` for a training step. Hours are the counted operations divided by 125 "
    "TFLOP/s, two fifths of an A100's bfloat16 peak. Both are estimates, without evaluation. The hours assume these "
    "clips:"
)
_GIB = 2**30


@dataclass(frozen=True)
class Requirements:
    """The requirements of training a system on a corpus.

    Attributes:
        gigabytes: of published weights to download.
        weights: number of weights of the whole system.
        trained: number of trained weights in the last phase.
        memory: bytes at the peak of training, estimated.
        hours: of all trainings on one A100, estimated.
        trainings: number of trainings.
    """

    gigabytes: float
    weights: int
    trained: int
    memory: int
    hours: float
    trainings: int

    def text(self) -> str:
        """The text of one cell of the table."""
        sizes = f"{self.weights / 1e9:.2f} B weights ({self.gigabytes:.1f} GB)"
        if not self.trainings:
            return f"{sizes}; no training"
        trained = f"{self.trained / 1e6:.1f} M trained" if self.trained < 1e9 else f"{self.trained / 1e9:.1f} B trained"
        many = f" for {self.trainings} trainings" if self.trainings > 1 else ""
        return f"{sizes}, {trained}; {_gib(self.memory)}; {hours_text(self.hours)}{many}"


def requirements_of(
    recipe: Recipe, corpus: Corpus, folds: int, variants: int = 1, trained: bool = True
) -> Requirements:
    """Compute the requirements of a recipe.

    Args:
        recipe: the system.
        corpus: the training data.
        folds: of a cross-validation, each of which trains on all other parts; 1 trains on everything.
        variants: number of trainings of each fold.
        trained: false if it is only evaluated.
    """
    alike = dump(recipe.model_copy(update={"prompt": recipe.prompt and _without_prompt_options(recipe.prompt)}))
    found, per_clip, per_epoch = _count(alike, corpus.seconds, tuple(corpus.clips.items()))
    share = 1 - 1 / folds if folds > 1 else 1.0
    trainings = folds * variants if trained else 0
    operations = trainings * share * (per_epoch + per_clip * max(corpus.clips.values()))
    fetched = sum(one.gigabytes for one in downloads(recipe).values())
    memory = sum(found.memory.values())
    return Requirements(
        fetched, found.total, found.trainable, memory, operations / OPERATIONS_PER_SECOND / 3600, trainings
    )


@lru_cache
def _count(text: str, seconds: float, clips: tuple[tuple[str, int], ...]) -> tuple[Description, float, float]:
    """The description, the encoder's operations for a clip, and those of all phases over all clips."""
    recipe = parse(parse_yaml(text, "the recipe is"), "of the paper table")
    system = build_empty(recipe)
    many = dict(clips)
    total = 0.0
    for name, phase in recipe.phases.items():
        samples = phase.epochs * many.get("asr" if phase.asked == {"asr"} else "ser", max(many.values()))
        total += samples * training_operations(system, recipe, name, seconds)
    return describe(recipe, system), encoder_operations(system, seconds), total


def _without_prompt_options(prompt: PromptPart) -> PromptPart:
    """Remove settings that change no shape, so that systems which differ only in these are counted once."""
    return prompt.model_copy(update={"examples": 0, "cues": None, "gender": False})


def _gib(count: int) -> str:
    return f"{count / _GIB:.0f} GiB" if count >= _GIB else f"{count / _GIB:.1f} GiB"


def hours_text(hours: float) -> str:
    """Round hours to two figures, the precision of the estimate."""
    if hours < 1:
        return f"{max(1, round(60 * hours))} min"
    return f"{hours:.1f} h" if hours < 10 else f"{float(f'{hours:.2g}'):g} h"
