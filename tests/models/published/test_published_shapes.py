"""At published size, without weights: every key of a checkpoint has a place in our parts, and every place has a key.

Keys and shapes are those of the references' own models, built from the published configs: QwenLM/Qwen-Audio at commit
b50fb958, transformers 5.23.0's Qwen2-Audio under the names that it saves.
"""

import json
from importlib.resources import files

import published_keys
import pytest
import torch

from emosllm.models.backbones import config_of, new_encoder, new_llm
from emosllm.models.mappers.linear import LinearMapper
from emosllm.models.published.qwen2_audio import LAYOUT as QWEN2_AUDIO
from emosllm.models.published.qwen_audio import LAYOUT as QWEN_AUDIO

# Settings of the models, as in the config.json of the published checkpoints.
QWEN_AUDIO_CONFIG = {
    "model_type": "qwen",
    "hidden_size": 4096,
    "intermediate_size": 22016,
    "kv_channels": 128,
    "layer_norm_epsilon": 1e-05,
    "max_position_embeddings": 8192,
    "no_bias": True,
    "num_attention_heads": 32,
    "num_hidden_layers": 32,
    "rotary_emb_base": 10000,
    "rotary_pct": 1.0,
    "seq_length": 2048,
    "vocab_size": 155947,
    "audio": {
        "n_mels": 80,
        "n_ctx": 1500,
        "n_state": 1280,
        "n_head": 20,
        "n_layer": 32,
        "output_dim": 4096,
        "avg_pool": True,
        "add_audio_bos_eos_token": True,
        "audio_start_id": 155163,
    },
}
QWEN2_AUDIO_CONFIG = {
    "model_type": "qwen2_audio",
    "audio_token_index": 151646,
    "audio_config": {
        "model_type": "qwen2_audio_encoder",
        "num_mel_bins": 128,
        "encoder_layers": 32,
        "encoder_attention_heads": 20,
        "encoder_ffn_dim": 5120,
        "d_model": 1280,
    },
    "text_config": {
        "model_type": "qwen2",
        "intermediate_size": 11008,
        "max_position_embeddings": 8192,
        "rms_norm_eps": 1e-05,
        "rope_theta": 10000,
        "sliding_window": 32768,
        "vocab_size": 156032,
    },
}
MODELS = {
    "Qwen/Qwen-Audio-Chat": (QWEN_AUDIO, "qwen_audio", QWEN_AUDIO_CONFIG, 8_394_302_464 + 1500 * 1280),
    "Qwen/Qwen2-Audio-7B": (QWEN2_AUDIO, "qwen2_audio", QWEN2_AUDIO_CONFIG, 8_397_094_912),
    "Qwen/Qwen2-Audio-7B-Instruct": (QWEN2_AUDIO, "qwen2_audio", QWEN2_AUDIO_CONFIG, 8_397_094_912),
}


def shape(name):
    path = files("emosllm.models") / "shapes" / f"{name.replace('/', '--')}.json"
    return json.loads(path.read_text(encoding="utf-8"))


def empty(values):
    """The parts on the meta device."""
    with torch.device("meta"):
        return {
            "encoder": new_encoder(config_of(values["encoder"])),
            "mapper": LinearMapper(**values["mapper"]),
            "llm": new_llm(config_of(values["llm"])),
        }


@pytest.mark.parametrize("name", MODELS)
def test_every_key_has_a_place_and_every_place_a_key(name):
    layout, keys, _, total = MODELS[name]
    found = published_keys.places(
        layout,
        published_keys.spread(published_keys.read(keys)["published"]),
        lambda shape: torch.empty(shape, device="meta"),
    )
    parts = empty(shape(name))
    ours = {
        (part, key): tuple(value.shape) for part, module in parts.items() for key, value in module.state_dict().items()
    }
    assert found == ours
    assert sum(value.numel() for module in parts.values() for value in module.parameters()) == total


@pytest.mark.parametrize("name", MODELS)
def test_the_shape_in_the_package_is_what_the_published_config_says(name, tmp_path):
    layout, _, config, _ = MODELS[name]
    (tmp_path / "config.json").write_text(json.dumps(config))
    assert layout.matches(tmp_path)
    read, kept = layout.configs(tmp_path), shape(name)
    assert read["mapper"] == kept["mapper"]
    for part in ("encoder", "llm"):
        told = {"bos_token_id", "eos_token_id", "pad_token_id"} if layout is QWEN2_AUDIO else set()  # only in Instruct
        expected, actual = (config_of(values).to_dict() for values in (kept[part], read[part]))
        differing = {key for key in expected if expected[key] != actual[key]}
        assert differing <= told, part


@pytest.mark.parametrize(
    ("name", "build", "total"),
    [
        ("google/gemma-2b", new_llm, 2_506_172_416),
        ("google/gemma-1.1-2b-it", new_llm, 2_506_172_416),
        ("openai/whisper-large-v3", new_encoder, 636_968_960),
        ("facebook/hubert-large-ll60k", new_encoder, 315_438_720),
    ],
)
def test_single_backbones_have_the_published_number_of_weights(name, build, total):
    with torch.device("meta"):
        assert sum(weight.numel() for weight in build(config_of(shape(name))).parameters()) == total
