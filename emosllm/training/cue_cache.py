"""Heard once: the cues of all that a run trains and validates on, in a file of the run's folder.

RUN/cues.json          each utterance's values, `null` where the clip does not allow one, and the data's hash
RUN/thresholds.json    where the levels meet in the training set

Cues are of the recordings as they are, before any augmentation, so every epoch and every validation tells what this
file says. Given up: a recording that is changed behind its name while a run is stopped is not measured again.
"""

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np
from rich.console import Console

from emosllm.files import write_atomically
from emosllm.prompting.cues import Thresholds, cue_set, measure_all
from emosllm.training.run_data import RunData
from emosllm.utterance import Utterance


class MeasuredCues:
    """The cues of a run's utterances.

    Args:
        name: their set, a key of `CUE_SETS`.
        utterances: whose.
        values: float64 `[U, C]`, in the set's units and order, NaN where a clip does not allow one.
        thresholds: where their levels meet in the training set.
    """

    def __init__(self, name: str, utterances: Sequence[Utterance], values: np.ndarray, thresholds: Thresholds) -> None:
        self.name = name
        self.values = values  # an array, as a corpus has hundreds of thousands of utterances and each worker a copy
        self.thresholds = thresholds
        self._rows = {_key(utterance): row for row, utterance in enumerate(utterances)}

    def __call__(self, utterance: Utterance) -> dict[str, float]:
        """A value for each cue of one of the utterances, as the set's `measure` gave it."""
        return _by_cue(self.name, self.values[self._rows[_key(utterance)]])

    @classmethod
    def of_run(cls, name: str, data: RunData, folder: Path, workers: int, console: Console) -> Self:
        """What the run's folder holds; what it does not hold is measured, once, and kept there.

        Args:
            name: a set of `CUE_SETS`.
            data: what the run learns from and chooses by.
            folder: the run's.
            workers: processes to measure with, as `measure_all` takes them.
            console: where to tell that something is measured.

        Raises:
            UserError: what measures the set is not installed, a recording cannot be read, a cue has fewer values than
                levels, or the thresholds' file is damaged.
        """
        kept, levels = folder / "cues.json", folder / "thresholds.json"
        utterances = [*data.train, *data.val]
        values = _read(kept, name, data)
        if values is None:
            console.print("measuring the recordings' cues")
            values = _as_rows(name, measure_all(name, utterances, workers))
            _write(kept, name, data, values)
        if not levels.is_file():
            Thresholds.fit(name, [_by_cue(name, row) for row in values[: len(data.train)]]).save(levels)
        return cls(name, utterances, values, Thresholds.load(levels))


def _key(utterance: Utterance) -> tuple[Any, ...]:
    """Ids are unique in a manifest only; a recording in memory has none but that."""
    where = str(utterance.audio) if isinstance(utterance.audio, Path) else None
    return utterance.id, where, utterance.start, utterance.end


def _by_cue(name: str, row: np.ndarray) -> dict[str, float]:
    return dict(zip(cue_set(name).cues, row.tolist(), strict=True))


def _as_rows(name: str, measures: Sequence[Mapping[str, float]]) -> np.ndarray:
    return np.array([[clip[cue] for cue in cue_set(name).cues] for clip in measures], dtype=np.float64)


def _write(path: Path, name: str, data: RunData, values: np.ndarray) -> None:
    cues = cue_set(name).cues
    rows = [
        {"utterance": utterance.id}
        | {cue: value if math.isfinite(value) else None for cue, value in zip(cues, row, strict=True)}
        for utterance, row in zip((*data.train, *data.val), values.tolist(), strict=True)
    ]
    lines = ",\n".join(json.dumps(row, ensure_ascii=False) for row in rows)
    head = json.dumps({"cues": name, "data": data.digest})[:-1]
    write_atomically(path, f'{head}, "values": [\n{lines}\n]}}\n')


def _read(path: Path, name: str, data: RunData) -> np.ndarray | None:
    """The values `[U, C]`, or `None` where the file is not there, is damaged, or is of other cues or other data."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        if found["cues"] != name or found["data"] != data.digest:
            return None
        rows = found["values"]
        if [row["utterance"] for row in rows] != [utterance.id for utterance in (*data.train, *data.val)]:
            return None
        missing = {None: math.nan}
        return np.array([[missing.get(row[cue], row[cue]) for cue in cue_set(name).cues] for row in rows], np.float64)
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        return None
