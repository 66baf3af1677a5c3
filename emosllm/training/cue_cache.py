"""Cache of acoustic cues: measure a run's training and validation utterances once and store the values in its folder.

RUN/cues.json          each utterance's values, `null` where a cue cannot be measured, and the hash of the data
RUN/thresholds.json    the boundaries between the levels, fitted on the training set

Cues are measured on the original recordings, before augmentation, so every epoch and every validation uses the values
in this file. Limitation: a recording whose content changes while a run is stopped is not measured again.
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
        utterances: the utterances that `values` describes, in the order of its rows.
        values: float64 `[U, C]`, in the set's units and order, NaN where a cue cannot be measured.
        thresholds: the boundaries between the levels, fitted on the training set.
    """

    def __init__(self, name: str, utterances: Sequence[Utterance], values: np.ndarray, thresholds: Thresholds) -> None:
        self.name = name
        self.values = values  # an array: each worker holds a copy, for up to hundreds of thousands of utterances
        self.thresholds = thresholds
        self._rows = {_key(utterance): row for row, utterance in enumerate(utterances)}

    def __call__(self, utterance: Utterance) -> dict[str, float]:
        """Return one utterance's value of each cue, as the set's `measure` returned it."""
        return _by_cue(self.name, self.values[self._rows[_key(utterance)]])

    @classmethod
    def of_run(cls, name: str, data: RunData, folder: Path, workers: int, console: Console) -> Self:
        """Load the cues from the run's folder; measure and store them there if they are missing.

        Args:
            name: a set of `CUE_SETS`.
            data: the run's training and validation utterances.
            folder: the run's folder.
            workers: number of measuring processes, as in `measure_all`.
            console: prints one line when the cues are measured.

        Raises:
            UserError: the library that measures the set is not installed, a recording cannot be read, a cue has fewer
                values than levels, or the file of thresholds is damaged.
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
    """Identify an utterance by its id and its place in a file: ids are unique only within one manifest."""
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
    """Return the values `[U, C]`, or `None` if the file is missing, damaged, or made for other cues or other data."""
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
