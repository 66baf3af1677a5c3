"""Verbs for whoever has a trained system and wants to know it, or to pass it on: evaluate, export."""

import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, NoReturn

import typer
from rich.console import Console

from emosllm.cli.experimenting import (
    CacheOption,
    KeepOption,
    PartialOption,
    ProtocolOption,
    ResumeOption,
    SeedsOption,
    TestOnlyOption,
    evaluate_protocol,
    only_with_protocol,
)
from emosllm.cli.options import (
    AnswersOption,
    BatchOpt,
    DeviceOpt,
    LabelsOpt,
    ManifestsOption,
    ModelArgument,
    OverridesArgument,
    StrategyOpt,
    TranscriptsOpt,
    TranscriptsOption,
    chosen_labels,
    chosen_split,
    chosen_strategy,
    tracked,
)
from emosllm.errors import UserError
from emosllm.utterance import Prediction, Utterance

if TYPE_CHECKING:
    from emosllm.evaluation.provenance import Provenance
    from emosllm.evaluation.sweeps import Robustness
    from emosllm.inference.recogniser import Recogniser

AnswersOpt = Annotated[
    AnswersOption | None, typer.Option(help="Score labels, or look for them in text; the recipe's if not given.")
]
TemperatureOpt = Annotated[
    float | None, typer.Option(help="Of the probabilities; what `calibrate` found if not given.")
]
AbstainOpt = Annotated[
    float | None, typer.Option(min=0, max=1, help="Tell what remains if less sure answers are not given.")
]
RobustnessOpt = Annotated[
    str | None, typer.Option(help="Spoil the recordings too (slow): conditions with commas, or `all`.")
]


def evaluate(
    model: ModelArgument,
    data: ManifestsOption,
    overrides: OverridesArgument = None,
    split: Annotated[str | None, typer.Option(help="train, val or test; everything if not given.")] = None,
    out: Annotated[Path | None, typer.Option(help="Folder for report.json, report.md, predictions.jsonl.")] = None,
    transcripts: TranscriptsOpt = TranscriptsOption.own,
    strategy: StrategyOpt = None,
    labels: LabelsOpt = None,
    answers: AnswersOpt = None,
    temperature: TemperatureOpt = None,
    abstain_below: AbstainOpt = None,
    robustness: RobustnessOpt = None,
    batch_size: BatchOpt = 8,
    device: DeviceOpt = None,
    seed: Annotated[int, typer.Option(help="Of the bootstrap, and of noise.")] = 0,
    protocol: ProtocolOption = None,
    seeds: SeedsOption = 1,
    resume: ResumeOption = False,
    partial: PartialOption = False,
    test_only: TestOnlyOption = False,
    cache: CacheOption = None,
    keep_models: KeepOption = True,
) -> None:
    """Score a system on labelled recordings: UA, WA, F1s, intervals by speaker, confusions, WER.

    Example: `emosllm evaluate nano --data manifest.csv --split test --out report`

    Example: `emosllm evaluate head-wavlm --protocol iemocap-loso --data iemocap.csv --out loso`

    A recording that can't be read counts as a wrong answer. Exit code 1 when some failed, 2 when all did.
    """
    from emosllm.evaluation.extra import check_eval_extra

    check_eval_extra()
    system: dict[str, Any] = {"strategy": chosen_strategy(strategy), "device": device, "overrides": overrides or ()}
    folds: dict[str, Any] = {"resume": resume, "partial": partial, "test_only": test_only, "cache": cache}
    if protocol is not None:
        given = transcripts if transcripts is TranscriptsOption.given else None
        decided: dict[str, object] = {"split": split, "labels": labels, "transcripts": given, "answers": answers}
        decided |= {"robustness": robustness, "temperature": temperature, "abstain-below": abstain_below}
        folds |= {"out": out, "seeds": seeds, "keep_models": keep_models, "batch_size": batch_size}
        evaluate_protocol(protocol, model, data, decided, **system, **folds)
        return
    only_with_protocol(seeds=seeds > 1, **folds)
    system |= {"answer": answers and answers.value, "temperature": temperature, "labels": labels}
    told = {"split": split, "abstain_below": abstain_below, "seed": seed}
    _evaluate_once(model, data, system, out, transcripts, batch_size, _conditions(robustness), told)


def _evaluate_once(
    model: str,
    data: Sequence[Path],
    system: dict[str, Any],
    out: Path | None,
    transcripts: TranscriptsOption,
    batch_size: int,
    conditions: Sequence[str],
    told: Mapping[str, Any],
) -> NoReturn:
    """Score a system as it is, without a protocol: read the data, load it, refuse what can't be scored."""
    from emosllm.experiments.data import read_data
    from emosllm.inference.loading import load

    known, called = read_data(data), ", ".join(map(str, data))
    utterances = chosen_split(known, told["split"], called)
    labels = system.pop("labels")
    recogniser = load(model, **system)
    recogniser.labels = recogniser.labels.only(chosen_labels(labels, utterances) or recogniser.labels.names)
    _check_asked(recogniser, utterances, called, told["abstain_below"])
    facts = {"model": model, "data": called, "learned": _learned(known, told["split"]), **told}
    _score(recogniser, utterances, out, transcripts, batch_size, conditions, facts)


def _learned(known: Sequence[Utterance], split: str | None) -> list[Utterance]:
    """What a class's mean valence may be measured on: the training and validation part, and nothing that is scored."""
    return [each for each in known if split is not None and each.split in ("train", "val") and each.split != split]


def _score(
    recogniser: "Recogniser",
    utterances: Sequence[Utterance],
    out: Path | None,
    transcripts: TranscriptsOption,
    batch_size: int,
    conditions: Sequence[str],
    called: Mapping[str, Any],
) -> NoReturn:
    """Recognise, print the report, write it where it shall be written, and leave."""
    from emosllm.evaluation.report import build_report, write_report
    from emosllm.evaluation.screen import print_report
    from emosllm.files import make_folder

    if out is not None:
        make_folder(out)  # what can't be written should be known now, not after a thousand recordings
    began = time.monotonic()
    found = recogniser.predict(utterances, batch_size, transcripts.value)
    predictions = list(tracked(found, len(utterances)))
    seconds = time.monotonic() - began
    report = build_report(
        utterances,
        predictions,
        recogniser.labels,
        **called,
        strategy=recogniser.strategy,
        transcripts_from=_transcripts_from(recogniser.strategy, transcripts),
        seconds=seconds,
        answer=recogniser.answer,
        fallback=recogniser.inference.fallback,
        temperature=recogniser.temperature,
        robustness=_swept(recogniser, utterances, conditions, batch_size, transcripts, called["seed"]),
        provenance=_provenance(called["model"], recogniser, utterances),
        doubts=_doubts(recogniser, utterances),
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
    from emosllm.inference.calibrated import CALIBRATION, write_calibration
    from emosllm.inference.loading import load_parts, stored_calibration

    system, processor = load_parts(model)
    calibrated = stored_calibration(model)
    with atomic_folder(out, marker="config.json") as folder:
        system.save_pretrained(folder, self_contained=self_contained)
        processor.save_pretrained(folder)
        if calibrated is not None:
            write_calibration(calibrated, folder / CALIBRATION)
    print(f"{out}: try it: emosllm predict {out} RECORDING", file=sys.stderr)


def _check_asked(
    recogniser: "Recogniser", utterances: Sequence[Utterance], data: str, abstain_below: float | None
) -> None:
    """Refuse, before anything is recognised, what could not be scored after."""
    if not any(recogniser.labels.classify(u.emotion) for u in utterances):
        raise UserError(f"{data}: no utterance has one of the emotions {', '.join(recogniser.labels.names)} to score")
    if abstain_below is not None and recogniser.answer == "generate":
        raise UserError("--abstain-below needs probabilities, and free answers have none; use --answers score")


def _conditions(names: str | None) -> list[str]:
    if names is None:
        return []
    from emosllm.evaluation.sweeping import chosen_conditions

    return chosen_conditions(names)


def _swept(
    recogniser: "Recogniser",
    utterances: Sequence[Utterance],
    conditions: Sequence[str],
    batch_size: int,
    transcripts: TranscriptsOption,
    seed: int,
) -> "Robustness | None":
    """The sweep that `--robustness` asks for, each point told as it is known."""
    if not conditions:
        return None
    from emosllm.evaluation.sweeping import sweep_recogniser

    console = Console(stderr=True)
    return sweep_recogniser(
        recogniser,
        utterances,
        conditions,
        batch_size=batch_size,
        transcripts=transcripts.value,
        seed=seed,
        on_point=lambda point: console.print(
            f"{point.condition} {'' if point.severity is None else f'{point.severity:g} '}UA {point.ua:.3f}"
        ),
    )


def _provenance(model: str, recogniser: "Recogniser", utterances: Sequence[Utterance]) -> "Provenance":
    from emosllm.evaluation.provenance import Provenance, digest_of, hardware_here, training_of

    recipe = recogniser.model.recipe.model_dump(mode="json")
    calibration = None if recogniser.calibrated is None else asdict(recogniser.calibrated)
    return Provenance(digest_of(utterances), hardware_here(), recipe, training_of(model), calibration)


def _doubts(recogniser: "Recogniser", utterances: Sequence[Utterance]) -> list[str]:
    from emosllm.evaluation.provenance import digest_of

    if recogniser.calibrated is None or recogniser.answer == "generate":
        return []
    scored = [each for each in utterances if recogniser.labels.classify(each.emotion) is not None]
    return recogniser.calibrated.doubts(recogniser.labels.names, recogniser.strategy, digest_of(scored))


def _exit_code(predictions: Sequence[Prediction]) -> int:
    failed = sum(prediction.error is not None for prediction in predictions)
    return 0 if not failed else 2 if failed == len(predictions) else 1


def _transcripts_from(strategy: str, transcripts: TranscriptsOption) -> Literal["model", "given"] | None:
    return None if strategy == "ser" else "model" if transcripts is TranscriptsOption.own else "given"
