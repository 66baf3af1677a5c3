"""One system's answers on one fold's test part, the encoder's frames taken from the experiment's cache.

Frames are in half precision there, as in training and validation; a single clip's probabilities may differ from
`emosllm predict`'s in the third decimal.
"""

import json
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from emosllm.errors import UserError
from emosllm.evaluation.answers import prediction_of
from emosllm.experiments.grid import Variant
from emosllm.inference.loading import load
from emosllm.inference.recogniser import Recogniser, Transcripts
from emosllm.training.features import FeatureCache
from emosllm.utterance import Prediction, Utterance


def score_system(
    variant: Variant, run: Path, utterances: Sequence[Utterance], cache: Path, batch_size: int, device: str | None
) -> list[Prediction]:
    """Ask a variant's system about the clips of a fold.

    Args:
        variant: whose system it is; how it is asked stands in its recipe.
        run: folder of its training; unused where the variant is a system of its own.
        utterances: with the transcripts that it may be told.
        cache: folder of the encoders' frames.
        batch_size: clips computed together.
        device: as `load`.

    Returns:
        A prediction for each clip, in order; one that can't be read is a prediction with its error.
    """
    inference = variant.recipe.inference
    recogniser = load(
        variant.system or run,
        device=device,
        strategy=inference.strategy,
        answer=inference.answer,
        overrides=variant.overrides,
    )
    recogniser.labels = recogniser.labels.only(variant.classes.names)
    recogniser.remembered = _frames_of(recogniser, utterances, cache)
    transcripts: Transcripts = "own" if variant.reshaping.transcripts == "own" else "given"
    return list(recogniser.predict(utterances, batch_size, transcripts))


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
