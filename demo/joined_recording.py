"""Join clips, with pauses between them, into one long recording for a timeline."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import soundfile

from emosllm.audio import SAMPLE_RATE, load_audio

PAUSE = 2.5  # seconds; short turns are joined over pauses of up to 1.5 s
PEAK = 0.5  # of full scale; the corpus is stored at a lower level than voice activity detection expects


def write_joined_recording(clips: Sequence[Path], path: Path) -> None:
    """Write clips one after the other as a 16-bit WAV file at 16 kHz, all with the same peak.

    Args:
        clips: recordings.
        path: the WAV file.
    """
    pause = np.zeros(int(PAUSE * SAMPLE_RATE), np.float32)
    parts = [pause]
    for clip in clips:
        samples = load_audio(clip)
        parts += [samples * (PEAK / np.abs(samples).max()), pause]
    soundfile.write(path, np.concatenate(parts), SAMPLE_RATE, subtype="PCM_16")
