"""The input of Whisper's encoder equals the features by transformers' extractor, for both numbers of mels."""

import numpy as np
import pytest
import tiny
import torch
from transformers import WhisperFeatureExtractor

from emosllm.prompting.audio_vectors import AudioVectors
from emosllm.prompting.processor import SpeechProcessor
from emosllm.recipe import load_recipe


@pytest.mark.parametrize("mels", [80, 128])
def test_features_are_those_of_transformers(mels):
    extractor = WhisperFeatureExtractor(feature_size=mels)
    processor = SpeechProcessor.build(
        load_recipe("emosllm", tiny.TINY), extractor, tiny.tokenizer(), AudioVectors(fixed=4)
    )
    clips = [tiny.clip(seconds, seed) for seed, seconds in enumerate((0.3, 2.0, 29.9))]
    ours = processor.features(clips)
    assert ours["audio"].shape == (3, mels, 3000)
    for row, clip in enumerate(clips):
        alone = WhisperFeatureExtractor(feature_size=mels)(clip, sampling_rate=16_000, return_tensors="np")
        np.testing.assert_array_equal(ours["audio"][row].numpy(), alone["input_features"][0])
        assert ours["audio_attention"][row].sum() == -(-len(clip) // 160)
    assert not torch.equal(ours["audio"][0], ours["audio"][1])
