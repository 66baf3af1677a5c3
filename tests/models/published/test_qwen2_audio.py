"""Qwen2-Audio in our parts equals transformers' model, from files as published and as saved by transformers 5.

Reference: `Qwen2AudioForConditionalGeneration` of the installed transformers (written against 5.23.0).
"""

from collections import Counter

import golden
import published_keys
import pytest
import torch
from jinja2 import Environment
from published_tiny import load_parts, qwen2_audio_config
from safetensors import safe_open
from transformers import (
    Qwen2AudioForConditionalGeneration,
    Qwen2AudioProcessor,
    WhisperFeatureExtractor,
)

from emosllm.errors import UserError
from emosllm.models.encoders.encoder import SpeechEncoder
from emosllm.models.llms.llm import read_rows
from emosllm.models.mappers.linear import LinearMapper
from emosllm.models.published.layout import load_part
from emosllm.models.published.qwen2_audio import LAYOUT as QWEN2_AUDIO

AUDIO = 3  # the id that stands for one vector
SAMPLES = (21_777, 5_200, 900)


@pytest.fixture(scope="module")
def reference():
    config = qwen2_audio_config(AUDIO, vocab_size=90, rms_norm_eps=1e-5, rope_theta=10000)
    model = Qwen2AudioForConditionalGeneration(config).eval()
    golden.fill(model)
    return model


@pytest.fixture(scope="module")
def folder(tmp_path_factory, reference):
    path = tmp_path_factory.mktemp("qwen2-audio")
    reference.save_pretrained(path)
    return path


@pytest.fixture(scope="module")
def parts(folder):
    return load_parts(folder, QWEN2_AUDIO)


@pytest.fixture(scope="module")
def features():
    clips = [golden.sound(f"clip of {count}", count).numpy() for count in SAMPLES]
    extractor = WhisperFeatureExtractor(feature_size=128)
    return extractor(clips, sampling_rate=16_000, return_attention_mask=True, return_tensors="pt")


def encode_and_map(parts, features, rows=slice(None)):
    encoder = SpeechEncoder(parts["encoder"])
    return parts["mapper"](*encoder(features["input_features"][rows], features["attention_mask"][rows]))


@torch.no_grad()
def test_the_whole_of_it_is_transformers_own(reference, parts, features):
    vectors, mask = encode_and_map(parts, features)
    for row in range(len(SAMPLES)):
        ids = torch.tensor([[7, 9, 11, *[AUDIO] * int(mask[row].sum()), 12, 13, 14, 15]])
        theirs = reference(
            input_ids=ids,
            attention_mask=torch.ones_like(ids),
            input_features=features["input_features"][row : row + 1],
            feature_attention_mask=features["attention_mask"][row : row + 1],
        ).logits
        words = parts["llm"].get_input_embeddings()(ids)
        words[0, 3 : 3 + int(mask[row].sum())] = vectors[row, mask[row]]
        ours = parts["llm"].lm_head(read_rows(parts["llm"], words, torch.ones_like(ids), None)[0])
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-4)


@torch.no_grad()
def test_a_batch_is_its_clips_alone(parts, features):
    vectors, mask = encode_and_map(parts, features)
    for row, samples in enumerate(SAMPLES):
        alone, alone_mask = encode_and_map(parts, features, slice(row, row + 1))
        frames = -(-samples // 160)  # mel frames, as transformers counts them
        assert int(mask[row].sum()) == ((frames - 1) // 2 + 1 - 2) // 2 + 1 == int(alone_mask.sum())
        torch.testing.assert_close(vectors[row, mask[row]], alone[alone_mask], rtol=1e-4, atol=1e-5)


@torch.no_grad()
def test_the_layers_attend_to_the_clip_alone(parts, features):
    """Without the mask of transformers' model, the frames would differ."""
    encoder = SpeechEncoder(parts["encoder"])
    masked, mask = encoder(features["input_features"], features["attention_mask"])
    bare = parts["encoder"](features["input_features"]).last_hidden_state[:, : masked.shape[1]]
    assert (masked - bare)[mask].abs().max() > 1e-3


def test_names_of_transformers_4_and_5_are_read_alike(tmp_path, reference, parts, folder):
    config = reference.config.to_dict()
    now = published_keys.folder(tmp_path / "now", config, {k: v.clone() for k, v in reference.state_dict().items()})
    published = set(dict(QWEN2_AUDIO.tensors(folder)))
    assert published != set(reference.state_dict())
    assert "language_model.model.embed_tokens.weight" in published
    again = load_parts(now, QWEN2_AUDIO)
    for part, module in parts.items():
        for name, tensor in module.state_dict().items():
            torch.testing.assert_close(again[part].state_dict()[name], tensor, rtol=0, atol=0)


def test_all_parts_together_read_a_checkpoint_once(folder, monkeypatch):
    reads = Counter()

    class Counting:
        def __init__(self, *arguments, **options):
            self.opened = safe_open(*arguments, **options)

        def __enter__(self):
            self.shard = self.opened.__enter__()
            return self

        def __exit__(self, *fault):
            return self.opened.__exit__(*fault)

        def keys(self):
            return self.shard.keys()

        def get_tensor(self, key):
            reads[key] += 1
            return self.shard.get_tensor(key)

    monkeypatch.setattr("emosllm.models.published.tensors.safe_open", Counting)
    load_parts(folder, QWEN2_AUDIO)
    assert reads == Counter(dict(QWEN2_AUDIO.tensors(folder)).keys())
    reads.clear()
    load_part(folder, QWEN2_AUDIO, "mapper", LinearMapper(**QWEN2_AUDIO.configs(folder)["mapper"]))
    assert reads == {"multi_modal_projector.linear.weight": 1, "multi_modal_projector.linear.bias": 1}


def test_only_its_own_config_is_recognised(folder, tmp_path):
    assert QWEN2_AUDIO.matches(folder)
    assert not QWEN2_AUDIO.matches(tmp_path)
    assert not QWEN2_AUDIO.matches(published_keys.folder(tmp_path / "text", {"model_type": "qwen2"}, {}))


def test_another_size_is_refused_in_one_line(tmp_path, folder, parts):
    narrow = LinearMapper(48, 32)
    with pytest.raises(UserError, match=r"linear\.weight \(64, 48\) where output\.weight has \(32, 48\)") as error:
        load_part(folder, QWEN2_AUDIO, "mapper", narrow)
    assert "\n" not in str(error.value)
    unknown = published_keys.folder(tmp_path / "vision", {"model_type": "qwen2_audio"}, {"visual.proj": torch.ones(2)})
    with pytest.raises(UserError, match=r"it lacks output\.bias, output\.weight; it has unknown visual\.proj"):
        load_part(unknown, QWEN2_AUDIO, "mapper", narrow)


def test_a_config_that_is_not_its_own_is_refused_in_one_line(tmp_path):
    broken = published_keys.folder(tmp_path / "broken", {"model_type": "qwen2_audio", "text_config": 7}, {})
    with pytest.raises(UserError, match=r"config\.json is not Qwen2-Audio's .*; fetch the checkpoint again") as error:
        QWEN2_AUDIO.configs(broken)
    assert "\n" not in str(error.value)


def test_its_own_turn_names_the_clip_and_keeps_both_audio_tokens():
    """The prompt by transformers' own template."""
    template = Qwen2AudioProcessor.default_chat_template.fget(None)
    said = [{"role": "user", "content": [{"type": "audio", "audio_url": "clip.wav"}, {"type": "text", "text": "So?"}]}]
    assert Environment().from_string(template).render(messages=said, add_generation_prompt=True) == (
        "<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n"
        "<|im_start|>user\nAudio 1: <|audio_bos|><|AUDIO|><|audio_eos|>\nSo?<|im_end|>\n"
        "<|im_start|>assistant\n"
    )
