"""Split clips into windows of an encoder's fixed length, and choose the padding of its feature extractor."""

from typing import Any

import numpy as np
from transformers import FeatureExtractionMixin

from emosllm.audio import SAMPLE_RATE
from emosllm.recipe_parts import Window


def in_windows(clip: np.ndarray, seconds: float | None) -> list[np.ndarray]:
    """Split a clip into pieces of equal length that fit the encoder's window; most clips are one piece.

    Args:
        clip: `[T]` samples.
        seconds: length of the window; `None` for an encoder without a fixed window.
    """
    if seconds is None:
        return [clip]
    return np.array_split(clip, max(1, -(-len(clip) // int(seconds * SAMPLE_RATE))))


def padding(extractor: FeatureExtractionMixin, window: Window, longest: int) -> dict[str, Any]:
    """Padding options of a feature extractor.

    A log-mel frame at a clip's end depends on samples up to half a spectrum's length after it. Where clips are read on
    their own length, silence is added for these, so that the mel frames equal those of the full window.

    Args:
        extractor: of the encoder.
        window: run the encoder on its own window (`model`) or on the clip's length (`clip`).
        longest: number of samples of the longest clip.
    """
    if getattr(extractor, "chunk_length", None) is None:
        return {"padding": "longest"}
    if window == "model":
        return {"padding": "max_length"}
    hops = -(-(longest + extractor.n_fft) // extractor.hop_length)
    return {"padding": "max_length", "max_length": min(hops * extractor.hop_length, extractor.n_samples)}
