"""The command `evaluate`: score a system on labelled recordings."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from emosllm.cli.evaluate_dataset import EvaluationCall, check_scorable, conditions_of, evaluate_once, reference_clips
from emosllm.cli.evaluate_protocol import evaluate_protocol, never_with_protocol, only_with_protocol
from emosllm.cli.options import (
    AnswersOption,
    BatchOpt,
    CacheOption,
    CalibrateOption,
    DeviceOpt,
    KeepOption,
    LabelsOpt,
    ManifestsOption,
    ModelArgument,
    OverridesArgument,
    PartialOption,
    ProtocolOption,
    SeedsOption,
    StrategyOpt,
    TakeUpOption,
    TestOnlyOption,
    TranscriptsOpt,
    TranscriptsOption,
    chosen_labels,
    chosen_split,
    chosen_strategy,
)
from emosllm.errors import UserError

if TYPE_CHECKING:
    from emosllm.recipe_parts import Answer

AnswersOpt = Annotated[
    AnswersOption | None,
    typer.Option(
        help="Compare the labels' probabilities, or search generated text for a label; the recipe's by default."
    ),
]


TemperatureOpt = Annotated[
    float | None, typer.Option(help="Temperature of the probabilities; that of `calibrate` by default.")
]


AbstainOpt = Annotated[
    float | None, typer.Option(min=0, max=1, help="Also report the figures without answers below this confidence.")
]


RobustnessOpt = Annotated[
    str | None,
    typer.Option(
        help="Also evaluate on degraded recordings (slow): names of conditions, separated by commas, or `all`."
    ),
]


def evaluate(
    model: ModelArgument,
    data: ManifestsOption,
    overrides: OverridesArgument = None,
    split: Annotated[
        str | None, typer.Option(help="Split of the manifest: train, val or test; all utterances by default.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Write report.json, report.md and predictions.jsonl into this folder.")
    ] = None,
    transcripts: TranscriptsOpt = TranscriptsOption.own,
    strategy: StrategyOpt = None,
    labels: LabelsOpt = None,
    answers: AnswersOpt = None,
    temperature: TemperatureOpt = None,
    abstain_below: AbstainOpt = None,
    robustness: RobustnessOpt = None,
    batch_size: BatchOpt = 8,
    device: DeviceOpt = None,
    seed: Annotated[int, typer.Option(help="Set the random seed of the bootstrap and of noise.")] = 0,
    protocol: ProtocolOption = None,
    seeds: SeedsOption = 1,
    calibrate: CalibrateOption = False,
    resume: TakeUpOption = False,
    partial: PartialOption = False,
    test_only: TestOnlyOption = False,
    cache: CacheOption = None,
    keep_models: KeepOption = True,
) -> None:
    """Evaluate a system on labelled recordings: UA, WA, F1 scores, intervals by speaker, confusions, WER.

    Example: `emosllm evaluate nano --data manifest.csv --split test --out report`

    Example: `emosllm evaluate head-wavlm --protocol iemocap-loso --data iemocap.csv --out loso`

    A recording that cannot be read counts as a wrong answer. Exit code 1 if some recordings failed, 2 if all failed.
    """
    from emosllm.extras import check_eval_extra

    check_eval_extra()
    asked, conditions = chosen_strategy(strategy), conditions_of(robustness)
    answer: Answer | None = None if answers is None else answers.value
    if protocol is not None:
        from emosllm.experiments.protocols.evaluation import ProtocolSettings
        from emosllm.experiments.scoring_options import ScoringOptions

        never_with_protocol(split=split, labels=labels)
        scoring = ScoringOptions(temperature, calibrate, abstain_below, tuple(conditions), seed)
        settings = ProtocolSettings(
            out=out,
            resume=resume,
            partial=partial,
            test_only=test_only,
            seeds=seeds,
            strategy=asked,
            answer=answer,
            transcripts=transcripts.value,
            scoring=scoring,
            cache=cache,
            keep_models=keep_models,
            batch_size=batch_size,
            device=device,
        )
        evaluate_protocol(protocol, model, data, overrides or (), settings)
        return
    taken_up = resume and not conditions
    only_with_protocol(
        seeds=seeds > 1, calibrate=calibrate, resume=taken_up, partial=partial, test_only=test_only, cache=cache
    )
    if resume and out is None:
        raise UserError("--resume continues a sweep over degraded recordings in a folder: give --out DIR")
    from emosllm.experiments.data.manifests import read_manifests
    from emosllm.inference.loader import load

    told = ", ".join(map(str, data))
    known = read_manifests(data)
    utterances = chosen_split(known, split, told)
    recogniser = load(
        model, device=device, strategy=asked, answer=answer, temperature=temperature, overrides=overrides or ()
    )
    recogniser.labels = recogniser.labels.only(chosen_labels(labels, utterances) or recogniser.labels.names)
    check_scorable(recogniser, utterances, told, abstain_below)
    call = EvaluationCall(
        model, told, split, transcripts.value, abstain_below, conditions, batch_size, seed, out, resume
    )
    raise typer.Exit(evaluate_once(recogniser, utterances, call, reference_clips(known, split)))
