"""The command `evaluate` without a protocol: one system, one data set, one report.

The report is written before the robustness sweep, which takes fifty times as long. The sweep itself is stored point by
point.
"""

import hashlib
import json
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from rich.console import Console

from emosllm.cli.options import with_progress
from emosllm.errors import UserError
from emosllm.utterance import Prediction, Utterance

if TYPE_CHECKING:
    from emosllm.evaluation.report import Report, TranscriptsFrom
    from emosllm.evaluation.robustness.answer_cache import AnswerCache
    from emosllm.evaluation.robustness.records import Robustness
    from emosllm.inference.recogniser import Recogniser


@dataclass(frozen=True)
class EvaluationCall:
    """The options of the user.

    Attributes:
        model: the system, as the user named it.
        data: the data, as the user named it.
        split: the part of the data.
        transcripts: `own` or `given`.
        abstain_below: confidence below which answers are withheld.
        conditions: of the robustness sweep.
        batch_size: recordings computed together.
        seed: of the bootstrap, and of noise.
        out: folder of the report.
        resume: continue an interrupted sweep.
    """

    model: str
    data: str
    split: str | None
    transcripts: Literal["own", "given"]
    abstain_below: float | None
    conditions: Sequence[str]
    batch_size: int
    seed: int
    out: Path | None
    resume: bool


def evaluate_once(
    recogniser: "Recogniser",
    utterances: Sequence[Utterance],
    call: EvaluationCall,
    reference_clips: Sequence[Utterance] = (),
) -> int:
    """Recognise the utterances, print the report, and write it if a folder is given.

    Args:
        recogniser: the system.
        utterances: the utterances to score.
        call: the options of the user.
        reference_clips: clips from which the mean valence, arousal and dominance of each class are computed.

    Returns:
        The exit code: 1 if some recordings failed, 2 if all failed.

    Raises:
        UserError: the folder cannot be written to, or holds another sweep than the one to continue.
    """
    from emosllm.files import make_folder
    from emosllm.reporting.formats.terminal import print_report
    from emosllm.reporting.report_files import write_report

    if call.out is not None:
        make_folder(call.out)  # reports an unwritable folder before the recognition, not after it
    began = time.monotonic()
    found = recogniser.predict(utterances, call.batch_size, call.transcripts)
    predictions = list(with_progress(found, len(utterances)))
    report = _report(recogniser, utterances, predictions, call, reference_clips, time.monotonic() - began)
    if call.conditions:
        kept = _stored_answers(report, call)
        if call.out is not None:
            write_report(report, utterances, predictions, call.out)
        report = replace(report, robustness=_run_sweep(recogniser, utterances, call, kept))
    print_report(report, Console())
    if call.out is not None:
        write_report(report, utterances, predictions, call.out)
    failed = sum(prediction.error is not None for prediction in predictions)
    return 0 if not failed else 2 if failed == len(predictions) else 1


def choose_reference_clips(known: Sequence[Utterance], split: str | None) -> list[Utterance]:
    """Return the clips for the mean valence of each class: the training and validation parts, without scored clips."""
    return [each for each in known if split is not None and each.split in ("train", "val") and each.split != split]


def check_scorable(
    recogniser: "Recogniser", utterances: Sequence[Utterance], data: str, abstain_below: float | None
) -> None:
    """Refuse data or options that cannot be scored, before the recognition.

    Raises:
        UserError: no utterance has an emotion to score, or the system has no probabilities for `--abstain-below`.
    """
    if not any(recogniser.labels.classify(u.emotion) for u in utterances):
        raise UserError(f"{data}: no utterance has one of the emotions {', '.join(recogniser.labels.names)} to score")
    if abstain_below is not None and recogniser.answer == "generate":
        raise UserError("--abstain-below needs probabilities, and free answers have none; use --answers score")


def conditions_of(names: str | None) -> list[str]:
    """Return the conditions that `--robustness` names.

    Raises:
        UserError: a name is unknown.
    """
    if names is None:
        return []
    from emosllm.evaluation.robustness.recogniser_sweep import chosen_conditions

    return chosen_conditions(names)


def _report(
    recogniser: "Recogniser",
    utterances: Sequence[Utterance],
    predictions: Sequence[Prediction],
    call: EvaluationCall,
    reference_clips: Sequence[Utterance],
    seconds: float,
) -> "Report":
    from emosllm.evaluation.recogniser_provenance import calibration_warnings, recogniser_provenance
    from emosllm.evaluation.report_builder import build_report

    wrote: TranscriptsFrom = "model" if call.transcripts == "own" else "given"
    return build_report(
        utterances,
        predictions,
        recogniser.labels,
        model=call.model,
        data=call.data,
        split=call.split,
        reference_clips=reference_clips,
        strategy=recogniser.strategy,
        transcripts_from=None if recogniser.strategy == "ser" else wrote,
        seconds=seconds,
        seed=call.seed,
        answer=recogniser.answer,
        fallback=recogniser.inference.fallback,
        temperature=recogniser.temperature,
        abstain_below=call.abstain_below,
        provenance=recogniser_provenance(call.model, recogniser, utterances),
        doubts=calibration_warnings(recogniser, utterances),
    )


def _run_sweep(
    recogniser: "Recogniser", utterances: Sequence[Utterance], call: EvaluationCall, kept: "AnswerCache | None"
) -> "Robustness":
    """Run the sweep of `--robustness`, and print each point as soon as it is computed."""
    from emosllm.evaluation.robustness.recogniser_sweep import sweep_recogniser

    console = Console(stderr=True)
    return sweep_recogniser(
        recogniser,
        utterances,
        call.conditions,
        batch_size=call.batch_size,
        transcripts=call.transcripts,
        seed=call.seed,
        kept=kept,
        on_point=lambda point: console.print(
            f"{point.condition} {'' if point.severity is None else f'{point.severity:g} '}UA {point.ua:.3f}"
        ),
    )


def _stored_answers(report: "Report", call: EvaluationCall) -> "AnswerCache | None":
    """The stored answers on degraded recordings, from which an interrupted sweep continues."""
    if call.out is None:
        return None
    from emosllm.evaluation.robustness.answer_cache import AnswerCache

    origin = report.provenance
    assert origin is not None
    facts: list[object] = [call.model, report.labels, report.strategy, report.answer, call.transcripts, call.seed]
    facts += [origin.data, origin.recipe, None if origin.training is None else asdict(origin.training)]
    kept = AnswerCache(call.out / "robustness")
    kept.begin(hashlib.blake2b(json.dumps(facts).encode(), digest_size=16).hexdigest(), call.resume)
    return kept
