"""Write the rows of many recordings into one file; after an interruption, the same run continues where it stopped."""

import hashlib
import sys
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from emosllm.inference.rows import Row
from emosllm.sinks.journal import Journal
from emosllm.sinks.result_formats import as_row, check_result, place, write_results
from emosllm.sinks.sink import RecognitionRun, Sink
from emosllm.utterance import Utterance

if TYPE_CHECKING:
    pass

_ROWS = 256  # most rows in a part of the journal
_SECONDS = 30.0  # longest time for a part, plus one batch: the work that an interruption may lose


class ResultFile(Sink):
    """Store rows in a journal, and write them into one file after the last one.

    Args:
        out: ends in `.parquet`, `.jsonl` or `.csv`; until then, the folder `out.parts` holds the finished rows.
        utterances: all utterances of the run.
        run: what the rows come from; the journal records the system's name and the options.

    Raises:
        UserError: `out` exists, has a journal of another run, is being written, or cannot be written.
    """

    def __init__(self, out: Path, utterances: Sequence[Utterance], run: RecognitionRun) -> None:
        check_result(out)
        self.out, self.recogniser = out, run.recogniser
        self.journal = Journal(out, _facts(utterances, run))
        self._lock = ExitStack()
        self._part: list[dict[str, Any]] = []
        self._began = 0.0

    def __enter__(self) -> Self:
        self._lock.enter_context(self.journal.locked())
        self.earlier = self.journal.rows_done()
        self._began = time.monotonic()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._lock:
            if kind is None:
                self.finish()
            else:
                self._keep()
        if kind is None:
            self.journal.remove()
        elif kind is KeyboardInterrupt:
            print(f"{self.out}: finished rows are kept; the same command continues", file=sys.stderr)

    def add(self, row: Row) -> None:
        """Store the row in the current part, and the part in the journal when it is full or old."""
        self._part.append(as_row(row))
        if len(self._part) >= _ROWS or time.monotonic() - self._began > _SECONDS:
            self._keep()

    def finish(self) -> None:
        """Write the rows of this and earlier processes into the file, and print their number."""
        self._keep()
        self.rows, self.failed, worded = 0, 0, False
        for row in self.journal.rows():
            self.rows += 1
            self.failed += row["error"] is not None
            worded = worded or row["transcript_from"] is not None
        labels, free = tuple(self.recogniser.labels.names), self.recogniser.answer == "generate"
        write_results(self.journal.rows(), self.out, labels, free=free, worded=worded)
        failed = f", {self.failed:,} of them with an error" if self.failed else ""
        earlier = f"; {self.earlier:,} were there from before" if self.earlier else ""
        print(f"{self.out}: {self.rows:,} rows{failed}{earlier}", file=sys.stderr)
        if self.recogniser.note:
            print(self.recogniser.note, file=sys.stderr)

    def _keep(self) -> None:
        if self._part:
            self.journal.keep(self._part)
        self._part, self._began = [], time.monotonic()


def _facts(utterances: Sequence[Utterance], run: RecognitionRun) -> dict[str, Any]:
    """The facts that identify a run, by their names in error messages."""
    from emosllm.inference.loader import checkpoint_folder  # it loads torch

    recogniser, sources, digest = run.recogniser, run.options.transcripts, hashlib.sha256()
    for utterance in utterances:
        digest.update(repr((utterance.id, place(utterance), utterance.start, utterance.end)).encode("utf-8", "replace"))
        text = sources.table.of(utterance) if sources.table else utterance.transcript if sources.listed else None
        digest.update(repr(text).encode("utf-8", "replace"))
    return {
        "model": run.model,
        "state of the model": _state(checkpoint_folder(run.model)),
        "data": digest.hexdigest(),
        "number of rows": len(utterances),
        "choice of labels": list(recogniser.labels.names),
        "strategy": str(recogniser.strategy),
        "adaptation": recogniser.adaptation.to_dict() if recogniser.adaptation else None,
        "kind of answer": str(recogniser.answer),
        "source of transcripts": [sources.given, sources.transcriber.name if sources.transcriber else None],
    }


def _state(folder: str) -> list[list[Any]]:
    """Names, sizes and ends of a checkpoint's files: they differ if a model was trained again."""
    files = sorted(path for path in Path(folder).glob("*") if path.is_file()) if Path(folder).is_dir() else []
    return [[path.name, path.stat().st_size, _end(path)] for path in files]


def _end(path: Path) -> str:
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - (1 << 16)))
        return hashlib.sha256(file.read()).hexdigest()[:16]
