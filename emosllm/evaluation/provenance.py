"""The provenance of a report's figures: recipe, training run, data and machine.

The training run of a system is identified by its folder: `RUN/model/` is beside `RUN/run.json`. Limitation: systems
from the hub or from the package have a recipe, but no run.
"""

import hashlib
import json
import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from emosllm.errors import UserError
from emosllm.utterance import Utterance


@dataclass(frozen=True, slots=True)
class Training:
    """A training run, read from its `run.json`.

    Attributes:
        data: hash of the training and validation utterances.
        train: number of training utterances.
        val: number of validation utterances.
        seed: the run's seed.
        versions: versions of Python and the libraries.
        hardware: machine, threads, GPU.
        seconds: wall-clock time of all phases. For a resumed run the lost work is not included.
        phases: name -> loss, seconds and the validation figures of the selected checkpoint.
    """

    data: str
    train: int
    val: int
    seed: int
    versions: Mapping[str, str]
    hardware: Mapping[str, Any]
    seconds: float
    phases: Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class Provenance:
    """The facts that are needed to compute a report's figures again.

    Attributes:
        data: hash of the evaluated utterances (see `digest_of`).
        hardware: machine, threads, GPU of the evaluation.
        recipe: the resolved recipe of the system; `None` if it has none.
        training: the run that produced the system; `None` if unknown.
        calibration: the origin of its temperature, as in its `calibration.json`; `None` if it has none.
        trainings: fold -> its training run, if the report covers several.
        calibrations: fold -> the origin of its temperature, if the report covers several.
    """

    data: str
    hardware: Mapping[str, Any]
    recipe: Mapping[str, Any] | None = None
    training: Training | None = None
    calibration: Mapping[str, Any] | None = None
    trainings: Mapping[str, Training] = field(default_factory=dict)
    calibrations: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    @classmethod
    def of_folds(cls, folds: "Mapping[str, Provenance | None]", data: str) -> "Provenance | None":
        """Merge the provenance of folds; facts that all folds share are stored once, `None` if a fold has none.

        Args:
            folds: name -> its provenance, in order.
            data: hash of the utterances of all folds.
        """
        known = {name: each for name, each in folds.items() if each is not None}
        if len(known) < len(folds) or not known:
            return None
        first, *others = known.values()
        if all((each.training, each.calibration) == (first.training, first.calibration) for each in others):
            return replace(first, data=data)  # one fold, or one system for all folds
        trainings = {name: each.training for name, each in known.items() if each.training is not None}
        calibrations = {name: each.calibration for name, each in known.items() if each.calibration is not None}
        return cls(data, first.hardware, first.recipe, trainings=trainings, calibrations=calibrations)


def digest_of(utterances: Sequence[Utterance]) -> str:
    """Hash the metadata of utterances, independently of their order and of their folder's place.

    The audio is not read, so a recording that was replaced under the same name is not detected.
    """
    facts = ("id", "start", "end", "transcript", "emotion", "speaker", "gender", "language", "corpus", "votes")
    rows = [json.dumps({name: _plain(getattr(each, name)) for name in facts}, sort_keys=True) for each in utterances]
    return hashlib.blake2b("\n".join(sorted(rows)).encode(), digest_size=16).hexdigest()


def hardware_here() -> dict[str, Any]:
    """The kind of machine, the threads that torch uses, and the GPU."""
    import torch

    gpu = torch.cuda.get_device_name() if torch.cuda.is_available() else None
    return {"machine": platform.machine(), "threads": torch.get_num_threads(), "gpu": gpu}


def find_training(model: str) -> Training | None:
    """Find the training run that a system's folder belongs to: `RUN`, or `RUN/model`.

    Args:
        model: the user's name for the system.

    Returns:
        `None` if that is not the folder of a run.

    Raises:
        UserError: its `run.json` is damaged.
    """
    place = Path(model)
    run = next((each for each in (place, place.absolute().parent) if (each / "model" / "config.json").is_file()), None)
    if (
        run is None
        or not (run / "run.json").is_file()
        or place.absolute() not in (run.absolute(), run.absolute() / "model")
    ):
        return None
    path = run / "run.json"
    try:
        notes = json.loads(path.read_text("utf-8"))
        phases = notes["phases"]
        return Training(
            data=notes["data"],
            train=notes["train"],
            val=notes["val"],
            seed=notes["seed"],
            versions=notes["versions"],
            hardware=notes["hardware"],
            seconds=float(sum(phase.get("seconds", 0.0) for phase in phases.values())),
            phases=phases,
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise UserError(f"{path} is damaged ({error!r}), so the training of {model} is unknown") from error


def _plain(value: Any) -> Any:
    return dict(value) if isinstance(value, Mapping) else value
