"""Save and load a system's temperature: `calibration.json` beside its weights, with the data that it was fitted on.

`emosllm calibrate` writes it, and `load` applies it. There is one temperature for all label sets and strategies. The
file states those that it was fitted for, and `Calibrated.doubts` reports a different use.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

from pydantic import Field, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass

from emosllm.errors import UserError
from emosllm.files import write_atomically

CALIBRATION = "calibration.json"


@dataclass(frozen=True, slots=True)
class StoredCalibration:
    """A temperature, and where it comes from.

    Attributes:
        temperature: divisor of the log-probabilities, which are normalised afterwards; above 1 lowers the confidence.
        data: the manifest's file name.
        digest: digest of its utterances.
        split: the split that was used, `None` for all.
        labels: the classes.
        strategy: the inference strategy.
        transcripts: `own` or `given`.
        n: number of clips that it was fitted on.
        nll_before: their mean negative log-likelihood in nats at temperature 1.
        nll_after: their mean negative log-likelihood in nats at this temperature.
        ece_before: their expected calibration error at temperature 1.
        ece_after: their expected calibration error at this temperature.
        adapted: the temperature for a system adapted to the recordings; `None` where none was fitted.
    """

    temperature: Annotated[float, Field(gt=0, allow_inf_nan=False)]
    data: str
    digest: str
    split: str | None
    labels: tuple[str, ...]
    strategy: str
    transcripts: str
    n: int
    nll_before: float
    nll_after: float
    ece_before: float
    ece_after: float
    adapted: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = None

    @property
    def note(self) -> str:
        """A line about the temperature of the probabilities and the data that it was fitted on."""
        part = f" ({self.split})" if self.split else ""
        return f"probabilities are at temperature {self.temperature:.3f}, fitted on {self.n} clips of {self.data}{part}"

    def doubts(self, labels: Sequence[str], strategy: str, digest: str) -> list[str]:
        """Reasons why figures at this temperature may be misleading, one sentence each.

        Args:
            labels: the classes of the present evaluation.
            strategy: the inference strategy.
            digest: of the utterances with a class.
        """
        found = []
        if tuple(labels) != self.labels:
            found.append(f"The temperature was fitted for other classes: {', '.join(self.labels)}.")
        if strategy != self.strategy:
            found.append(f"The temperature was fitted for another strategy: {self.strategy}.")
        if digest == self.digest:
            found.append("The temperature was fitted on these very clips, so the figures of calibration flatter.")
        return found


_FORM = TypeAdapter(StoredCalibration)


def write_calibration(calibrated: StoredCalibration, path: Path) -> None:
    """Write the file, whole or not at all.

    Raises:
        UserError: the file cannot be written.
    """
    write_atomically(path, _FORM.dump_json(calibrated, indent=2) + b"\n")


def read_calibration(place: str | Path) -> StoredCalibration | None:
    """The calibration of a checkpoint; `None` where it has none.

    Args:
        place: a checkpoint's folder, or a hub id whose files are cached or can be downloaded.

    Raises:
        UserError: the file has invalid content.
    """
    path = Path(place) / CALIBRATION
    if not Path(place).is_dir():
        from transformers.utils import cached_file

        missing = {
            f"_raise_exceptions_for_{what}": False for what in ("gated_repo", "missing_entries", "connection_errors")
        }
        found = cached_file(str(place), CALIBRATION, **missing)
        if found is None:
            return None
        path = Path(found)
    if not path.is_file():
        return None
    try:
        return _FORM.validate_json(path.read_bytes())
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror}") from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "the file"
        raise UserError(f"{path}: {where}: {first['msg']}; delete it or run `emosllm calibrate` again") from None
