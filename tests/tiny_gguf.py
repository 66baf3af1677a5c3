"""A tiny LLaMA and its tokenizer as a GGUF file, written tensor by tensor as llama.cpp's converter writes them."""

import json
from pathlib import Path

import numpy as np
import pytest
import tiny
from transformers import PreTrainedModel

gguf = pytest.importorskip("gguf")  # an extra

LAYER = {
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output",
    "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
    "input_layernorm": "attn_norm",
    "post_attention_layernorm": "ffn_norm",
}


def write(path: Path, llm: PreTrainedModel, quantised: bool = True) -> None:
    """Save a LLaMA of `tiny` with tiny's tokenizer; its matrices in Q8_0, or all in float32."""
    config, tokenizer = llm.config, tiny.tokenizer()
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    writer.add_block_count(config.num_hidden_layers)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(config.num_attention_heads)
    writer.add_head_count_kv(config.num_key_value_heads)
    writer.add_rope_dimension_count(config.head_dim)
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    writer.add_rope_freq_base(config.rope_parameters["rope_theta"])
    writer.add_vocab_size(config.vocab_size)
    _write_tokenizer(writer, tokenizer, config.vocab_size)
    for name, tensor in llm.state_dict().items():
        if name != "lm_head.weight" or not config.tie_word_embeddings:
            _write_tensor(writer, name, tensor.float().numpy(), config, quantised)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def _write_tokenizer(writer, tokenizer, size: int) -> None:
    words = {place: word for word, place in tokenizer.get_vocab().items()}
    special = set(tokenizer.all_special_ids) | set(tokenizer.added_tokens_decoder)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("default")
    writer.add_token_list([words.get(place, f"[unused{place}]") for place in range(size)])
    writer.add_token_types([3 if place in special else 1 for place in range(size)])
    merges = json.loads(tokenizer.backend_tokenizer.to_str())["model"]["merges"]
    writer.add_token_merges([" ".join(pair) for pair in merges])
    writer.add_eos_token_id(5)
    writer.add_pad_token_id(0)
    writer.add_chat_template(tokenizer.chat_template)


def _write_tensor(writer, name: str, values: np.ndarray, config, quantised: bool) -> None:
    outside = {"model.embed_tokens": "token_embd", "model.norm": "output_norm", "lm_head": "output"}
    stem = name.removesuffix(".weight")
    if stem in outside:
        target = outside[stem]
    else:
        _, _, layer, inner = stem.split(".", 3)
        target = f"blk.{layer}.{LAYER[inner]}"
        heads = {"attn_q": config.num_attention_heads, "attn_k": config.num_key_value_heads}.get(LAYER[inner])
        if heads:  # llama.cpp rotates neighbours, transformers halves
            values = values.reshape(heads, 2, -1, values.shape[-1]).swapaxes(1, 2).reshape(values.shape)
    if quantised and values.ndim == 2 and values.shape[-1] % 32 == 0:
        kind = gguf.GGMLQuantizationType.Q8_0
        writer.add_tensor(f"{target}.weight", gguf.quantize(values, kind), raw_dtype=kind)
    else:
        writer.add_tensor(f"{target}.weight", np.ascontiguousarray(values))
