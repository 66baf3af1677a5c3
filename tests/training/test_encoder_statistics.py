"""Statistics of hidden states use the clips with an emotion, or all clips if none has one."""

from dataclasses import replace

import pytest
import torch
from rich.console import Console

from emosllm.models.build import build_model, build_processor
from emosllm.models.encoders.hidden_states import Statistics
from emosllm.training.encoder_statistics import store_statistics
from emosllm.training.feature_cache import FeatureCache

CHOSEN = ("encoder.layers=[0, 2]", "encoder.normalise=statistics")


@pytest.fixture(scope="module")
def system(make_recipe):
    recipe = make_recipe(*CHOSEN)
    return build_model(recipe), build_processor(recipe)


@pytest.mark.parametrize("labelled", [0, 3])
def test_clips_with_an_emotion_are_measured(system, cache, utterances, labelled):
    model, processor = system
    heard = [u if n < labelled else replace(u, emotion=None) for n, u in enumerate(utterances[:6])]
    frames = FeatureCache(cache, model.encoder, processor)
    store_statistics(model, frames, heard, 0, Console(quiet=True))
    frames.fill(heard)
    expected = Statistics.of(torch.from_numpy(frames.load(u)) for u in heard[: labelled or None])
    stored = model.mapper.hidden_states.statistics
    assert stored.recordings == (labelled or 6)
    torch.testing.assert_close(stored.mean, expected.mean, rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(stored.deviation, expected.deviation, rtol=1e-5, atol=1e-6)
