"""Run a bulk recognition: utterances in, one file out; after an interruption, it continues where it stopped."""

import hashlib
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from emosllm.bulk.journal import Journal
from emosllm.bulk.prefetch import decode_ahead
from emosllm.bulk.results import as_row, check_result, place, write_results
from emosllm.inference.loader import checkpoint_folder
from emosllm.inference.recogniser import Recogniser
from emosllm.inference.transcripts import Recognised, Transcriber, recognise
from emosllm.utterance import Utterance

_ROWS = 256  # most rows in a part
_SECONDS = 30.0  # longest time for a part, plus one batch: the work that an interruption may lose


@dataclass(frozen=True)
class Options:
    """The options of a bulk run.

    Attributes:
        model: the system's name, as the journal records it.
        given: use the utterances' own transcripts where they have one.
        transcriber: a speech recogniser for utterances without a transcript.
        batch_size: recordings computed together.
        workers: threads that decode.
    """

    model: str
    given: bool = False
    transcriber: Transcriber | None = None
    batch_size: int = 8
    workers: int = 2


@dataclass(frozen=True)
class BulkCounts:
    """What a run came to: rows in all, rows with an error, and rows that an earlier process had done."""

    rows: int
    failed: int
    earlier: int


def _nothing(_: float) -> None:
    """Ignore the progress."""


def run_bulk(
    recogniser: Recogniser,
    utterances: Sequence[Utterance],
    out: Path,
    options: Options,
    begun: Callable[[float], None] = _nothing,
    told: Callable[[float], None] = _nothing,
) -> BulkCounts:
    """Recognise all utterances and write the result; go on where an earlier process was stopped.

    Args:
        recogniser: the system.
        utterances: the utterances to recognise.
        out: ends in `.parquet`, `.jsonl` or `.csv`; until then, the folder `out.parts` holds the finished rows.
        options: how to recognise them.
        begun: called once with the number of rows that an earlier process had done.
        told: called with the number of rows done since the previous call.

    Raises:
        UserError: `out` exists, has a journal of another run, is being written, or cannot be written.
    """
    check_result(out)
    labels = tuple(recogniser.labels.names)
    journal = Journal(out, _facts(recogniser, utterances, options))
    with journal.locked():
        earlier = journal.rows_done()
        begun(earlier)
        rows: list[dict[str, Any]] = []
        began = time.monotonic()
        for found in _recognised(recogniser, utterances[earlier:], options):
            rows.append(as_row(found))
            told(1)
            if len(rows) >= _ROWS or time.monotonic() - began > _SECONDS:
                journal.keep(rows)
                rows, began = [], time.monotonic()
        if rows:
            journal.keep(rows)
        failed, worded = 0, False
        for row in journal.rows():
            failed += row["error"] is not None
            worded = worded or row["transcript_from"] is not None
        free = getattr(recogniser, "answer", None) == "generate"
        write_results(journal.rows(), out, labels, free=free, worded=worded)
    journal.remove()
    return BulkCounts(len(utterances), failed, earlier)


def _recognised(recogniser: Recogniser, utterances: Sequence[Utterance], options: Options) -> Iterator[Recognised]:
    """Predictions with the original utterances, whose recordings are still files."""
    listens = options.transcriber is not None or getattr(recogniser.processor, "listens", True)
    ahead, longest = 2 * options.batch_size, recogniser.processor.longest
    samples = decode_ahead(utterances, options.workers, ahead, longest) if listens else utterances
    found = recognise(recogniser, samples, options.batch_size, given=options.given, transcriber=options.transcriber)
    for utterance, answer in zip(utterances, found, strict=True):
        yield Recognised(utterance, answer.prediction, answer.transcript_from)


def _facts(recogniser: Recogniser, utterances: Sequence[Utterance], options: Options) -> dict[str, Any]:
    """The facts that identify a run, by their names in error messages."""
    digest = hashlib.sha256()
    for utterance in utterances:
        digest.update(repr((utterance.id, place(utterance), utterance.start, utterance.end)).encode("utf-8", "replace"))
        digest.update(repr(utterance.transcript if options.given else None).encode("utf-8", "replace"))
    return {
        "model": options.model,
        "state of the model": _state(checkpoint_folder(options.model)),
        "data": digest.hexdigest(),
        "number of rows": len(utterances),
        "choice of labels": list(recogniser.labels.names),
        "strategy": str(getattr(recogniser, "strategy", None)),
        "adaptation": adaptation.to_dict() if (adaptation := getattr(recogniser, "adaptation", None)) else None,
        "kind of answer": str(getattr(recogniser, "answer", None)),
        "source of transcripts": [options.given, options.transcriber.name if options.transcriber else None],
    }


def _state(folder: str) -> list[list[Any]]:
    """Names, sizes and ends of a checkpoint's files: they differ if a model was trained again."""
    files = sorted(path for path in Path(folder).glob("*") if path.is_file()) if Path(folder).is_dir() else []
    return [[path.name, path.stat().st_size, _end(path)] for path in files]


def _end(path: Path) -> str:
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - (1 << 16)))
        return hashlib.sha256(file.read()).hexdigest()[:16]
