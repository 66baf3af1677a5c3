"""`Sink`: the interface of what receives the rows of recognition, and the options of the user for the outputs."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Literal, Self

from emosllm.inference.rows import RecognitionOptions, Row

if TYPE_CHECKING:
    from emosllm.inference.recogniser import Recogniser


@dataclass(frozen=True)
class RecognitionRun:
    """What the rows come from.

    Attributes:
        recogniser: the system, already adapted.
        model: the system's name.
        options: how clips are recognised.
    """

    recogniser: "Recogniser"
    model: str
    options: RecognitionOptions


@dataclass(frozen=True)
class OutputOptions:
    """What is made of the rows.

    Attributes:
        format: what is printed if no file is requested.
        out: files to write; the ending decides the format.
        picture: a picture to draw; its ending decides the format.
    """

    format: Literal["table", "json", "csv"] = "table"
    out: Sequence[Path] = ()
    picture: Path | None = None


class Sink(ABC):
    """Receives rows in order. Use it in a `with` statement, which finishes the output if it ends without an error.

    Attributes:
        earlier: rows that an earlier process has done; the stream begins after them.
        rows: rows in all.
        failed: rows with an error.
    """

    earlier = 0
    rows = 0
    failed = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self.finish()

    def write(self, row: Row) -> None:
        """Receive the next row."""
        self.rows += 1
        self.failed += row.prediction.error is not None
        self.add(row)

    @abstractmethod
    def add(self, row: Row) -> None:
        """Show or store the next row."""

    def finish(self) -> None:  # noqa: B027  (a sink that shows each row at once has nothing to finish)
        """Complete the output after the last row."""

    @property
    def exit_code(self) -> int:
        """The exit code of the command: 0, 1 if some rows have an error, 2 if all have one."""
        return 0 if not self.failed else 2 if self.failed == self.rows else 1
