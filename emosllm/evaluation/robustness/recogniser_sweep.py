"""Run a recogniser on degraded recordings: each recording is read once and recognised under every condition.

Recordings that cannot be read and clips without a class are left out of every point of a curve.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

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
    classed = [u for u in utterances if u.audio is not None and labels.classify(u.emotion) is not None]
    given = transcripts == "given" or recogniser.processor.takes_transcript
    clips, samples, reference = [], [], []
    # Clips that are too long for the system count as wrong answers, as in the report on clean recordings.
    for clip in replace(recogniser.reader(samples=True), any_length=True).read(classed):
        true = labels.classify(clip.utterance.emotion)
        if clip.samples is not None and true is not None:
            clips.append(replace(clip, frames=None, transcript=clip.transcript if given else None))
            samples.append(clip.samples)
            reference.append(true)

    def predict(degraded: Sequence[np.ndarray]) -> list[str | None]:
        changed = [replace(clip, samples=each) for clip, each in zip(clips, degraded, strict=True)]
        return [labels.classify(prediction.label) for _, prediction in recogniser.recognise(changed, batch_size)]

    return sweep(
        predict,
        samples,
        reference,
        [clip.utterance.speaker for clip in clips],
        labels.names,
        conditions=[CONDITIONS[name] for name in names],
        resamples=resamples,
        seed=seed,
        on_point=on_point,
        kept=kept,
    )
