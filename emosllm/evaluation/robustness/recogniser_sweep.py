"""Run a recogniser on degraded recordings: each recording is read once and recognised under every condition.

Recordings that cannot be read and clips without a class are left out of every point of a curve.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from emosllm.audio import load_audio
from emosllm.errors import UserError
from emosllm.evaluation.robustness.answer_cache import AnswerCache
from emosllm.evaluation.robustness.conditions import CONDITIONS, condition
from emosllm.evaluation.robustness.records import Robustness, SeverityResult
from emosllm.evaluation.robustness.sweep import sweep
from emosllm.inference.recogniser import Recogniser, Transcripts
from emosllm.utterance import Utterance


def chosen_conditions(names: str) -> list[str]:
    """Resolve `all`, or names separated by commas, to conditions.

    Raises:
        UserError: no condition has that name.
    """
    if names.strip() == "all":
        return list(CONDITIONS)
    return [condition(name.strip()).name for name in names.split(",")]


def sweep_recogniser(
    recogniser: Recogniser,
    utterances: Sequence[Utterance],
    names: Sequence[str],
    *,
    batch_size: int = 8,
    transcripts: Transcripts = "own",
    resamples: int = 1000,
    seed: int = 0,
    on_point: Callable[[SeverityResult], None] | None = None,
    kept: AnswerCache | None = None,
) -> Robustness:
    """Run a recogniser on clean and degraded recordings.

    Args:
        recogniser: the system.
        utterances: with their true emotions.
        names: conditions of `CONDITIONS`.
        batch_size: recordings computed together.
        transcripts: as for `Recogniser.predict`; given transcripts are not degraded.
        resamples: number of draws of the speakers, for the intervals.
        seed: of noise, rooms and resampling.
        on_point: called with every point as soon as it is computed.
        kept: as for `sweep`.

    Raises:
        UserError: the system takes no audio, no recording can be read, or `sweep` raises it.
    """
    if not recogniser.processor.takes_audio:
        raise UserError("--robustness degrades recordings, and this system takes no audio: leave it out")
    labels = recogniser.labels
    readable, clips, reference = [], [], []
    for utterance in utterances:
        true = labels.classify(utterance.emotion)
        if true is None or utterance.audio is None:
            continue
        try:
            samples = load_audio(utterance.audio, start=utterance.start, end=utterance.end)
        except UserError:
            continue
        readable.append(utterance)
        clips.append(samples)
        reference.append(true)

    def predict(degraded: Sequence[np.ndarray]) -> list[str | None]:
        changed = [replace(u, audio=s, start=0.0, end=None) for u, s in zip(readable, degraded, strict=True)]
        predictions = recogniser.predict(changed, batch_size, transcripts)
        return [labels.classify(prediction.label) for prediction in predictions]

    return sweep(
        predict,
        clips,
        reference,
        [utterance.speaker for utterance in readable],
        labels.names,
        conditions=[CONDITIONS[name] for name in names],
        resamples=resamples,
        seed=seed,
        on_point=on_point,
        kept=kept,
    )
