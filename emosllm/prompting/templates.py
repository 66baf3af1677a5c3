"""The prompts as data: a YAML file, verified when it is read, so that a user's own file fails early and in one line."""

from collections.abc import Mapping
from functools import lru_cache
from importlib.resources import files
from pathlib import Path
from typing import Self

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from emosllm.errors import UserError
from emosllm.labels import LETTERS
from emosllm.recipe import Task

TASKS: tuple[Task, ...] = ("asr", "ser", "joint")

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
    """A file of prompts; `prompts/default.yaml` explains each field."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    system: str
    audio: str
    options: str
    tasks: Mapping[Task, tuple[str, ...]]
    answers: Mapping[Task, str]
    transcript_hint: str
    examples_intro: str
    examples: tuple[tuple[str, str], ...]
    gender_hint: str
    cues_intro: tuple[str, ...] = Field(min_length=1)
    cue: str

    @model_validator(mode="after")
    def _complete(self) -> Self:
        for task in TASKS:
            if not self.tasks.get(task):
                raise ValueError(f"tasks.{task} has no prompt")
            for field, wanted in (("{transcript}", task != "ser"), ("{emotion}", task != "asr")):
                if self.answers.get(task, "").count(field) != wanted:
                    raise ValueError(
                        f"answers.{task} must {'hold' if wanted else 'not hold'} {field}{' once' * wanted}"
                    )
        for name, field in _PLACES:
            texts = getattr(self, name)
            if any(text.count(field) != 1 for text in ([texts] if isinstance(texts, str) else texts)):
                raise ValueError(f"{name} must hold {field} once")
        strangers = [emotion for _, emotion in self.examples if emotion not in LETTERS]
        if strangers:
            raise ValueError(f"examples: unknown emotion {strangers[0]!r}; known are {', '.join(LETTERS)}")
        return self


@lru_cache(maxsize=8)
def load_templates(name: str) -> Templates:
    """The prompts shipped under `name`, or a YAML file of the user's own.

    Raises:
        UserError: no such prompts, or the file does not hold what `prompts/default.yaml` holds.
    """
    shipped = files("emosllm.prompting") / "prompts" / f"{name}.yaml"
    if "/" not in name and shipped.is_file():
        content = shipped.read_bytes()
    elif Path(name).is_file():
        content = Path(name).read_bytes()
    else:
        known = sorted(Path(entry.name).stem for entry in (files("emosllm.prompting") / "prompts").iterdir())
        raise UserError(f"no prompts {name!r}: known are {', '.join(known)}, or give the path of a YAML file")
    try:
        return Templates.model_validate(yaml.safe_load(content))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise UserError(f"prompts {name} are not YAML: {' '.join(str(error).split())}") from None
    except ValidationError as error:
        first = error.errors()[0]
        where = "".join(f"{part}." for part in first["loc"]).removesuffix(".") + ": "
        what = first["msg"].removeprefix("Value error, ")
        raise UserError(f"prompts {name}: {where if first['loc'] else ''}{what}") from None
