"""The number of vectors of a clip follows from its length and equals the output of encoder and mapper."""

import pytest
import tiny
import torch

from emosllm.models.encoders.encoder import FAMILIES, SpeechEncoder, family
from emosllm.models.mappers.linear import LinearMapper
from emosllm.prompting.audio_vectors import AudioVectors, convolved
from emosllm.prompting.processor import Sample, SpeechProcessor
from emosllm.recipe import load_recipe

SECONDS = (0.1, 0.37, 1.0, 2.513)


def test_convolutions_are_counted_as_torch_makes_them():
    for kernel, stride, padding in ((3, 1, 1), (3, 2, 1), (10, 5, 0), (2, 2, 0)):
        layer = torch.nn.Conv1d(1, 1, kernel, stride, padding)
        for length in (10, 11, 50, 51):
            assert convolved(length, [(kernel, stride, padding)]) == layer(torch.zeros(1, 1, length)).shape[-1]


def test_of_nothing_comes_nothing():
    assert AudioVectors(convolutions=((400, 320, 0),)).of_steps([10]) == 0


@pytest.mark.parametrize("ends", [False, True])
@pytest.mark.parametrize("name", tiny.ENCODERS)
def test_each_frame_has_its_place(name, ends):
    encoder = SpeechEncoder(tiny.encoder(name))
    config = encoder.model.config
    assert config.model_type in FAMILIES
    rule = AudioVectors(convolutions=family(config).convolutions(config), extra=2 * ends)
    recipe = load_recipe("emosllm", tiny.TINY)
    processor = SpeechProcessor.build(recipe, tiny.feature_extractor(name), tiny.tokenizer(), rule)
    clips = [tiny.clip(seconds, seed) for seed, seconds in enumerate(SECONDS)]
    batch = processor([Sample(processor.build_conversation("ser", emotion="sad"), clip) for clip in clips])
    frames, mask = encoder(batch["audio"], batch["audio_attention"])
    _, kept = LinearMapper(encoder.width, 8, ends=ends)(frames, mask)
    assert batch["audio_mask"].sum(-1).tolist() == kept.sum(-1).tolist()
    pairs = zip(frames, mask, strict=True)
    cached = [
        Sample(processor.build_conversation("ser", emotion="sad"), frames=clip[keep].numpy()) for clip, keep in pairs
    ]
    assert processor(cached)["audio_mask"].sum(-1).tolist() == kept.sum(-1).tolist()


@pytest.fixture
def windowed():
    recipe = load_recipe("emosllm", (*tiny.TINY, "audio={max_seconds: 70, beyond_window: windows}"))
    encoder = SpeechEncoder(tiny.encoder("whisper"))
    rule = AudioVectors(convolutions=family(encoder.model.config).convolutions(encoder.model.config))
    return SpeechProcessor.build(recipe, tiny.feature_extractor("whisper"), tiny.tokenizer(), rule), encoder


def test_a_clip_beyond_the_window_is_read_in_windows_of_one_length(windowed):
    processor, encoder = windowed
    long, short = tiny.clip(61.0), tiny.clip(2.0, 1)
    batch = processor([Sample(processor.build_conversation("ser", emotion="sad"), clip) for clip in (long, short)])
    assert batch["windows"].tolist() == [3, 1]
    assert len(batch["audio"]) == 4
    frames, mask = encoder(batch["audio"], batch["audio_attention"], batch["windows"])
    assert batch["audio_mask"].sum(-1).tolist() == mask.sum(-1).tolist()
    assert mask.sum(-1).tolist() == pytest.approx([61 * 50, 2 * 50], abs=3)
    third = len(long) // 3 + 1  # np.array_split's first piece
    alone = processor.features([long[:third]])
    torch.testing.assert_close(frames[0, : third // 320], encoder(**_named(alone))[0][0][: third // 320])
    alone = processor.features([short])
    assert "windows" not in alone
    torch.testing.assert_close(frames[1][mask[1]], encoder(**_named(alone))[0][0])


def _named(features):
    return {"audio": features["audio"], "mask": features["audio_attention"]}


def test_beyond_the_recipes_own_limit_it_is_refused_all_the_same(windowed):
    from emosllm.audio import AudioError

    with pytest.raises(AudioError, match=r"70.5 s, and this system takes at most 70 s"):
        windowed[0].check_seconds(70.5, "a recording")
