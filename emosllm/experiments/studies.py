"""Studies: the papers' ablations and open questions, as named sweeps in YAML.

A study is a grid of overrides, or variants by name: overrides (`set`), phases to skip (`without`), changes to the data
(`data`, see `data/transform.py`). Not supported: studies that need a second recipe.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from emosllm.errors import UserError, first_fault
from emosllm.experiments.data.data_transform import DataTransform, Transcripts
from emosllm.experiments.grid import Variant, read_grid
from emosllm.recipe import Recipe, load_recipe, parse
from emosllm.safe_yaml import read_yaml


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class DataChange(_Part):
    """Changes to the data of a variant; see `DataTransform`."""

    share: float = 1.0
    transcripts: Transcripts = "own"
    word_errors: float = 0.0


class StudyVariant(_Part):
    """One variant of a study."""

    set: tuple[str, ...] = Field((), description="overrides")
    without: tuple[str, ...] = Field((), description="phases to skip")
    data: DataChange = DataChange()


class Study(_Part):
    """A question, and the systems that answer it."""

    title: str = Field(description="the question")
    source: str = Field(description="paper and table, or a statement that the study is new")
    says: str = Field(description="what the figures do not show")
    set: tuple[str, ...] = Field((), description="overrides for all systems of the study")
    grid: Mapping[str, tuple[str, ...]] = Field(default_factory=dict, description="key -> values")
    name: str = Field("variant", description="the property in which the variants differ")
    variants: Mapping[str, StudyVariant] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _one_kind(self) -> Self:
        if bool(self.grid) == bool(self.variants):
            raise ValueError("give grid or variants")
        return self


@dataclass(frozen=True)
class StudyVariants:
    """A study of one recipe.

    Attributes:
        variants: the systems.
        keys: varied key -> its values.
        notes: its source, and what its figures do not show.
    """

    variants: tuple[Variant, ...]
    keys: Mapping[str, Sequence[str]]
    notes: tuple[str, ...]


def study_names() -> list[str]:
    """The studies that come with the package."""
    found = [Path(entry.name) for entry in files("emosllm.studies").iterdir()]
    return sorted(path.stem for path in found if path.suffix == ".yaml")


def load_study(name: str) -> Study:
    """Load a study by its name, or from a YAML file.

    Raises:
        UserError: there is none, or it is not a valid study.
    """
    shipped = Path(str(files("emosllm.studies") / f"{name}.yaml"))
    path = shipped if "/" not in name and shipped.is_file() else Path(name)
    if path.suffix not in (".yaml", ".yml") or not path.is_file():
        raise UserError(f"no study {name!r}: known are {', '.join(study_names())}, or give a YAML file")
    try:
        return Study.model_validate(_words(read_yaml(path, f"study {name} is")))
    except ValidationError as error:
        raise UserError(f"study {name}: {first_fault(error)}") from None


def study_variants(study: Study, recipe: str, overrides: Sequence[str] = ()) -> StudyVariants:
    """The systems of a study.

    Args:
        study: the variations.
        recipe: the name or file of the recipe that is varied.
        overrides: apply to all; `key=v1,v2` for a key of the study's grid replaces its values.

    Raises:
        UserError: a variant is not a valid recipe, or has no such phase.
    """
    notes = (f"Source: {study.source}.", study.says)
    overrides = [*study.set, *overrides]
    if study.grid:
        given = {text.partition("=")[0] for text in overrides}
        added = [f"{key}={','.join(values)}" for key, values in study.grid.items() if key not in given]
        variants, keys = read_grid(recipe, [*overrides, *added])
        if unknown := keys.keys() - study.grid.keys():
            raise UserError(f"the study varies {', '.join(study.grid)}, not {min(unknown)}: use emosllm sweep for both")
        return StudyVariants(tuple(variants), keys, notes)
    variants = []
    for name, case in study.variants.items():
        whole = load_recipe(recipe, [*overrides, *case.set])
        transform = DataTransform(**case.data.model_dump())
        variants.append(Variant(name, {study.name: name}, _without(whole, case.without), transform=transform))
    return StudyVariants(tuple(variants), {study.name: list(study.variants)}, notes)


def _without(recipe: Recipe, phases: Sequence[str]) -> Recipe:
    tree = recipe.model_dump(mode="json")
    for phase in phases:
        if phase not in tree["phases"]:
            there = ", ".join(tree["phases"]) or "none"
            raise UserError(f"recipe {recipe.name} has no phase {phase} to skip; it has {there}")
        del tree["phases"][phase]
    return parse(tree, recipe.name)


def _words(tree: Any) -> Any:
    """Convert YAML's `true` and numbers to text, since names of variants are text."""
    if isinstance(tree, dict):
        return {("true" if key is True else str(key)): _words(value) for key, value in tree.items()}
    return tree
