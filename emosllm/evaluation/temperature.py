"""Fit a recogniser's temperature on clips that are neither in its training nor in its test data.

Limitation: this is not checked. A temperature that is fitted on test makes the calibration figures too good.
"""

from collections.abc import Callable, Iterable, Sequence

from emosllm.errors import UserError
from emosllm.evaluation.answers import answers_of
from emosllm.evaluation.calibration import TEMPERATURES, apply_temperature, calibrate, fit_temperature
from emosllm.evaluation.provenance import digest_of
from emosllm.inference.recogniser import Recogniser, Transcripts
from emosllm.inference.stored_calibration import StoredCalibration
from emosllm.utterance import Prediction, Utterance


def fit_recogniser_temperature(
    recogniser: Recogniser,
    utterances: Sequence[Utterance],
    *,
    data: str,
    split: str | None,
    transcripts: Transcripts = "own",
    batch_size: int = 8,
    with_progress: Callable[[Iterable[Prediction]], Iterable[Prediction]] = iter,
) -> StoredCalibration:
    """Fit the temperature that minimises the NLL of the true emotions, and measure its effect.

    Args:
        recogniser: at temperature 1.
        utterances: with their true emotions; those without a class are left out.
        data: the name of the data.
        split: the part of the data.
        transcripts: as for `Recogniser.predict`.
        batch_size: recordings computed together.
        with_progress: wraps the predictions, for a progress bar.

    Raises:
        UserError: free answers, no utterance with a class, or a best temperature outside `TEMPERATURES`: every clip is
            right, or the answers are at chance level.
    """
    assert recogniser.temperature == 1, recogniser.temperature
    labels = recogniser.labels
    scored = [utterance for utterance in utterances if labels.classify(utterance.emotion) is not None]
    if not scored:
        raise UserError(f"{data}: no utterance has one of the emotions {', '.join(labels.names)} to calibrate on")
    if recogniser.answer == "generate":
        raise UserError("free answers have no probabilities to calibrate: use --answers score")
    predictions = list(with_progress(recogniser.predict(scored, batch_size, transcripts)))
    before = answers_of(scored, predictions, labels, "")
    found = fit_temperature(before.reference, before.probabilities, before.labels)
    if found.at_bound:
        raise UserError(
            f"{data}: the best temperature of {found.n} clips is outside {TEMPERATURES[0]} to {TEMPERATURES[1]}, since "
            "every clip is right, or the answers are at chance level: calibrate on more clips"
        )
    tempered = [apply_temperature(prediction, found.value) for prediction in predictions]
    after = answers_of(scored, tempered, labels, "")
    errors = [calibrate(each.reference, each.probabilities, each.labels).ece for each in (before, after)]
    return StoredCalibration(
        temperature=found.value,
        data=data,
        digest=digest_of(scored),
        split=split,
        labels=labels.names,
        strategy=recogniser.strategy,
        transcripts=transcripts,
        n=found.n,
        nll_before=found.nll_before,
        nll_after=found.nll_after,
        ece_before=errors[0],
        ece_after=errors[1],
    )
