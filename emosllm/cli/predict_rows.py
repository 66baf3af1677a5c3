"""Predictions of many recordings: printed as they come, or written into one file by a run that can be continued."""

import csv
import json
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.text import Text

from emosllm.cli.options import Format
from emosllm.cli.progress import CommandProgress
from emosllm.errors import UserError
from emosllm.utterance import Utterance

if TYPE_CHECKING:
    from emosllm.cli.predict_transcripts import TranscriptSource
    from emosllm.inference.recogniser import Recogniser
    from emosllm.inference.transcripts import Recognised


def check(out: Sequence[Path], picture: Path | None) -> None:
    """Refuse, before anything is computed, options that could not be written."""
    if len(out) > 1:
        raise UserError(f"--out {out[0]} and {out[1]}: without --timeline there is one result; give one of them")
    if out and picture is not None:
        raise UserError(f"--out {out[0]} and --picture {picture}: only printed predictions are drawn; leave one out")
    if out:
        from emosllm.bulk.results import check_result

        check_result(out[0])
    if picture is not None:
        from emosllm.reporting.style import check_picture

        check_picture(picture)


def show(
    recogniser: "Recogniser",
    utterances: Sequence[Utterance],
    model: str,
    source: "TranscriptSource",
    format: Format,
    picture: Path | None,
    batch_size: int,
) -> int:
    """Print predictions, and draw them if a picture is requested.

    Returns:
        The exit code: 0, 1 if some recordings failed, 2 if all failed.
    """
    from emosllm.inference.transcripts import recognise

    found: list[Recognised] = []
    answers = recognise(recogniser, utterances, batch_size, given=source.given, transcriber=source.transcriber)
    with CommandProgress("recognising", len(utterances), "recordings") as told:
        for answer in answers:
            found.append(answer)
            told.advance()
            if format is Format.json:
                more: dict[str, Any] = {
                    "transcript_from": answer.transcript_from,
                    "temperature": (recogniser.adaptation or recogniser).temperature,
                }
                if recogniser.adaptation is not None:
                    more["adapted"] = recogniser.adaptation.to_dict()
                row = answer.prediction.to_dict() | more
                print(json.dumps(row, ensure_ascii=False), flush=True)
    predictions = [answer.prediction for answer in found]
    if format is Format.csv:
        _print_csv(found, recogniser.labels.names)
    if format is Format.table:
        from emosllm.reporting.screen import prediction_table

        Console().print(prediction_table(predictions))
        _print_sources(found)
        if recogniser.note:
            Console().print(Text(recogniser.note, style="dim"))
    if picture is not None:
        from emosllm.reporting.prediction_plot import draw_predictions

        sources = dict.fromkeys(answer.transcript_from for answer in found if answer.transcript_from)
        draw_predictions(predictions, picture, f"Emotions by {model}", list(sources))
    return _exit_code(sum(prediction.error is not None for prediction in predictions), len(predictions))


def write(
    recogniser: "Recogniser",
    utterances: Sequence[Utterance],
    model: str,
    source: "TranscriptSource",
    out: Path,
    batch_size: int,
    workers: int,
) -> int:
    """Write predictions into one file, and continue where an earlier process stopped.

    Returns:
        The exit code: 0, 1 if some recordings failed, 2 if all failed.
    """
    from emosllm.bulk.run import Options, run_bulk

    options = Options(model, source.given, source.transcriber, batch_size, workers)
    with CommandProgress("recognising", len(utterances), "recordings") as told:
        try:
            tally = run_bulk(recogniser, utterances, out, options, told.begin, told.advance)
        except KeyboardInterrupt:
            print(f"{out}: what is done is kept; the same command goes on with it", file=sys.stderr)
            raise
    told_failed = f", {tally.failed:,} of them with an error" if tally.failed else ""
    told_earlier = f"; {tally.earlier:,} were there from before" if tally.earlier else ""
    print(f"{out}: {tally.rows:,} rows{told_failed}{told_earlier}", file=sys.stderr)
    if recogniser.note:
        print(recogniser.note, file=sys.stderr)
    return _exit_code(tally.failed, tally.rows)


def _exit_code(failed: int, rows: int) -> int:
    return 0 if not failed else 2 if failed == rows else 1


def _print_sources(found: Sequence["Recognised"]) -> None:
    """Print the sources of the transcripts, if there are any."""
    sources = Counter(answer.transcript_from for answer in found if answer.transcript_from)
    if sources:
        told = ", ".join(f"{source} ({count})" for source, count in sources.items())
        Console().print(Text(f"transcripts from: {told}", style="dim"))


def _print_csv(found: Sequence["Recognised"], names: Sequence[str]) -> None:
    writer = csv.writer(sys.stdout, lineterminator="\n")
    worded = any(answer.transcript_from for answer in found)
    writer.writerow(["path", "label", *names, *(["transcript", "transcript_from"] if worded else []), "error"])
    for answer in found:
        said = answer.prediction
        shares = [said.probabilities.get(name) for name in names]
        rounded = ["" if share is None else f"{share:.4f}" for share in shares]
        words = [said.transcript, answer.transcript_from] if worded else []
        writer.writerow([said.path, said.label or "", *rounded, *words, said.error])
