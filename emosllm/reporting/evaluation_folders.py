"""What a folder given to `emosllm report` stands for: an evaluation, or all systems of a protocol, a sweep or a study.

An experiment's folder is known by its `results.json`, whose rows name the report of each system over all folds. Given
up: more systems than a page can tell apart; of a larger grid the best are shown, and that is said.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from emosllm.errors import UserError
from emosllm.evaluation.report import Report

RESULTS = "results.json"


@dataclass(frozen=True, slots=True)
class EvaluationFolder:
    """One evaluation's folder.

    Attributes:
        folder: with `report.json` and `predictions.jsonl`.
        shown: what a person would call it: the folder he gave, and the row of an experiment.
        title: of the experiment; empty for a single evaluation.
        figure: what the experiment is judged by.
        row: of its results, as its `results.json` has it; `None` for a single evaluation.
    """

    folder: Path
    shown: str
    title: str = ""
    figure: str = ""
    row: Mapping[str, Any] | None = None


def find_evaluations(folders: Sequence[Path], most: int) -> tuple[list[EvaluationFolder], list[str]]:
    """The evaluations in the folders, an experiment's systems in the order of its table.

    Args:
        folders: that a user named.
        most: systems that may come out.

    Returns:
        The evaluations, and what a reader must know of those that were left out.

    Raises:
        UserError: an experiment that has no figure, or a `results.json` that is damaged.
    """
    groups = [
        _rows(folder) if (folder / RESULTS).is_file() else [EvaluationFolder(folder, folder.resolve().name)]
        for folder in folders
    ]
    room = most - sum(len(group) for group in groups if len(group) == 1)
    notes: list[str] = []
    found: list[EvaluationFolder] = []
    large = sum(len(group) > 1 for group in groups)
    for folder, group in zip(folders, groups, strict=True):
        share = max(room // max(large, 1), 1)
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


_FORM = TypeAdapter(Report)


def read_report(folder: Path) -> Report:
    """The report of a folder, as `write_report` left it.

    Raises:
        UserError: it holds no whole report.
    """
    path = folder / "report.json"
    try:
        return _FORM.validate_json(path.read_bytes())
    except FileNotFoundError as error:
        if (folder / "run.json").is_file():
            raise UserError(
                f"{folder} is a training run: give FOLDER of `emosllm evaluate {folder} --data MANIFEST --out FOLDER`"
            ) from error
        if (folder / "experiment.json").is_file():
            raise UserError(
                f"{folder} holds an experiment without results: the command that began it ends it with --resume"
            ) from error
        raise UserError(
            f"{path} is missing: `emosllm evaluate MODEL --data MANIFEST --out {folder}` writes it"
        ) from error
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror}") from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "the file"
        raise UserError(f"{path}: {where}: {first['msg']}; run `emosllm evaluate` again") from None
