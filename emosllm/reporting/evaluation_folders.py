"""Resolve the folders of `emosllm report`: an evaluation, or all systems of a protocol, a sweep or a study.

The folder of an experiment contains `results.json`, whose rows name the report of each system over all folds. A page
shows a limited number of systems. Of a larger grid it shows the best, and says so.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from emosllm.errors import UserError, first_fault
from emosllm.evaluation.report import Report

RESULTS = "results.json"


@dataclass(frozen=True, slots=True)
class EvaluationFolder:
    """One evaluation's folder.

    Attributes:
        folder: contains `report.json` and `predictions.jsonl`.
        shown: the name for people: the folder on the command line, and the row of an experiment.
        title: of the experiment; empty for a single evaluation.
        figure: the figure that the experiment's systems are compared by.
        row: of the experiment's results, as in `results.json`; `None` for a single evaluation.
    """

    folder: Path
    shown: str
    title: str = ""
    figure: str = ""
    row: Mapping[str, Any] | None = None


def find_evaluations(folders: Sequence[Path], most: int) -> tuple[list[EvaluationFolder], list[str]]:
    """The evaluations in the folders, an experiment's systems in the order of its table.

    Args:
        folders: from the command line.
        most: the largest number of systems.

    Returns:
        The evaluations, and notes on those that were left out.

    Raises:
        UserError: an experiment that has no figure, or a `results.json` that is damaged.
    """
    groups = [
        _rows(folder) if (folder / RESULTS).is_file() else [EvaluationFolder(folder, folder.resolve().name)]
        for folder in folders
    ]
    remaining = most - sum(len(group) for group in groups if len(group) == 1)
    notes: list[str] = []
    found: list[EvaluationFolder] = []
    large = sum(len(group) > 1 for group in groups)
    for folder, group in zip(folders, groups, strict=True):
        share = max(remaining // max(large, 1), 1)
        if 1 < len(group) > share:
            best = sorted(group, key=lambda each: -(each.row or {}).get("mean", 0.0))[:share]
            notes.append(f"{folder}: the {share} best of {len(group)} systems, chosen by the figure that is shown.")
            group = [each for each in group if each in best]
        found += group
    return found, notes


def _rows(folder: Path) -> list[EvaluationFolder]:
    path = folder / RESULTS
    try:
        results = json.loads(path.read_text("utf-8"))
        rows = [row for row in results["rows"] if not row["failed"]]
        several = len(results["rows"]) > 1
        name = folder.resolve().name
        found = [
            EvaluationFolder(
                folder / row["report"],
                f"{name}: {row['name']}" if several else name,
                str(results["title"]),
                str(results["figure"]),
                {**row, "seeds": results["seeds"]},
            )
            for row in rows
        ]
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise UserError(f"{path} is damaged ({error!r}): run the experiment again with --resume") from None
    if not found:
        raise UserError(f"{path}: no system has a figure over all folds; run the experiment again with --resume")
    return found


_REPORT = TypeAdapter(Report)


def read_report(folder: Path) -> Report:
    """Read the report of a folder, as `write_report` writes it.

    Raises:
        UserError: the folder contains no complete report.
    """
    path = folder / "report.json"
    try:
        return _REPORT.validate_json(path.read_bytes())
    except FileNotFoundError as error:
        if (folder / "run.json").is_file():
            raise UserError(
                f"{folder} is a training run: give FOLDER of `emosllm evaluate {folder} --data MANIFEST --out FOLDER`"
            ) from error
        if (folder / "experiment.json").is_file():
            raise UserError(
                f"{folder} holds an experiment without results: finish it by its own command with --resume"
            ) from error
        raise UserError(
            f"{path} is missing: `emosllm evaluate MODEL --data MANIFEST --out {folder}` writes it"
        ) from error
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror}") from error
    except ValidationError as error:
        raise UserError(f"{path}: {first_fault(error)}; run `emosllm evaluate` again") from None
