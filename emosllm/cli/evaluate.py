"""The command `evaluate`: score a system on labelled recordings."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from emosllm.cli.evaluate_dataset import (
    EvaluationCall,
    check_scorable,
    choose_reference_clips,
    conditions_of,
    evaluate_once,
)
from emosllm.cli.evaluate_protocol import evaluate_protocol, refuse_with_protocol, refuse_without_protocol
from emosllm.cli.options import (
    AnswersChoice,
    BatchSizeOption,
    CacheOption,
    CalibrateOption,
    DeviceOption,
    KeepModelsOption,
    LabelsOption,
    ManifestsOption,
    ModelArgument,
    OverridesArgument,
    PartialOption,
    ProtocolOption,
    ResumeEvaluationOption,
    SeedsOption,
    StrategyOption,
    TestOnlyOption,
    TranscriptsChoice,
    TranscriptsOption,
    chosen_labels,
    chosen_split,
    chosen_strategy,
)
from emosllm.errors import UserError

if TYPE_CHECKING:
    from emosllm.recipe_parts import Answer

AnswersOption = Annotated[
    AnswersChoice | None,
    typer.Option(
        help="Compare the labels' probabilities, or search generated text for a label; the recipe's by default."
    ),
]


TemperatureOption = Annotated[
    float | None, typer.Option(help="Temperature of the probabilities; that of `calibrate` by default.")
]


AbstainOption = Annotated[
    float | None, typer.Option(min=0, max=1, help="Also report the figures without answers below this confidence.")
]


RobustnessOption = Annotated[
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
    transcripts: TranscriptsOption = TranscriptsChoice.own,
    strategy: StrategyOption = None,
    labels: LabelsOption = None,
    answers: AnswersOption = None,
    temperature: TemperatureOption = None,
    abstain_below: AbstainOption = None,
    robustness: RobustnessOption = None,
    batch_size: BatchSizeOption = 8,
    device: DeviceOption = None,
    seed: Annotated[int, typer.Option(help="Set the random seed of the bootstrap and of noise.")] = 0,
    protocol: ProtocolOption = None,
    seeds: SeedsOption = 1,
    calibrate: CalibrateOption = False,
    resume: ResumeEvaluationOption = False,
    partial: PartialOption = False,
    test_only: TestOnlyOption = False,
    cache: CacheOption = None,
    keep_models: KeepModelsOption = True,
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

        refuse_with_protocol(split=split, labels=labels)
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
    resumed = resume and not conditions
    refuse_without_protocol(
        seeds=seeds > 1, calibrate=calibrate, resume=resumed, partial=partial, test_only=test_only, cache=cache
    )
    if resume and out is None:
        raise UserError("--resume continues a sweep over degraded recordings in a folder: give --out DIR")
    from emosllm.experiments.data.manifests import read_manifests
    from emosllm.inference.loader import load

    names = ", ".join(map(str, data))
    known = read_manifests(data)
    utterances = chosen_split(known, split, names)
    recogniser = load(
        model, device=device, strategy=asked, answer=answer, temperature=temperature, overrides=overrides or ()
    )
    recogniser.labels = recogniser.labels.only(chosen_labels(labels, utterances) or recogniser.labels.names)
    check_scorable(recogniser, utterances, names, abstain_below)
    call = EvaluationCall(
        model, names, split, transcripts.value, abstain_below, conditions, batch_size, seed, out, resume
    )
    raise typer.Exit(evaluate_once(recogniser, utterances, call, choose_reference_clips(known, split)))
