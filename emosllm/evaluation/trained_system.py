"""Read a trained system from its folder: recipe, weights, temperature, and the run that produced it.

Shapes come from the checkpoint's own config, so its backbones need not be present. Limitation: a run stores no figures
on test data; `emosllm evaluate` computes them.
"""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from emosllm.errors import UserError
from emosllm.evaluation.provenance import Training, find_training
from emosllm.inference.loader import checkpoint_folder
from emosllm.inference.stored_calibration import StoredCalibration, read_calibration
from emosllm.models.build import build_empty_of
from emosllm.models.checkpoints.checkpoint import read_config
from emosllm.models.checkpoints.hub import fetch_checkpoint
from emosllm.models.description import Description, describe
from emosllm.recipe import parse


@dataclass(frozen=True)
class TrainedSystem:
    """A trained system, or a run whose training is not finished.

    Attributes:
        description: its parts, counted.
        folder: of the checkpoint; `None` if the run is not finished.
        megabytes: size of its weights.
        self_contained: whether it contains the backbones' weights.
        calibration: of its probabilities; `None` if none was fitted.
        training: the run that produced it; `None` if it was not kept or is not finished.
        done: the finished phases, in order.
    """

    description: Description
    folder: Path | None
    megabytes: float
    self_contained: bool
    calibration: StoredCalibration | None
    training: Training | None
    done: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """The JSON form, without the description, which has its own form."""
        return {
            "finished": self.folder is not None,
            "checkpoint": None if self.folder is None else str(self.folder),
            "megabytes": round(self.megabytes, 3),
            "self_contained": self.self_contained,
            "labels": list(self.description.recipe.label_set.names),
            "calibration": None if self.calibration is None else asdict(self.calibration),
            "training": None if self.training is None else asdict(self.training),
            "phases_done": list(self.done),
        }


def read_trained_system(name: str) -> TrainedSystem:
    """A run's folder, finished or not, or a checkpoint.

    Args:
        name: a folder, or a hub id.

    Raises:
        UserError: it is neither, or damaged.
    """
    run = Path(name)
    if (run / "run.json").is_file() and not (run / "model" / "config.json").is_file():
        return _unfinished_run(run)
    folder = fetch_checkpoint(checkpoint_folder(name))
    config = read_config(folder)
    training = find_training(name)
    return TrainedSystem(
        description=describe(parse(config.recipe, f"of {folder}"), build_empty_of(folder)),
        folder=folder,
        megabytes=sum(path.stat().st_size for path in folder.glob("*.safetensors")) / 1e6,
        self_contained=bool(config.self_contained),
        calibration=read_calibration(folder),
        training=training,
        done=() if training is None else tuple(training.phases),
    )


def _unfinished_run(run: Path) -> TrainedSystem:
    path = run / "run.json"
    try:
        notes = json.loads(path.read_text("utf-8"))
        recipe, done = parse(notes["recipe"], f"of {run}"), tuple(notes["phases"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        if isinstance(error, UserError):
            raise
        raise UserError(f"{path} is damaged ({error!r}), so the trained system is unknown") from None
    return TrainedSystem(describe(recipe), None, 0.0, False, None, None, done)
