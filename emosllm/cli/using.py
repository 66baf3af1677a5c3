"""Verbs for whoever has a trained system: predict, evaluate, export."""

import csv
import json
import sys
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Annotated, Literal

import typer
from rich.console import Console
from rich.progress import track

from emosllm.cli.options import (
    BatchOpt,
    DataOption,
    DeviceOpt,
    Format,
    LabelsOpt,
    ModelArgument,
    StrategyOpt,
    TranscriptsOpt,
    TranscriptsOption,
    chosen_labels,
    chosen_strategy,
)
from emosllm.errors import UserError
from emosllm.utterance import Prediction, Utterance

AUDIO_SUFFIXES = {".wav", ".flac", ".mp3", ".ogg", ".opus", ".aiff", ".aif", ".au"}


def predict(
    model: ModelArgument,
    files: Annotated[list[Path], typer.Argument(help="Recordings, or folders of them.")],
    format: Annotated[Format, typer.Option(help="Table, one JSON object a line, or CSV.")] = Format.table,
    picture: Annotated[Path | None, typer.Option(help="Draw the probabilities into this PNG or SVG.")] = None,
    strategy: StrategyOpt = None,
    labels: LabelsOpt = None,
    batch_size: BatchOpt = 8,
    device: DeviceOpt = None,
) -> None:
    """Recognise emotions in recordings.

    Example: `emosllm predict nano interview.wav --format json`

    A recording that can't be read is a row with its error. Exit code 1 when some failed, 2 when all did.
    """
    from emosllm.evaluation.picture import check_picture
    from emosllm.inference.loading import load

    utterances = [Utterance(str(path), path) for path in _recordings(files)]
    if picture is not None:
        check_picture(picture)
    recogniser = load(model, device=device, strategy=chosen_strategy(strategy), labels=chosen_labels(labels, []))
    predictions: list[Prediction] = []
    for prediction in _tracked(recogniser.predict(utterances, batch_size), len(utterances)):
        predictions.append(prediction)
        if format is Format.json:
            print(json.dumps(prediction.to_dict(), ensure_ascii=False), flush=True)
    if format is Format.csv:
        _print_csv(predictions, recogniser.labels.names)
    if format is Format.table:
        from emosllm.evaluation.screen import prediction_table

        Console().print(prediction_table(predictions))
    if picture is not None:
        from emosllm.evaluation.picture import draw_predictions

        draw_predictions(predictions, picture, f"Emotions by {model}")
    raise typer.Exit(_exit_code(predictions))


def evaluate(
    model: ModelArgument,
    data: DataOption,
    split: Annotated[str | None, typer.Option(help="train, val or test; everything if not given.")] = None,
    out: Annotated[Path | None, typer.Option(help="Folder for report.json, report.md, predictions.jsonl.")] = None,
    transcripts: TranscriptsOpt = TranscriptsOption.own,
    strategy: StrategyOpt = None,
    labels: LabelsOpt = None,
    batch_size: BatchOpt = 8,
    device: DeviceOpt = None,
    seed: Annotated[int, typer.Option(help="Of the bootstrap.")] = 0,
) -> None:
    """Score a system on labelled recordings: UA, WA, F1s, intervals by speaker, confusions, WER.

    Example: `emosllm evaluate nano --data manifest.csv --split test --out report`

    A recording that can't be read counts as a wrong answer. Exit code 1 when some failed, 2 when all did.
    """
    from emosllm.corpora.manifest import read_manifest
    from emosllm.evaluation.extra import check_eval_extra
    from emosllm.evaluation.report import build_report, write_report
    from emosllm.evaluation.screen import print_report
    from emosllm.files import make_folder
    from emosllm.inference.loading import load

    check_eval_extra()
    everything = read_manifest(data)
    utterances = [u for u in everything if split is None or u.split == split]
    if not utterances:
        there = Counter(u.split or "(none)" for u in everything)
        counts = ", ".join(f"{name} {count}" for name, count in there.items())
        raise UserError(f"{data}: no utterance of split {split!r}; leave --split out, or name one of {counts}")
    recogniser = load(model, device=device, strategy=chosen_strategy(strategy))
    recogniser.labels = recogniser.labels.only(chosen_labels(labels, utterances) or recogniser.labels.names)
    if not any(recogniser.labels.classify(u.emotion) for u in utterances):
        raise UserError(f"{data}: no utterance has one of the emotions {', '.join(recogniser.labels.names)} to score")
    if out is not None:
        make_folder(out)  # what can't be written should be known now, not after a thousand recordings
    began = time.monotonic()
    found = recogniser.predict(utterances, batch_size, transcripts.value)
    predictions = list(_tracked(found, len(utterances)))
    report = build_report(
        utterances,
        predictions,
        recogniser.labels,
        model=model,
        data=str(data),
        split=split,
        strategy=recogniser.strategy,
        transcripts_from=_transcripts_from(recogniser.strategy, transcripts),
        seconds=time.monotonic() - began,
        seed=seed,
    )
    print_report(report, Console())
    if out is not None:
        write_report(report, utterances, predictions, out)
    raise typer.Exit(_exit_code(predictions))


def export(
    model: ModelArgument,
    out: Annotated[Path, typer.Option(help="Folder of the new checkpoint.")],
    self_contained: Annotated[bool, typer.Option(help="Hold the backbones' weights too.")] = True,
) -> None:
    """Save a trained system anew, with its backbones inside, so that one folder is all it takes.

    Example: `emosllm export runs/mine --out mine-whole`
    """
    from emosllm.files import atomic_folder
    from emosllm.inference.loading import load_parts

    system, processor = load_parts(model)
    with atomic_folder(out, marker="config.json") as folder:
        system.save_pretrained(folder, self_contained=self_contained)
        processor.save_pretrained(folder)
    print(f"{out}: try it: emosllm predict {out} RECORDING", file=sys.stderr)


def _tracked(predictions: Iterator[Prediction], total: int) -> Iterable[Prediction]:
    """With a bar and the time left, on the error stream where somebody looks at it."""
    console = Console(stderr=True)
    return track(
        predictions, "recognising", total=total, console=console, transient=True, disable=not console.is_terminal
    )


def _recordings(paths: Sequence[Path]) -> list[Path]:
    """The files named, and the recordings in the folders named."""
    found: list[Path] = []
    for path in paths:
        inside = sorted(p for p in path.rglob("*") if _is_recording(p)) if _is_folder(path) else [path]
        if not inside:
            raise UserError(
                f"{path}: no recording in that folder; known endings are {' '.join(sorted(AUDIO_SUFFIXES))}"
            )
        found += inside
    return found


def _is_folder(path: Path) -> bool:
    try:
        return path.is_dir()
    except OSError:  # a name too long to look up
        return False


def _is_recording(path: Path) -> bool:
    # Names that begin with a dot are what macOS leaves beside the files of an archive.
    return path.suffix.lower() in AUDIO_SUFFIXES and not path.name.startswith(".") and path.is_file()


def _exit_code(predictions: Sequence[Prediction]) -> int:
    failed = sum(prediction.error is not None for prediction in predictions)
    return 0 if not failed else 2 if failed == len(predictions) else 1


def _transcripts_from(strategy: str, transcripts: TranscriptsOption) -> Literal["model", "given"] | None:
    return None if strategy == "ser" else "model" if transcripts is TranscriptsOption.own else "given"


def _print_csv(predictions: Sequence[Prediction], names: Sequence[str]) -> None:
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(["path", "label", *names, "transcript", "error"])
    for prediction in predictions:
        shares = [prediction.probabilities.get(name) for name in names]
        rounded = ["" if share is None else f"{share:.4f}" for share in shares]
        writer.writerow([prediction.path, prediction.label or "", *rounded, prediction.transcript, prediction.error])
