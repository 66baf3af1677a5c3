"""Recordings for the tests: the demonstration's synthetic voices, alone or in a row with silences between them."""

from pathlib import Path

import numpy as np
import soundfile as sf

from emosllm.audio import load_audio

ROOT = Path(__file__).parents[1]
VOICES = sorted((ROOT / "demo" / "recordings").glob("*.flac"))
REAL = ROOT.parent / "shared" / "data"


def voice(path: Path) -> np.ndarray:
    """Samples `[T]` at 16 kHz."""
    return load_audio(path)


def talk(path: Path, pauses: float = 2.0, times: int = 1, rate: int = 16_000) -> Path:
    """A recording of all voices, one after another, with silence before, between and after."""
    silence = np.zeros(int(pauses * rate), np.float32)
    pieces = [silence]
    for source in VOICES * times:
        pieces += [load_audio(source) if rate == 16_000 else sf.read(source, dtype="float32")[0], silence]
    sf.write(path, np.concatenate(pieces), rate)
    return path
