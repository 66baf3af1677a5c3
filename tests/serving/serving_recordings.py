"""Recordings that the tests of the server send, and how to make a WAV file in memory."""

import io
from pathlib import Path

import numpy as np
import soundfile as sf

RECORDINGS = sorted((Path(__file__).parents[2] / "demo" / "recordings").glob("*.flac"))


def as_wav(samples: np.ndarray, rate: int = 16_000) -> bytes:
    """A WAV file in memory."""
    buffer = io.BytesIO()
    sf.write(buffer, samples, rate, format="WAV", subtype="PCM_16")
    return buffer.getvalue()
