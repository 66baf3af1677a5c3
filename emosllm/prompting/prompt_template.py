"""Prompt templates in YAML files, validated when they are loaded, so that errors are reported early and in one line."""

from collections.abc import Mapping
from functools import lru_cache
from importlib.resources import files
from pathlib import Path
from typing import Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from emosllm.errors import UserError, first_fault
from emosllm.labels import FINER, LETTERS
from emosllm.recipe import Recipe
from emosllm.recipe_parts import EMOTION_TASK, Task
from emosllm.safe_yaml import read_yaml

_PLACES = (
    ("audio", "{audio}"),
    ("options", "{options}"),
    ("transcript_hint", "{transcript}"),
    ("examples_intro", "{examples}"),
    ("gender_hint", "{gender}"),
    ("cues_intro", "{cues}"),
    ("cue", "{name}"),
    ("cue", "{level}"),
)


class Templates(BaseModel):
    """The templates of one file; `prompts/default.yaml` explains each field. Unused fields may be omitted."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    system: str = ""
    audio: str | None = None
    options: str | None = None
    words: Mapping[str, str] = Field(default_factory=dict)
    tokens: tuple[str, ...] = ()
    tasks: Mapping[Task, tuple[str, ...]]
    answers: Mapping[Task, str]
    transcript_hint: str | None = None
    examples_intro: str | None = None
    examples: tuple[tuple[str, str], ...] = ()
    gender_hint: str | None = None
    cues_intro: tuple[str, ...] | None = Field(None, min_length=1)
    cue: str = "{name} {level}"

    @model_validator(mode="after")
    def _complete(self) -> Self:
        for task in sorted({*self.tasks, *self.answers}):
            if not self.tasks.get(task):
                raise ValueError(f"tasks.{task} has no prompt")
            for field, wanted in (("{transcript}", task != "ser"), ("{emotion}", task != "asr")):
                if self.answers.get(task, "").count(field) != wanted:
                    raise ValueError(
                        f"answers.{task} must {'hold' if wanted else 'not hold'} {field}{' once' * wanted}"
                    )
        for name, field in _PLACES:
            texts = getattr(self, name) or ()
            if any(text.count(field) != 1 for text in ([texts] if isinstance(texts, str) else texts)):
                raise ValueError(f"{name} must hold {field} once")
        unknown = [emotion for _, emotion in self.examples if emotion not in LETTERS]
        if unknown:
            raise ValueError(f"examples: unknown emotion {unknown[0]!r}; known are {', '.join(LETTERS)}")
        if len(set(self.words.values())) < len(self.words):
            raise ValueError("words: two emotions have the same word, so an answer would be ambiguous")
        return self

    def code(self, emotion: str) -> str:
        """The text of an emotion in an answer: its word if the file has words, else its letter, else its name."""
        known = self.words or LETTERS
        return known[emotion] if emotion in known or emotion not in FINER else emotion.replace("_", " ")

    def option(self, emotion: str) -> str:
        """The text of an emotion in the list of options: its word, or letter and name, or its name without a letter."""
        lettered = not self.words and emotion in LETTERS
        return f"{LETTERS[emotion]} {emotion}" if lettered else self.code(emotion)

    def check(self, recipe: Recipe) -> None:
        """Refuse a recipe that needs a text which these templates lack.

        Raises:
            UserError: a text is missing, or two emotions have the same text.
        """
        assert recipe.prompt is not None
        prompt = recipe.prompt
        strategy = recipe.inference.strategy
        tasks = {task for phase in recipe.phases.values() for task in phase.asked} | {EMOTION_TASK[strategy]}
        wanted = {
            "audio": recipe.encoder is not None,
            "transcript_hint": prompt.transcript or strategy == "transcript-in-prompt",
            "examples_intro": prompt.examples > 0,
            "gender_hint": prompt.gender,
            "cues_intro": prompt.cues is not None,
        }
        missing = [f"tasks.{task}" for task in sorted(tasks) if task not in self.tasks]
        missing += [name for name, needed in wanted.items() if needed and not getattr(self, name)]
        sayable = {*(self.words or LETTERS), *FINER}
        missing += [f"words.{name}" for name in recipe.label_set.names if name not in sayable]
        codes = [self.code(name) for name in recipe.label_set.names if name in sayable]
        if twice := {code for code in codes if codes.count(code) > 1}:
            raise UserError(
                f"prompts {prompt.templates}: two emotions of {recipe.labels} are both called {min(twice)!r}"
            )
        if missing:
            raise UserError(
                f"prompts {prompt.templates}: {', '.join(missing)} missing, which recipe {recipe.name} needs; add "
                "it in a prompt file of your own, or change the recipe"
            )


def check_templates(recipe: Recipe) -> None:
    """Refuse a recipe whose prompt templates do not exist or lack a text that it needs.

    Raises:
        UserError: the templates do not exist, or a text is missing.
    """
    if recipe.prompt is not None:
        load_templates(recipe.prompt.templates).check(recipe)


@lru_cache(maxsize=8)
def load_templates(name: str) -> Templates:
    """Load the packaged templates called `name`, or the user's YAML file at that path.

    Raises:
        UserError: there are no such templates, or the file does not have the fields of `prompts/default.yaml`.
    """
    shipped = files("emosllm.prompting") / "prompts" / f"{name}.yaml"
    if "/" not in name and shipped.is_file():
        path = Path(str(shipped))
    elif Path(name).is_file():
        path = Path(name)
    else:
        known = sorted(Path(entry.name).stem for entry in (files("emosllm.prompting") / "prompts").iterdir())
        raise UserError(f"no prompts {name!r}: known are {', '.join(known)}, or give the path of a YAML file")
    try:
        return Templates.model_validate(read_yaml(path, f"prompts {name} are"))
    except ValidationError as error:
        raise UserError(f"prompts {name}: {first_fault(error)}") from None
