"""Provenance of a recogniser for a report, and warnings about its temperature."""

from collections.abc import Sequence
from dataclasses import asdict

from emosllm.evaluation.provenance import Provenance, digest_of, find_training, hardware_here
from emosllm.inference.recogniser import Recogniser
from emosllm.utterance import Utterance


def recogniser_provenance(model: str, recogniser: Recogniser, utterances: Sequence[Utterance]) -> Provenance:
    """The system, the data and the machine.

    Args:
        model: the user's name for the system, or its folder.
        recogniser: the system.
        utterances: the evaluated ones.

    Raises:
        UserError: the `run.json` of its training is damaged.
    """
    return Provenance(
        data=digest_of(utterances),
        hardware=hardware_here(),
        recipe=recogniser.model.recipe.model_dump(mode="json"),
        training=find_training(model),
        calibration=None if recogniser.calibrated is None else asdict(recogniser.calibrated),
    )


def calibration_warnings(recogniser: Recogniser, utterances: Sequence[Utterance]) -> list[str]:
    """Reasons to distrust figures at its stored temperature, one sentence each."""
    if recogniser.calibrated is None or recogniser.answer == "generate":
        return []
    scored = [each for each in utterances if recogniser.labels.classify(each.emotion) is not None]
    return recogniser.calibrated.doubts(recogniser.labels.names, recogniser.strategy, digest_of(scored))
