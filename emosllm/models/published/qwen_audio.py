"""The authors' layout of Qwen-Audio and Qwen-Audio-Chat: audio tower, projection with end vectors, Llama-like LLM.

The LLM is loaded as Qwen2 of transformers, with the fused query, key and value weights split. Beyond its training
length the original rescales its rotary base and its queries. Qwen2 does not, so the config here is limited to that
length. The code of the checkpoint is never run. Reference: QwenLM/Qwen-Audio, `modeling_qwen.py` and `audio.py`.
"""

import re
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from torch import Tensor

from emosllm.errors import UserError
from emosllm.models.encoders.qwen_audio import QwenAudioFeatureExtractor
from emosllm.models.published.layout import Layout, Part, Place
from emosllm.models.published.qwen_audio_tokenizer import (
    AUDIO,
    END_OF_TEXT,
    END_OF_TURN,
    load_qwen_audio_tokenizer,
    special_tokens,
)
from emosllm.models.published.tensors import Rule, read_config, read_tensors, renamed

_BLOCK, _LAYER = r"transformer\.audio\.blocks\.(\d+)\.", r"transformer\.h\.(\d+)\."
_RULES: tuple[Rule, ...] = (
    (r"transformer\.audio\.(conv[12]\.(?:weight|bias))", "encoder", r"\1"),
    (r"transformer\.audio\.positional_embedding", "encoder", "embed_positions.weight"),
    (_BLOCK + r"attn\.query\.(weight|bias)", "encoder", r"layers.\1.self_attn.q_proj.\2"),
    (_BLOCK + r"attn\.key\.weight", "encoder", r"layers.\1.self_attn.k_proj.weight"),
    (_BLOCK + r"attn\.value\.(weight|bias)", "encoder", r"layers.\1.self_attn.v_proj.\2"),
    (_BLOCK + r"attn\.out\.(weight|bias)", "encoder", r"layers.\1.self_attn.out_proj.\2"),
    (_BLOCK + r"attn_ln\.(weight|bias)", "encoder", r"layers.\1.self_attn_layer_norm.\2"),
    (_BLOCK + r"mlp\.0\.(weight|bias)", "encoder", r"layers.\1.fc1.\2"),
    (_BLOCK + r"mlp\.2\.(weight|bias)", "encoder", r"layers.\1.fc2.\2"),
    (_BLOCK + r"mlp_ln\.(weight|bias)", "encoder", r"layers.\1.final_layer_norm.\2"),
    (r"transformer\.audio\.ln_post\.(weight|bias)", "encoder", r"layer_norm.\1"),
    (r"transformer\.audio\.proj\.(weight|bias)", "mapper", r"output.\1"),
    (r"transformer\.audio\.audio_bos_eos_token\.weight", "mapper", "ends"),
    (r"transformer\.wte\.weight", "llm", "model.embed_tokens.weight"),
    (_LAYER + r"ln_1\.weight", "llm", r"model.layers.\1.input_layernorm.weight"),
    (_LAYER + r"attn\.c_proj\.weight", "llm", r"model.layers.\1.self_attn.o_proj.weight"),
    (_LAYER + r"ln_2\.weight", "llm", r"model.layers.\1.post_attention_layernorm.weight"),
    (_LAYER + r"mlp\.w1\.weight", "llm", r"model.layers.\1.mlp.up_proj.weight"),
    (_LAYER + r"mlp\.w2\.weight", "llm", r"model.layers.\1.mlp.gate_proj.weight"),
    (_LAYER + r"mlp\.c_proj\.weight", "llm", r"model.layers.\1.mlp.down_proj.weight"),
    (r"transformer\.ln_f\.weight", "llm", "model.norm.weight"),
    (r"lm_head\.weight", "llm", "lm_head.weight"),
)
# Buffers that the original computes from its config, and that its old versions saved.
_COMPUTED = re.compile(
    r"transformer\.(h\.\d+\.attn\.(masked_bias|logn_tensor|rotary_emb\.inv_freq)|rotary_emb\.inv_freq)"
)


def _matches(folder: Path) -> bool:
    config = read_config(folder)
    return config.get("model_type") == "qwen" and "audio" in config


def _configs(folder: Path) -> Mapping[Part, dict[str, Any]]:
    config = read_config(folder)
    try:
        _check(config, folder)
        return {"encoder": _tower(config["audio"]), "mapper": _mapper(config["audio"]), "llm": _llm(config)}
    except KeyError as error:
        raise UserError(f"{folder}: {error.args[0]} is missing in config.json; fetch the checkpoint again") from None


def _check(config: dict[str, Any], folder: Path) -> None:
    """Refuse settings that are not supported here; no published checkpoint has them."""
    audio, width = config["audio"], config["hidden_size"]
    expected = {
        "no_bias": (config.get("no_bias", True), True),
        "rotary_pct": (config.get("rotary_pct", 1.0), 1.0),
        "kv_channels": (config["kv_channels"], width // config["num_attention_heads"]),
        "audio.output_dim": (audio["output_dim"], width),
        "audio.avg_pool": (audio.get("avg_pool", True), True),
        "audio.add_audio_bos_eos_token": (audio.get("add_audio_bos_eos_token", True), True),
    }
    for name, (found, needed) in expected.items():
        if found != needed:
            raise UserError(
                f"{folder}: {name} is {found!r} in config.json, and Qwen-Audio's is {needed!r}; fetch it again"
            )


def _tower(audio: dict[str, Any]) -> dict[str, Any]:
    return {
        "model_type": "qwen_audio_encoder",
        "num_mel_bins": audio["n_mels"],
        "max_source_positions": audio["n_ctx"],
        "d_model": audio["n_state"],
        "encoder_attention_heads": audio["n_head"],
        "encoder_layers": audio["n_layer"],
        "encoder_ffn_dim": 4 * audio["n_state"],
    }


def _mapper(audio: dict[str, Any]) -> dict[str, Any]:
    return {"frame_width": audio["n_state"], "llm_width": audio["output_dim"], "ends": True}


def _llm(config: dict[str, Any]) -> dict[str, Any]:
    names = special_tokens()
    first = config["audio"]["audio_start_id"] - names.index(AUDIO)
    return {
        "model_type": "qwen2",
        "vocab_size": config["vocab_size"],
        "hidden_size": config["hidden_size"],
        "intermediate_size": config["intermediate_size"] // 2,  # of gate and up together
        "num_hidden_layers": config["num_hidden_layers"],
        "num_attention_heads": config["num_attention_heads"],
        "num_key_value_heads": config["num_attention_heads"],
        "max_position_embeddings": config["seq_length"],  # not the original's 8192: see the module's docstring
        "rms_norm_eps": config["layer_norm_epsilon"],
        "rope_parameters": {"rope_type": "default", "rope_theta": float(config["rotary_emb_base"])},
        "tie_word_embeddings": False,
        "bos_token_id": None,
        "eos_token_id": [first + names.index(name) for name in (END_OF_TEXT, END_OF_TURN)],
        "pad_token_id": first + names.index(END_OF_TEXT),
    }


def _place(key: str) -> list[Place] | None:
    if _COMPUTED.fullmatch(key):
        return []
    fused = re.fullmatch(_LAYER + r"attn\.c_attn\.(weight|bias)", key)
    if fused:
        layer, kind = fused.groups()
        return [
            ("llm", f"model.layers.{layer}.self_attn.{name}_proj.{kind}", partial(_third, which))
            for which, name in enumerate("qkv")
        ]
    return renamed(key, _RULES)


def _third(which: int, fused: Tensor) -> Tensor:
    return fused.chunk(3)[which]


def _feature_extractor(folder: Path) -> QwenAudioFeatureExtractor:
    return QwenAudioFeatureExtractor(feature_size=read_config(folder)["audio"]["n_mels"])


LAYOUT = Layout("Qwen-Audio", _matches, _configs, read_tensors, _place, load_qwen_audio_tokenizer, _feature_extractor)
