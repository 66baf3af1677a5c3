"""Verbs for whoever has a trained system and wants to know it, or to pass it on: evaluate, export."""

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
    LabelsOpt,
    ModelArgument,
    StrategyOpt,
    TranscriptsOpt,
    TranscriptsOption,
    chosen_labels,
    chosen_strategy,
)
from emosllm.errors import UserError
from emosllm.utterance import Prediction


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


def _exit_code(predictions: Sequence[Prediction]) -> int:
    failed = sum(prediction.error is not None for prediction in predictions)
    return 0 if not failed else 2 if failed == len(predictions) else 1


def _transcripts_from(strategy: str, transcripts: TranscriptsOption) -> Literal["model", "given"] | None:
    return None if strategy == "ser" else "model" if transcripts is TranscriptsOption.own else "given"
