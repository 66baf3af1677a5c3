"""Clips in a row, with pauses between them: one long recording for a timeline."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import soundfile

from emosllm.audio import SAMPLE_RATE, load_audio

PAUSE = 1.5  # seconds
PEAK = 0.5  # of full scale; the corpus is stored quieter than a detector of speech expects


def write_row(clips: Sequence[Path], path: Path) -> list[tuple[float, float]]:
    """Write clips one after the other as a 16-bit WAV file at 16 kHz, each as loud as the others.

    Args:
        clips: recordings.
        path: of the WAV file.

    Returns:
        Start and end of each clip in seconds.
    """
    pause = np.zeros(int(PAUSE * SAMPLE_RATE), np.float32)
    parts, spans = [pause], []
    for clip in clips:
        samples = load_audio(clip)
        start = sum(map(len, parts)) / SAMPLE_RATE
        spans.append((start, start + len(samples) / SAMPLE_RATE))
        parts += [samples * (PEAK / np.abs(samples).max()), pause]
    soundfile.write(path, np.concatenate(parts), SAMPLE_RATE, subtype="PCM_16")
    return spans
