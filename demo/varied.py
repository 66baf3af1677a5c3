"""Copies of clips that sound like other voices: played faster or slower, with a resonance of their own.

A few voices are learned by heart; copies whose pitch and formants move keep a system from that (Ko et al. 2015,
"Audio augmentation for speech recognition"). Gives up: fresh copies in each pass. These are made once, so the encoder's
frames are computed once.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import soundfile

from emosllm.audio import SAMPLE_RATE, load_audio
from emosllm.augment import change_speed, shape_spectrum
from emosllm.utterance import Utterance

COPIES = 3  # of each clip, beside itself
SPEED = (0.88, 1.14)  # ratio; above 1 is faster and higher
RESONANCE_HZ = (200.0, 5000.0)
RESONANCE_DB = (-6.0, 6.0)


def varied(utterances: Sequence[Utterance], folder: Path, seed: int) -> Iterator[Utterance]:
    """Each utterance and `COPIES` varied ones of it, written as FLAC files.

    Args:
        utterances: recordings in files.
        folder: where the copies go.
        seed: of what is drawn.
    """
    folder.mkdir(parents=True)
    rng = np.random.default_rng(seed)
    for number, utterance in enumerate(utterances):
        yield utterance
        assert utterance.audio is not None
        samples = load_audio(utterance.audio)
        for copy in range(COPIES):
            path = folder / f"{number}_{copy}.flac"
            soundfile.write(path, _as_another_voice(samples, rng), SAMPLE_RATE, subtype="PCM_16")
            yield replace(utterance, id=f"{utterance.id} copy {copy + 1}", audio=path, duration=None)


def _as_another_voice(samples: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """`[T]` to `[T']`."""
    resonance = float(np.exp(rng.uniform(*np.log(RESONANCE_HZ))))
    return shape_spectrum(change_speed(samples, rng.uniform(*SPEED)), 0.0, resonance, rng.uniform(*RESONANCE_DB))
