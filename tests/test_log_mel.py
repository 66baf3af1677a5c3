"""Log-mel features: level and padding change nothing, silence is zero, a saved extractor comes back."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import AutoFeatureExtractor, AutoModel, ParakeetEncoderConfig, Speech2TextFeatureExtractor

from emosllm.log_mel import LogMelFeatureExtractor, log_mel, register


def noise(samples: int, seed: int = 0) -> np.ndarray:
    """White noise `[T]` around -20 dBFS."""
    return (0.1 * np.random.default_rng(seed).standard_normal(samples)).astype(np.float32)


def test_equals_kaldi_features_of_transformers() -> None:
    theirs = Speech2TextFeatureExtractor(do_ceptral_normalize=False)([noise(16_000)], sampling_rate=16_000)
    np.testing.assert_allclose(log_mel(noise(16_000)), theirs["input_features"][0], atol=5e-3)


def test_level_changes_nothing_and_silence_is_zero() -> None:
    extractor = LogMelFeatureExtractor(range_db=26.0)
    loud, soft = (extractor(gain * noise(8000))["input_features"][0] for gain in (1.0, 0.01))
    np.testing.assert_allclose(loud, soft, atol=1e-3)
    assert not np.any(extractor(np.zeros(8000, np.float32))["input_features"][0])


def test_wrong_rate_is_refused() -> None:
    with pytest.raises(ValueError, match="8000"):
        LogMelFeatureExtractor()(noise(8000), sampling_rate=8000)


def test_saved_folder_opens_and_a_batch_equals_its_clips(tmp_path: Path) -> None:
    config = ParakeetEncoderConfig(
        hidden_size=32, num_hidden_layers=2, num_attention_heads=2, intermediate_size=32, subsampling_conv_channels=4
    )
    torch.manual_seed(0)
    AutoModel.from_config(config).save_pretrained(tmp_path)
    LogMelFeatureExtractor(range_db=26.0).save_pretrained(tmp_path)
    register()
    extractor, model = AutoFeatureExtractor.from_pretrained(tmp_path), AutoModel.from_pretrained(tmp_path).eval()
    assert extractor.range_db == 26.0
    clips = [noise(20_000, 1), noise(33_000, 2), noise(300, 3)]
    with torch.no_grad():
        together = model(**extractor(clips, sampling_rate=16_000, return_tensors="pt"))
        for i, clip in enumerate(clips):
            alone = model(**extractor(clip, sampling_rate=16_000, return_tensors="pt")).last_hidden_state[0]
            assert len(alone) == together.attention_mask[i].sum()
            torch.testing.assert_close(together.last_hidden_state[i, : len(alone)], alone, atol=1e-5, rtol=1e-4)
