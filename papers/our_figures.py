"""Read our figures for the paper table from the files that contain them: value, interval, clips and split."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from emosllm.errors import UserError
from emosllm.models.description import describe
from emosllm.recipe import load_recipe
from emosllm.reporting.report_text import NAMES
from papers.rows import RESULTS, Counterpart


@dataclass(frozen=True)
class Figure:
    """One of our figures.

    Attributes:
        value: the text in the table.
        source: its file, relative to the repository.
    """

    value: str
    source: str


def find_our_figure(root: Path, where: Counterpart) -> Figure:
    """Find the figure of a counterpart.

    Args:
        root: of the repository.
        where: names its file and row.

    Raises:
        UserError: the file is missing, or does not contain the figure.
    """
    if where.trainable is not None:
        return Figure(f"{describe(load_recipe(where.trainable)).trainable:,}", str(where.test).partition("::")[0])
    path = root / RESULTS / str(where.file)
    if not path.is_file():
        raise UserError(f"{path} is missing: run the study that writes it")
    held = _read(path)
    source = f"{RESULTS / path.name}"
    if where.called is not None:
        called, all_of_them = count_neutral_confusions(held, where, path)
        return Figure(f"{called} of {all_of_them}", source)
    return Figure(figure_text(find_row(held, where, path), held), source)


def find_row(results: Mapping[str, Any], where: Counterpart, path: Path) -> Mapping[str, Any]:
    """Find a row of an experiment's results.

    Raises:
        UserError: there is no such row, or it has no figure.
    """
    rows = results["rows"]
    if where.best:
        return max((row for row in rows if row["mean"] is not None), key=lambda row: row["mean"])
    found = [row for row in rows if row["name"] == where.row or (where.row is None and len(rows) == 1)]
    if not found or found[0]["pooled"] is None:
        there = ", ".join(row["name"] for row in rows)
        raise UserError(f"{path} has no figure of {where.row!r}; its rows are {there}")
    return found[0]


def figure_text(row: Mapping[str, Any], results: Mapping[str, Any]) -> str:
    """A row's figure as text, with its interval, its clips and their split."""
    return f"{with_interval(row)} {NAMES[results['figure']]}, {row['n']} {clips_of(results)}"


def with_interval(row: Mapping[str, Any]) -> str:
    """`0.431 [0.401, 0.463]`, or the figure alone if there is no interval."""
    interval = row["interval"]
    return f"{row['pooled']:.3f}" + (f" [{interval['low']:.3f}, {interval['high']:.3f}]" if interval else "")


def clips_of(results: Mapping[str, Any]) -> str:
    """A description of the tested clips."""
    if len(results["folds"]) > 1:
        return f"clips in {len(results['folds'])} folds"
    return "clips of val" if any("val split" in note for note in results["notes"]) else "clips"


def count_neutral_confusions(held: Mapping[str, Any], where: Counterpart, path: Path) -> tuple[int, int]:
    """Count the clips wrongly answered as neutral, and all such clips.

    Raises:
        UserError: there is no such class.
    """
    side = held[f"wrong_{where.called}"]
    if where.row == "sum":
        return side["called"], side["n"]
    if where.row not in side["by_class"]:
        raise UserError(f"{path} has no class {where.row!r}; its classes are {', '.join(side['by_class'])}")
    called, all_of_them = side["by_class"][where.row]
    return int(called), int(all_of_them)


@lru_cache
def _read(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))
