"""Log-mel features that a microphone's level and background cannot change much: relative to the clip's own peak.

What lies more than `range_db` below the loudest bands becomes 0, the value that padding has as well, so silence,
padding and a quiet room look alike. On val, noise floors told speakers apart and misled the emotion classes.
Gives up: absolute loudness, and anything softer than the range (breath, room) is gone.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from transformers import AutoFeatureExtractor, ParakeetEncoderConfig
from transformers.audio_utils import mel_filter_bank, window_function
from transformers.feature_extraction_sequence_utils import SequenceFeatureExtractor
from transformers.feature_extraction_utils import BatchFeature

WINDOW, HOP, TRANSFORM = 400, 160, 512  # samples: 25 ms every 10 ms, and the length of the transform


class LogMelFeatureExtractor(SequenceFeatureExtractor):
    """Turns 16 kHz mono samples into `input_features` `[B, N, M]` (0 to 3) and `attention_mask` `[B, N]`.

    Args:
        feature_size: M, number of mel bands from 20 Hz to half the sampling rate.
        sampling_rate: Hz.
        padding_value: of frames beyond the end; 0, like silence.
        range_db: dB below the peak that are kept.
    """

    model_input_names = ["input_features", "attention_mask"]  # noqa: RUF012 (the base class has it so)

    def __init__(
        self,
        feature_size: int = 80,
        sampling_rate: int = 16_000,
        padding_value: float = 0.0,
        range_db: float = 35.0,
        **kwargs: Any,
    ) -> None:
        super().__init__(feature_size, sampling_rate, padding_value, **kwargs)
        self.range_db = range_db

    def __call__(
        self,
        raw_speech: np.ndarray | Sequence[np.ndarray],
        sampling_rate: int | None = None,
        padding: bool | str = True,
        return_tensors: str | None = None,
        return_attention_mask: bool = True,
        **kwargs: Any,
    ) -> BatchFeature:
        """Features of one clip `[T]` or of several; see the class.

        Raises:
            ValueError: the sampling rate is another than that of the filters.
        """
        if sampling_rate is not None and sampling_rate != self.sampling_rate:
            raise ValueError(f"sampling_rate is {sampling_rate}; resample to {self.sampling_rate} Hz first")
        one = isinstance(raw_speech, np.ndarray) and raw_speech.ndim == 1
        clips = [np.asarray(clip, np.float32) for clip in ([raw_speech] if one else raw_speech)]
        rows = [relative(log_mel(clip, self.feature_size, self.sampling_rate), self.range_db) for clip in clips]
        return self.pad(
            BatchFeature({"input_features": rows}),
            padding=padding,
            return_attention_mask=return_attention_mask,
            return_tensors=return_tensors,
            **kwargs,
        )


def log_mel(samples: np.ndarray, bands: int = 80, rate: int = 16_000) -> np.ndarray:
    """Natural-log mel power `[N, M]` of samples `[T]`: Kaldi's filters, on the 16-bit scale, pre-emphasis 0.97.

    Equals `Speech2TextFeatureExtractor` without normalisation, in one transform instead of a loop over frames.
    """
    filters, window = _filters(bands, rate)
    wave = torch.from_numpy(np.pad(samples, (0, max(0, WINDOW - len(samples))))) * 2**15
    frames = wave.unfold(0, WINDOW, HOP)
    frames = frames - frames.mean(1, keepdim=True)
    first = frames[:, :1] * (1 - 0.97)
    frames = torch.cat([first, frames[:, 1:] - 0.97 * frames[:, :-1]], 1) * window
    power = torch.fft.rfft(frames, TRANSFORM).abs().square()
    return (power @ filters).clamp(min=1.192092955078125e-07).log().numpy()


def relative(features: np.ndarray, range_db: float) -> np.ndarray:
    """Log-mel `[N, M]` as 0 (`range_db` below the peak, or less) to 3 (the peak: the 99.5th percentile)."""
    span = range_db * np.log(10) / 10
    peak = max(float(np.percentile(features, 99.5)), 0.0)  # digital silence has none, and must stay 0
    scaled = (features - peak + span) * (3 / span)
    return np.maximum(scaled, 0.0).astype(np.float32)


def register() -> None:
    """Tells `AutoFeatureExtractor` this class; needed once before a saved folder is opened by it."""
    AutoFeatureExtractor.register(ParakeetEncoderConfig, LogMelFeatureExtractor, exist_ok=True)


@lru_cache(maxsize=4)
def _filters(bands: int, rate: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Mel filters `[257, M]` and the window `[400]`."""
    mel = mel_filter_bank(
        TRANSFORM // 2 + 1, bands, 20, rate // 2, rate, norm=None, mel_scale="kaldi", triangularize_in_mel_space=True
    )
    window = window_function(WINDOW, "povey", periodic=False)
    return torch.from_numpy(mel).float(), torch.from_numpy(window).float()
