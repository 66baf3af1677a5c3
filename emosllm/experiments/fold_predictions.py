"""The predictions of one system on the test part of one fold, with the encoder's frames from the experiment's cache.

The cache stores frames in half precision, as in training and validation. A single clip's probabilities may therefore
differ from those of `emosllm predict` in the third decimal. For a robustness sweep, degraded and clean recordings are
encoded without the cache.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from emosllm.errors import UserError
from emosllm.evaluation.answers import prediction_of
from emosllm.evaluation.provenance import Provenance
from emosllm.evaluation.recogniser_provenance import calibration_warnings, recogniser_provenance
from emosllm.evaluation.robustness.answer_cache import AnswerCache
from emosllm.evaluation.robustness.records import Robustness
from emosllm.evaluation.temperature import fit_recogniser_temperature
from emosllm.experiments.grid import Variant
from emosllm.inference.loader import load
from emosllm.inference.recogniser import Recogniser, Transcripts
from emosllm.training.feature_cache import FeatureCache
from emosllm.utterance import Prediction, Utterance


@dataclass(frozen=True)
class SystemAnswers:
    """The answers of a system, and their origin.

    Attributes:
        predictions: one for each clip, in order; an unreadable clip has a prediction with its error.
        temperature: of their probabilities.
        provenance: the system, the data and the machine.
        doubts: reasons to distrust the figures, one sentence each.
        robustness: the sweep over degraded recordings, if requested.
    """

    predictions: list[Prediction]
    temperature: float
    provenance: Provenance
    doubts: tuple[str, ...] = ()
    robustness: Robustness | None = None


def score_system(
    variant: Variant,
    run: Path,
    utterances: Sequence[Utterance],
    cache: Path,
    batch_size: int,
    device: str | None,
    validation: Sequence[Utterance] = (),
    kept: AnswerCache | None = None,
) -> SystemAnswers:
    """Run a variant's system on the clips of a fold.

    Args:
        variant: its recipe and its `scoring` define the inference.
        run: folder of its training; not used if the variant names a system.
        utterances: with the transcripts that the system may get.
        cache: folder of the encoders' frames.
        batch_size: clips computed together.
        device: as `load`.
        validation: for the temperature, if it is fitted.
        kept: folder of the answers on degraded recordings.
    """
    inference, scoring = variant.recipe.inference, variant.scoring
    recogniser = load(
        variant.system or run,
        device=device,
        strategy=inference.strategy,
        answer=inference.answer,
        overrides=variant.overrides,
        temperature=1.0 if scoring.calibrates else scoring.temperature,
    )
    recogniser.labels = recogniser.labels.only(variant.classes.names)
    transcripts: Transcripts = "own" if variant.transform.transcripts == "own" else "given"
    doubts = _transcript_warnings(recogniser, utterances, transcripts)
    if scoring.calibrates:
        recogniser.remembered = _frames_of(recogniser, validation, cache)
        doubts += _calibrate(recogniser, validation, transcripts, batch_size)
    recogniser.remembered = _frames_of(recogniser, utterances, cache)
    predictions = list(recogniser.predict(utterances, batch_size, transcripts))
    robustness = None
    if scoring.conditions:
        from emosllm.evaluation.robustness.recogniser_sweep import sweep_recogniser

        recogniser.remembered = None  # frames of clean recordings do not apply to degraded ones
        how = {"batch_size": batch_size, "transcripts": transcripts, "seed": scoring.seed, "kept": kept}
        robustness = sweep_recogniser(recogniser, utterances, scoring.conditions, **how)  # type: ignore[arg-type]
    doubts += calibration_warnings(recogniser, utterances)
    origin = recogniser_provenance(str(variant.system or run), recogniser, utterances)
    return SystemAnswers(predictions, recogniser.temperature, origin, tuple(doubts), robustness)


def read_predictions(folder: Path, utterances: Sequence[Utterance]) -> list[Prediction]:
    """Read the predictions from a report's folder, in the order of the utterances.

    Raises:
        UserError: the folder lacks one of them, or has another form.
    """
    path = folder / "predictions.jsonl"
    try:
        rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
        found = {row["id"]: prediction_of(row) for row in rows}
        return [found[utterance.id] for utterance in utterances]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(f"{path} is damaged ({error!r}): remove {folder}, and continue with --resume") from None


def _calibrate(
    recogniser: Recogniser, validation: Sequence[Utterance], transcripts: Transcripts, batch_size: int
) -> list[str]:
    """Fit the temperature. If that is not possible it stays 1, with a warning; the answers are the same."""
    try:
        found = fit_recogniser_temperature(
            recogniser,
            validation,
            data="the validation part",
            split="val",
            transcripts=transcripts,
            batch_size=batch_size,
        )
    except UserError as error:
        return [f"No temperature was fitted, so it is 1: {error}."]
    recogniser.temperature, recogniser.calibrated = found.temperature, found
    return []


def _transcript_warnings(
    recogniser: Recogniser, utterances: Sequence[Utterance], transcripts: Transcripts
) -> list[str]:
    """A warning if clips have no transcript although the system is given transcripts."""
    missing = sum(not utterance.transcript for utterance in utterances)
    if transcripts == "own" or recogniser.strategy == "ser" or not missing:
        return []
    return [f"{missing} of {len(utterances)} clips have no transcript: for these the system wrote its own."]


def _frames_of(
    recogniser: Recogniser, utterances: Sequence[Utterance], cache: Path
) -> Callable[[Utterance], np.ndarray] | None:
    """The encoder's frames of each clip; an unreadable clip raises an error when it is requested."""
    encoder = recogniser.model.encoder
    if encoder is None:
        return None
    store = FeatureCache(cache, encoder, recogniser.processor)
    try:
        store.fill(utterance for utterance in utterances if utterance.audio is not None)
    except UserError:  # one unreadable recording must not prevent the figures of the others

        def one(utterance: Utterance) -> np.ndarray:
            store.fill([utterance])
            return store.load(utterance)

        return one
    return store.load
