"""Qwen-Audio's parts equal the original's, from a checkpoint in its layout, for single clips and batches.

Reference: QwenLM/Qwen-Audio at commit b50fb958 (`audio.py`, `modeling_qwen.py`), run on torch 2.13.0 (CPU) and
transformers 5.23.0, whose removed `get_head_mask` was given back to it; the shape is in `qwen_audio.keys.json`, weights
are `golden.weights` of its own names, mel features `golden.tensor("mel", 80, 3000)`.
"""

import golden
import numpy as np
import published_keys
import pytest
import torch
from published_tiny import load_parts
from safetensors.torch import load_file
from transformers import WhisperFeatureExtractor

from emosllm.audio import AudioError
from emosllm.errors import UserError
from emosllm.models.backbones import load_feature_extractor, new_encoder
from emosllm.models.encoders.encoder import SpeechEncoder
from emosllm.models.encoders.qwen_audio import QwenAudioFeatureExtractor
from emosllm.models.llms.llm import read_rows
from emosllm.models.published.layout import load_part
from emosllm.models.published.qwen_audio import LAYOUT as QWEN_AUDIO

LENGTHS = (3, 4, 37, 150, 301)  # mel frames
CLOSE = {"rtol": 1e-4, "atol": 1e-4}


@pytest.fixture(scope="module")
def keys():
    return published_keys.read("qwen_audio")


@pytest.fixture(scope="module")
def expected():
    return load_file(golden.FOLDER / "qwen_audio.safetensors")


@pytest.fixture(scope="module")
def tensors(keys):
    return golden.weights(published_keys.spread(keys["small"]))


@pytest.fixture(scope="module")
def folder(tmp_path_factory, keys, tensors):
    return published_keys.folder(tmp_path_factory.mktemp("qwen"), keys["config"], tensors, shards=3)


@pytest.fixture(scope="module")
def parts(folder):
    return load_parts(folder, QWEN_AUDIO)


def encode_and_map(parts, lengths):
    """The mapper's output for the first mel frames, `[A, N, D]`, and its mask."""
    mel = golden.tensor("mel", 80, 3000)
    mask = torch.arange(3000)[None] < torch.tensor(lengths)[:, None]
    encoder = SpeechEncoder(parts["encoder"])
    return parts["mapper"](*encoder(mel.expand(len(lengths), -1, -1), mask.long()))


@torch.no_grad()
@pytest.mark.parametrize("length", LENGTHS)
def test_tower_and_mapper_are_the_originals(parts, expected, length):
    vectors, mask = encode_and_map(parts, [length])
    assert mask.all()
    torch.testing.assert_close(vectors[0], expected[f"tower_{length}"], **CLOSE)


@torch.no_grad()
def test_a_batch_is_its_clips_alone(parts, expected):
    """The original's batches differ, because its convolutions read what follows a shorter clip."""
    vectors, mask = encode_and_map(parts, LENGTHS)
    for row, length in enumerate(LENGTHS):
        torch.testing.assert_close(vectors[row, mask[row]], expected[f"tower_{length}"], **CLOSE)


@torch.no_grad()
def test_a_clip_too_short_for_a_frame_still_has_its_ends(parts):
    vectors, mask = encode_and_map(parts, [0, 1, 2, 150])
    assert mask.sum(-1).tolist() == [2, 2, 2, 39]
    for row in range(3):
        torch.testing.assert_close(vectors[row, :2], parts["mapper"].ends, rtol=0, atol=0)
    assert vectors[mask].isfinite().all()


@torch.no_grad()
def test_the_llm_reads_text_and_a_clip_as_the_original_does(parts, expected):
    llm, text = parts["llm"], expected["text"]
    words = llm.get_input_embeddings()(text)
    row = torch.cat([words[:6], encode_and_map(parts, [37])[0][0], words[6:]])[None]
    hidden, _ = read_rows(llm, row, torch.ones(row.shape[:2], dtype=torch.long), None)
    torch.testing.assert_close(llm.lm_head(hidden)[0, :, ::37], expected["logits"], **CLOSE)


@torch.no_grad()
def test_the_llm_is_the_original_up_to_its_training_length_and_refuses_more(parts, expected):
    llm = parts["llm"]
    ids = torch.tensor([(i * i * 7 + 3 * i) % 3500 for i in range(2048)])
    row = llm.get_input_embeddings()(ids)[None]
    hidden, _ = read_rows(llm, row, torch.ones(1, 2048, dtype=torch.long), None)
    logits = llm.lm_head(hidden[0, [100, 1023, 1024, 2040, 2047]])[:, ::37]
    torch.testing.assert_close(logits, expected["long_logits"], **CLOSE)
    longer = torch.cat([row, row[:, :1]], dim=1)
    with pytest.raises(UserError, match=r"a row of 2049 tokens, and the qwen2 in use reads at most 2048; give shorter"):
        read_rows(llm, longer, torch.ones(1, 2049, dtype=torch.long), None)


def test_features_are_the_originals(expected):
    clip = golden.sound("clip", 21_777).numpy()
    features = QwenAudioFeatureExtractor()(clip, sampling_rate=16_000, return_tensors="pt")
    assert features["input_features"].shape == (1, 80, 3000)
    torch.testing.assert_close(features["input_features"][0, ::8, 0:150:5], expected["mel"], **CLOSE)
    whisper = WhisperFeatureExtractor(feature_size=80)(clip, sampling_rate=16_000, return_tensors="pt")
    torch.testing.assert_close(features["input_features"], whisper["input_features"], rtol=0, atol=0)


def test_a_clip_has_as_many_vectors_as_in_the_original(parts, expected):
    clips = [np.zeros(count, np.float32) for count in expected["samples"].tolist()]
    features = QwenAudioFeatureExtractor()(clips, sampling_rate=16_000, return_tensors="pt")
    _, mask = SpeechEncoder(parts["encoder"])(features["input_features"], features["attention_mask"])
    assert mask.sum(-1).tolist() == expected["vectors"].tolist()


def test_longer_than_the_window_is_refused_not_cut():
    with pytest.raises(AudioError, match=r"30\.1 s: Qwen-Audio reads at most 30 s at once; cut it"):
        QwenAudioFeatureExtractor()([np.zeros(481_600, np.float32)], sampling_rate=16_000)


def test_the_layout_is_recognised_by_its_config(folder, tmp_path, keys):
    assert QWEN_AUDIO.matches(folder)
    assert not QWEN_AUDIO.matches(tmp_path)
    plain = {name: value for name, value in keys["config"].items() if name != "audio"}  # Qwen-7B
    assert not QWEN_AUDIO.matches(published_keys.folder(tmp_path / "text", plain, {"a": torch.ones(1)}))
    assert not QWEN_AUDIO.matches(published_keys.folder(tmp_path / "other", {"model_type": "qwen2"}, {}))


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        (
            lambda found: found.pop("transformer.audio.blocks.1.attn.key.weight"),
            r"lacks layers\.1\.self_attn\.k_proj\.w",
        ),
        (
            lambda found: found.update({"transformer.audio.blocks.0.attn.key.bias": torch.ones(48)}),
            r"unknown .*key\.bias",
        ),
        (
            lambda found: found.update({"transformer.audio.conv1.bias": torch.ones(7)}),
            r"conv1\.bias \(7,\) where conv1\.b",
        ),
    ],
)
def test_another_models_weights_are_refused_in_one_line(tmp_path, keys, tensors, parts, change, fault):
    found = dict(tensors)
    change(found)
    folder = published_keys.folder(tmp_path / "broken", keys["config"], found)
    with pytest.raises(UserError, match=fault) as error:
        load_part(folder, QWEN_AUDIO, "encoder", new_encoder(parts["encoder"].config))
    assert "\n" not in str(error.value)


def test_a_missing_or_broken_shard_is_named(tmp_path, keys, tensors, parts):
    folder = published_keys.folder(tmp_path / "shards", keys["config"], tensors, shards=2)
    shard = folder / "model-00002-of-00002.safetensors"
    whole = shard.read_bytes()
    for content, fault in (
        (whole[:200], r"00002-of-00002\.safetensors: the weights cannot be read"),
        (None, "is missing"),
    ):
        shard.unlink() if content is None else shard.write_bytes(content)
        with pytest.raises(UserError, match=fault):
            load_part(folder, QWEN_AUDIO, "encoder", new_encoder(parts["encoder"].config))


def test_what_the_original_computes_may_be_in_a_checkpoint(tensors):
    assert QWEN_AUDIO.place("transformer.h.3.attn.masked_bias") == []
    assert QWEN_AUDIO.place("transformer.visual.proj") is None  # Qwen-VL's


def test_a_config_that_our_parts_cannot_follow_is_refused(tmp_path, keys):
    folder = published_keys.folder(tmp_path / "biased", {**keys["config"], "no_bias": False}, {"a": torch.ones(1)})
    with pytest.raises(UserError, match=r"no_bias is False in config\.json, and Qwen-Audio's is True"):
        QWEN_AUDIO.configs(folder)


def test_a_config_cut_short_is_refused(tmp_path, keys):
    audio = {name: value for name, value in keys["config"]["audio"].items() if name != "n_mels"}
    folder = published_keys.folder(tmp_path / "short", {**keys["config"], "audio": audio}, {"a": torch.ones(1)})
    with pytest.raises(UserError, match=r"n_mels is missing in config\.json; fetch"):
        QWEN_AUDIO.configs(folder)


def test_the_extractor_is_saved_and_found_by_its_name(tmp_path):
    QwenAudioFeatureExtractor(feature_size=40).save_pretrained(tmp_path)
    again = load_feature_extractor(str(tmp_path))
    assert isinstance(again, QwenAudioFeatureExtractor)
    clip = golden.sound("clip", 8_000).numpy()
    features = again(clip, sampling_rate=16_000, return_tensors="pt")
    assert features["input_features"].shape == (1, 40, 3000)
    assert int(features["attention_mask"].sum()) == 50
