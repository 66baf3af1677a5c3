"""One system's answers on one fold's test part, the encoder's frames taken from the experiment's cache.

Frames are in half precision there, as in training and validation; a single clip's probabilities may differ from
`emosllm predict`'s in the third decimal. Spoilt recordings are heard anew, and so are the clean ones beside them.
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
class Scored:
    """What a system answered, and under which conditions.

    Attributes:
        predictions: one for each clip, in order; one that can't be read is a prediction with its error.
        temperature: of their probabilities.
        provenance: the system, the data and the machine.
        doubts: what speaks against the figures, a sentence each.
        robustness: the sweep over spoilt recordings, where one was asked for.
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
) -> Scored:
    """Ask a variant's system about the clips of a fold.

    Args:
        variant: whose system it is; how it is asked stands in its recipe and its `asking`.
        run: folder of its training; unused where the variant is a system of its own.
        utterances: with the transcripts that it may be told.
        cache: folder of the encoders' frames.
        batch_size: clips computed together.
        device: as `load`.
        validation: what its temperature is fitted on, where it is.
        kept: where the answers to spoilt recordings are kept.
    """
    inference, asking = variant.recipe.inference, variant.asking
    recogniser = load(
        variant.system or run,
        device=device,
        strategy=inference.strategy,
        answer=inference.answer,
        overrides=variant.overrides,
        temperature=1.0 if asking.calibrates else asking.temperature,
    )
    recogniser.labels = recogniser.labels.only(variant.classes.names)
    transcripts: Transcripts = "own" if variant.reshaping.transcripts == "own" else "given"
    doubts = _untold(recogniser, utterances, transcripts)
    if asking.calibrates:
        recogniser.remembered = _frames_of(recogniser, validation, cache)
        doubts += _calibrate(recogniser, validation, transcripts, batch_size)
    recogniser.remembered = _frames_of(recogniser, utterances, cache)
    predictions = list(recogniser.predict(utterances, batch_size, transcripts))
    robustness = None
    if asking.conditions:
        from emosllm.evaluation.robustness.recogniser_sweep import sweep_recogniser

        recogniser.remembered = None  # what was heard clean says nothing of what is spoilt
        how = {"batch_size": batch_size, "transcripts": transcripts, "seed": asking.seed, "kept": kept}
        robustness = sweep_recogniser(recogniser, utterances, asking.conditions, **how)  # type: ignore[arg-type]
    doubts += calibration_warnings(recogniser, utterances)
    origin = recogniser_provenance(str(variant.system or run), recogniser, utterances)
    return Scored(predictions, recogniser.temperature, origin, tuple(doubts), robustness)


def read_predictions(folder: Path, utterances: Sequence[Utterance]) -> list[Prediction]:
    """The predictions of a report's folder, in the order of the utterances.

    Raises:
        UserError: the folder lacks one of them, or holds something else.
    """
    path = folder / "predictions.jsonl"
    try:
        rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
        found = {row["id"]: prediction_of(row) for row in rows}
        return [found[utterance.id] for utterance in utterances]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(f"{path} is damaged ({error!r}); remove {folder}, and --resume computes it again") from None


def _calibrate(
    recogniser: Recogniser, validation: Sequence[Utterance], transcripts: Transcripts, batch_size: int
) -> list[str]:
    """Fit the temperature; where none can be it stays 1, and a sentence says why: the answers are the same."""
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
        return [f"No temperature was fitted, and 1 was taken: {error}."]
    recogniser.temperature, recogniser.calibrated = found.temperature, found
    return []


def _untold(recogniser: Recogniser, utterances: Sequence[Utterance], transcripts: Transcripts) -> list[str]:
    silent = sum(not utterance.transcript for utterance in utterances)
    if transcripts == "own" or recogniser.strategy == "ser" or not silent:
        return []
    return [f"{silent} of {len(utterances)} clips have no transcript to be told: of these the system wrote its own."]


def _frames_of(
    recogniser: Recogniser, utterances: Sequence[Utterance], cache: Path
) -> Callable[[Utterance], np.ndarray] | None:
    """The encoder's frames of each clip; a clip that can't be read is told so when it is asked for."""
    encoder = recogniser.model.encoder
    if encoder is None:
        return None
    store = FeatureCache(cache, encoder, recogniser.processor)
    try:
        store.fill(utterance for utterance in utterances if utterance.audio is not None)
    except UserError:  # one bad recording must not cost the others their figures

        def one(utterance: Utterance) -> np.ndarray:
            store.fill([utterance])
            return store.load(utterance)

        return one
    return store.load
