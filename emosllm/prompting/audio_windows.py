"""Windows of encoders that hear a fixed length at once: clips cut into them, padded to them or to the longest clip."""

from typing import Any

import numpy as np
from transformers import FeatureExtractionMixin

from emosllm.audio import SAMPLE_RATE
from emosllm.recipe_parts import Window


def in_windows(clip: np.ndarray, seconds: float | None) -> list[np.ndarray]:
    """A clip in pieces of one length that fit the encoder's window; mostly one.

    Args:
        clip: `[T]` samples.
        seconds: of the window; `None` where there is none.
    """
    if seconds is None:
        return [clip]
    return np.array_split(clip, max(1, -(-len(clip) // int(seconds * SAMPLE_RATE))))


def padding(extractor: FeatureExtractionMixin, window: Window, longest: int) -> dict[str, Any]:
    """How a feature extractor is to pad clips.

    A log-mel frame near a clip's end sees half a spectrum's samples beyond it. Where clips are read on their own
    length, there is silence for those, so that a clip has the mel frames that it has in the full window.

    Args:
        extractor: of the encoder.
        window: whose length the encoder reads.
        longest: samples of the longest clip.
    """
    if getattr(extractor, "chunk_length", None) is None:
        return {"padding": "longest"}
    if window == "model":
        return {"padding": "max_length"}
    hops = -(-(longest + extractor.n_fft) // extractor.hop_length)
    return {"padding": "max_length", "max_length": min(hops * extractor.hop_length, extractor.n_samples)}
