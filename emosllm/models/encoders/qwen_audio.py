"""Qwen-Audio's encoder and feature extractor: Whisper's encoder with pooling of frame pairs before its last norm.

Qwen2-Audio's encoder in transformers has the same layers but requires full 30 s windows. This one reads only up to the
end of the longest clip, as the original does, and the frames of a clip do not depend on its batch. The projection to
the LLM and the vectors around each clip belong to the mapper. Source: Chu et al. 2023, "Qwen-Audio", section 3.1.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor
from transformers import AutoConfig, AutoFeatureExtractor, AutoModel, BatchFeature, WhisperFeatureExtractor
from transformers.modeling_outputs import BaseModelOutput
from transformers.models.qwen2_audio.configuration_qwen2_audio import Qwen2AudioEncoderConfig
from transformers.models.qwen2_audio.modeling_qwen2_audio import Qwen2AudioEncoder

from emosllm.audio import AudioError
from emosllm.models.encoders.whisper import length_mask, read_clips


class QwenAudioEncoderConfig(Qwen2AudioEncoderConfig):
    """Shape of the encoder; the defaults are the published ones: 80 mels, 1500 positions, 32 layers of 1280."""

    model_type = "qwen_audio_encoder"
    num_mel_bins: int = 80


class QwenAudioEncoder(Qwen2AudioEncoder):
    """Convolutions, learned positions, Whisper's layers, mean of frame pairs, norm: 25 frames a second."""

    config_class = QwenAudioEncoderConfig

    def forward(self, input_features: Tensor, attention_mask: Tensor | None = None, **_: Any) -> BaseModelOutput:
        """Encode a batch.

        Args:
            input_features: `[B, F, T]`, log-mel.
            attention_mask: `[B, T]`, 1 on a clip's mel frames, which precede the padding; by default all ones.

        Returns:
            `last_hidden_state` `[B, N, D]`; the frames after a clip's own frames are not valid.
        """
        if attention_mask is None:
            attention_mask = torch.ones_like(input_features[:, 0], dtype=torch.long)
        return BaseModelOutput(last_hidden_state=read_clips(self, input_features, attention_mask.sum(-1)))


class QwenAudioFeatureExtractor(WhisperFeatureExtractor):
    """Whisper's log-mel features of 30 s windows, with `samples // 160` valid frames for each clip.

    Whisper's own extractor counts an incomplete hop as a frame and truncates longer clips without an error.
    """

    def __init__(self, feature_size: int = 80, **options: Any) -> None:
        super().__init__(feature_size, **options)

    def __call__(
        self,
        raw_speech: np.ndarray | Sequence[np.ndarray],
        sampling_rate: int | None = None,
        return_tensors: str | None = None,
        **_: Any,
    ) -> BatchFeature:
        """Features of one clip `[T]` or several, always padded to the window, as in the encoder's training.

        Returns:
            `input_features` `[B, F, 3000]` and `attention_mask` `[B, 3000]`.

        Raises:
            AudioError: a clip is longer than the window.
        """
        one = isinstance(raw_speech, np.ndarray) and raw_speech.ndim == 1
        clips = [np.asarray(clip, np.float32) for clip in ([raw_speech] if one else raw_speech)]
        longest = max(len(clip) for clip in clips)
        if longest > self.n_samples:
            raise AudioError(
                f"a recording of {longest / self.sampling_rate:.1f} s: Qwen-Audio reads at most {self.chunk_length} s "
                "at once; cut it, or give start and end in a manifest"
            )
        features = super().__call__(clips, sampling_rate=sampling_rate, return_attention_mask=False)
        lengths = torch.tensor([len(clip) // self.hop_length for clip in clips])
        features["attention_mask"] = length_mask(lengths, self.nb_max_frames).long().numpy()
        return features.convert_to_tensors(return_tensors)


def register() -> None:
    """Register the encoder with transformers' Auto classes; required before a config or a folder names it."""
    AutoConfig.register(QwenAudioEncoderConfig.model_type, QwenAudioEncoderConfig, exist_ok=True)
    AutoModel.register(QwenAudioEncoderConfig, QwenAudioEncoder, exist_ok=True)
    AutoFeatureExtractor.register(QwenAudioEncoderConfig, QwenAudioFeatureExtractor, exist_ok=True)
