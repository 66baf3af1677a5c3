"""The accepted inputs of recognition: a file, its bytes, samples, or an utterance."""

from pathlib import Path

import numpy as np

from emosllm.utterance import Utterance

#: A file, its bytes, mono samples `[T]` at 16 kHz, or an utterance.
Source = str | Path | bytes | np.ndarray | Utterance


def as_utterance(source: Source) -> Utterance:
    """Convert any accepted input to an utterance."""
    if isinstance(source, Utterance):
        return source
    if isinstance(source, str | Path):
        return Utterance(str(source), Path(source))
    return Utterance("the given bytes" if isinstance(source, bytes) else "the given samples", source)
