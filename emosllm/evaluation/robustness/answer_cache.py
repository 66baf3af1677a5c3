"""Store the answers of a robustness sweep on disk, one file for each condition and severity, to resume it.

FOLDER/sweep.json                 a key of the system, the clips and the seed
FOLDER/white-noise_10.json        reference, speakers and answers at one point, in the clips' order

Files are written atomically. Not stored: probabilities, which no curve needs.
"""

import json
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from emosllm.errors import UserError
from emosllm.files import write_atomically


@dataclass(frozen=True, slots=True)
class PointAnswers:
    """The answers at one point; a place in each tuple is a clip.

    Attributes:
        reference: the true classes.
        speakers: `None` if unknown.
        answers: `None` if there is none.
    """

    reference: tuple[str, ...]
    speakers: tuple[str | None, ...]
    answers: tuple[str | None, ...]

    @classmethod
    def joined(cls, parts: Sequence["PointAnswers"]) -> "PointAnswers":
        """The clips of all parts, one after another."""
        fields = ("reference", "speakers", "answers")
        return cls(*(tuple(one for part in parts for one in getattr(part, name)) for name in fields))


class AnswerCache:
    """A folder of answers.

    Args:
        folder: created with the first answer.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def begin(self, key: str, resume: bool) -> None:
        """Resume a sweep with the same key, or start a new one.

        Args:
            key: changes with everything that the answers depend on.
            resume: keep the stored answers; otherwise they are deleted.

        Raises:
            UserError: the stored answers have another key, and `resume` is on.
        """
        notes = self.folder / "sweep.json"
        if resume and notes.is_file():
            try:
                found = json.loads(notes.read_text("utf-8"))["key"]
            except (OSError, ValueError, KeyError, TypeError):
                raise UserError(f"{notes} is damaged: start the sweep again without --resume") from None
            if found != key:
                raise UserError(
                    f"{self.folder} holds a sweep of another system, other data or other settings: leave --resume out "
                    "to start again, or give another --out"
                )
            return
        for path in self.folder.glob("*.json"):
            path.unlink()
        write_atomically(notes, json.dumps({"key": key}) + "\n")

    def read(self, condition: str, severity: float | None) -> PointAnswers | None:
        """The answers at one point; `None` if none are stored.

        Raises:
            UserError: the file was not written by `write`.
        """
        path = self._path(condition, severity)
        if not path.is_file():
            return None
        try:
            found = {name: tuple(values) for name, values in json.loads(path.read_text("utf-8")).items()}
            kept = PointAnswers(**found)
            if not len(kept.reference) == len(kept.speakers) == len(kept.answers):
                raise ValueError("the lengths differ")
        except (OSError, ValueError, TypeError, AttributeError) as error:
            raise UserError(f"{path} is damaged ({error}): remove it, and the sweep computes it again") from None
        return kept

    def write(self, condition: str, severity: float | None, kept: PointAnswers) -> None:
        """Store the answers at one point.

        Raises:
            UserError: the folder cannot be written to.
        """
        write_atomically(self._path(condition, severity), json.dumps(asdict(kept), ensure_ascii=False) + "\n")

    def _path(self, condition: str, severity: float | None) -> Path:
        name = re.sub(r"[^\w]+", "-", condition)
        return self.folder / (f"{name}.json" if severity is None else f"{name}_{severity:g}.json")
