"""Tones, and the bytes of audio files."""

import io

import numpy as np
import soundfile as sf

from emosllm.audio import SAMPLE_RATE


def tone(rate: int = SAMPLE_RATE, seconds: float = 1.0, hertz: float = 440.0, level: float = 0.5) -> np.ndarray:
    return (level * np.sin(2 * np.pi * hertz * np.arange(round(rate * seconds)) / rate)).astype(np.float32)


def encoded(samples: np.ndarray, rate: int = SAMPLE_RATE, **kind: str) -> bytes:
    file = io.BytesIO()
    sf.write(file, samples, rate, **({"format": "WAV", "subtype": "PCM_16"} | kind))
    return file.getvalue()
