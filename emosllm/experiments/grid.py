"""A grid: `key=v1,v2,v3` overrides as all their combinations, each a verified recipe.

An override without a comma holds for all. Commas inside brackets, braces and quotes belong to the value, so that
`lora.targets=[q_proj,v_proj],[k_proj]` is two lists.
"""

import hashlib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product
from typing import Any

from emosllm.errors import UserError
from emosllm.experiments.data.transform import Reshaping
from emosllm.experiments.scoring_options import Asking
from emosllm.labels import LabelSet
from emosllm.recipe import Recipe, load_recipe

_OPEN, _CLOSE, _QUOTES = "[{(", "]})", "\"'"


@dataclass(frozen=True)
class Variant:
    """One system of an experiment.

    Attributes:
        name: for people, `lora.rank=16 lora.alpha=32`.
        values: what distinguishes it, key -> value as the user wrote it.
        recipe: what is trained.
        labels: the classes it is scored in; the recipe's where `None`.
        system: a trained system, or a recipe as published, that is scored as it is; `None` is trained.
        overrides: to such a published recipe.
        reshaping: what is done to its data.
        asking: how it is asked, beyond its recipe.
    """

    name: str
    values: Mapping[str, str]
    recipe: Recipe
    labels: LabelSet | None = None
    system: str | None = None
    overrides: tuple[str, ...] = ()
    reshaping: Reshaping = field(default_factory=Reshaping)
    asking: Asking = field(default_factory=Asking)

    @property
    def classes(self) -> LabelSet:
        """The classes it is scored in."""
        return self.labels or self.recipe.label_set

    def training_recipe(self, seed: int) -> Recipe:
        """What is trained, with the seed of one training."""
        training = self.recipe.training.model_copy(update={"seed": seed})
        return self.recipe.model_copy(update={"training": training})

    def training_key(self, chooses: bool) -> str:
        """Names the trainings that this variant needs; variants with one key share them.

        How a system is asked is no part of its training, unless its weights are chosen by asking it.
        """
        if chooses:
            return f"{_slug(self._told(asked=True))}-{_digest(self.recipe, self.reshaping.training)}"
        asked = self.recipe.inference.model_copy(update={"strategy": "ser", "answer": "score"})
        trained = self.recipe.model_copy(update={"inference": asked})
        return f"{_slug(self._told(asked=False))}-{_digest(trained, self.reshaping.training)}"

    @property
    def key(self) -> str:
        """Names this variant's figures."""
        facts = (self.recipe, self.reshaping, self.classes.names, self.system, self.overrides)
        asked = () if self.asking == Asking() else (self.asking,)  # folders of plain experiments keep their names
        return _slug(self._told(asked=True)) + "-" + _digest(*facts, *asked)

    def _told(self, asked: bool) -> str:
        values = {k: v for k, v in self.values.items() if asked or not k.startswith("inference.")}
        return "_".join(f"{key}={value}" for key, value in values.items()) or self.recipe.name


def read_grid(name: str, overrides: Sequence[str]) -> tuple[list[Variant], dict[str, list[str]]]:
    """All combinations of the overrides that have several values.

    Args:
        name: of a recipe, or its file.
        overrides: `key=value`, or `key=v1,v2,v3`.

    Returns:
        The variants, the last key's values changing first, and the swept keys with their values.

    Raises:
        UserError: a combination is no recipe, a key or a value that is there twice.
    """
    keys: dict[str, list[str]] = {}
    for text in overrides:
        key, sign, value = text.partition("=")
        if key in keys:
            raise UserError(f"{key} is given twice; give its values in one word, with commas")
        keys[key] = split_values(value) if sign else []
        if doubled := {each for each in keys[key] if keys[key].count(each) > 1}:
            raise UserError(f"{key} has the value {min(doubled)} twice; give each once")
    swept = {key: values for key, values in keys.items() if len(values) > 1}
    fixed = [text for text in overrides if text.partition("=")[0] not in swept]
    variants = []
    for combination in product(*swept.values()):
        values = dict(zip(swept, combination, strict=True))
        said = [f"{key}={value}" for key, value in values.items()]
        variants.append(Variant(" ".join(said) or "as it is", values, load_recipe(name, [*fixed, *said])))
    return variants, swept


def split_values(text: str) -> list[str]:
    """The values between commas, stripped; commas in brackets and quotes separate nothing.

    Raises:
        UserError: a value is empty.
    """
    values = ["".join(part).strip() for part in _parts(text)]
    if len(values) > 1 and not all(values):
        raise UserError(f"{text!r} has a comma without a value beside it; remove it")
    return values


def _parts(text: str) -> Iterator[list[str]]:
    part: list[str] = []
    depth, quote = 0, ""
    for letter in text:
        if quote:
            quote = "" if letter == quote else quote
        elif letter in _QUOTES:
            quote = letter
        else:
            depth += (letter in _OPEN) - (letter in _CLOSE)
            if letter == "," and depth == 0:
                yield part
                part = []
                continue
        part.append(letter)
    yield part


def digest_of(key: str) -> str:
    """The word of a key that decides; the others are for people."""
    return key.rpartition("-")[2]


def _slug(text: str) -> str:
    """Letters, digits and a few signs, so that it is a file's name everywhere."""
    return re.sub(r"[^\w.=+-]+", "-", text)[:80].strip("-.") or "run"


def _digest(*things: Any) -> str:
    plain = [thing.model_dump(mode="json") if isinstance(thing, Recipe) else repr(thing) for thing in things]
    return hashlib.blake2b(json.dumps(plain, sort_keys=True).encode(), digest_size=4).hexdigest()
