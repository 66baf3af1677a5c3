"""Expand a grid of overrides `key=v1,v2,v3` into all combinations, each a validated recipe.

An override without a comma applies to all. Commas inside brackets, braces and quotes belong to the value, so that
`lora.targets=[q_proj,v_proj],[k_proj]` is two lists.
"""

import hashlib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, is_dataclass
from itertools import product
from typing import Any

from emosllm.errors import UserError
from emosllm.experiments.data.data_transform import DataTransform
from emosllm.experiments.scoring_options import ScoringOptions
from emosllm.labels import LabelSet
from emosllm.recipe import Recipe, load_recipe

_OPEN, _CLOSE, _QUOTES = "[{(", "]})", "\"'"


@dataclass(frozen=True)
class Variant:
    """One system of an experiment.

    Attributes:
        name: shown to people, `lora.rank=16 lora.alpha=32`.
        values: the varied values, key -> value as the user wrote it.
        recipe: of the training.
        labels: the classes that are scored; the recipe's if `None`.
        system: a trained system, or a recipe as published, that is scored without training; `None` for training.
        overrides: for such a published recipe.
        transform: the changes to its data.
        scoring: options of its evaluation that are not in its recipe.
    """

    name: str
    values: Mapping[str, str]
    recipe: Recipe
    labels: LabelSet | None = None
    system: str | None = None
    overrides: tuple[str, ...] = ()
    transform: DataTransform = field(default_factory=DataTransform)
    scoring: ScoringOptions = field(default_factory=ScoringOptions)

    @property
    def classes(self) -> LabelSet:
        """The classes that are scored."""
        return self.labels or self.recipe.label_set

    def training_recipe(self, seed: int) -> Recipe:
        """The recipe of one training, with its seed."""
        training = self.recipe.training.model_copy(update={"seed": seed})
        return self.recipe.model_copy(update={"training": training})

    def training_key(self, chooses: bool) -> str:
        """The name of the trainings that this variant needs; variants with the same key share them.

        Options of inference are not part of it, unless weights are selected by inference on validation data.
        """
        if chooses:
            return f"{_slug(self._varied_values(inference=True))}-{_digest(self.recipe, self.transform.training)}"
        inference = self.recipe.inference.model_copy(update={"strategy": "ser", "answer": "score"})
        trained = self.recipe.model_copy(update={"inference": inference})
        return f"{_slug(self._varied_values(inference=False))}-{_digest(trained, self.transform.training)}"

    @property
    def key(self) -> str:
        """The name of this variant's figures."""
        facts = (self.recipe, self.transform, self.classes.names, self.system, self.overrides)
        options = (
            () if self.scoring == ScoringOptions() else (self.scoring,)
        )  # folders of plain experiments keep their names
        return _slug(self._varied_values(inference=True)) + "-" + _digest(*facts, *options)

    def _varied_values(self, inference: bool) -> str:
        values = {k: v for k, v in self.values.items() if inference or not k.startswith("inference.")}
        return "_".join(f"{key}={value}" for key, value in values.items()) or self.recipe.name


def read_grid(name: str, overrides: Sequence[str]) -> tuple[list[Variant], dict[str, list[str]]]:
    """Expand the overrides with several values into all combinations.

    Args:
        name: of a recipe, or its file.
        overrides: `key=value`, or `key=v1,v2,v3`.

    Returns:
        The variants, the last key's values changing first, and the swept keys with their values.

    Raises:
        UserError: a combination is not a valid recipe, or a key or a value occurs twice.
    """
    keys: dict[str, list[str]] = {}
    for text in overrides:
        key, sign, value = text.partition("=")
        if key in keys:
            raise UserError(f"{key} is given twice: give its values in one word, separated by commas")
        keys[key] = split_values(value) if sign else []
        if doubled := {each for each in keys[key] if keys[key].count(each) > 1}:
            raise UserError(f"{key} has the value {min(doubled)} twice; give each once")
    swept = {key: values for key, values in keys.items() if len(values) > 1}
    fixed = [text for text in overrides if text.partition("=")[0] not in swept]
    variants = []
    for combination in product(*swept.values()):
        values = dict(zip(swept, combination, strict=True))
        words = [f"{key}={value}" for key, value in values.items()]
        variants.append(Variant(" ".join(words) or "as it is", values, load_recipe(name, [*fixed, *words])))
    return variants, swept


def split_values(text: str) -> list[str]:
    """Split text at commas and strip the values; commas in brackets and quotes do not separate.

    Raises:
        UserError: a value is empty.
    """
    values = ["".join(part).strip() for part in _parts(text)]
    if len(values) > 1 and not all(values):
        raise UserError(f"{text!r} has a comma without a value beside it: remove the comma")
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
    """The last word of a key, which identifies it; the other words are for people."""
    return key.rpartition("-")[2]


def _slug(text: str) -> str:
    """Keep letters, digits and a few signs, so that the name is valid in every file system."""
    return re.sub(r"[^\w.=+-]+", "-", text)[:80].strip("-.") or "run"


def _digest(*things: Any) -> str:
    plain = [thing.model_dump(mode="json") if isinstance(thing, Recipe) else _plain_fields(thing) for thing in things]
    return hashlib.blake2b(json.dumps(plain, sort_keys=True).encode(), digest_size=4).hexdigest()


def _plain_fields(thing: Any) -> Any:
    """The fields of a record, without its class's name, which may change; other things as Python writes them."""
    return asdict(thing) if is_dataclass(thing) and not isinstance(thing, type) else repr(thing)
