"""Tiny checkpoints in the layouts of the published ones, and overrides that use them in recipes."""

import base64
import json
from pathlib import Path

import golden
import tiny
import torch
from emotion2vec_folder import folder as emotion2vec_folder
from emotion2vec_folder import state
from transformers import (
    PreTrainedTokenizerFast,
    Qwen2AudioConfig,
    Qwen2AudioForConditionalGeneration,
    WhisperFeatureExtractor,
)

from emosllm.models.backbones import config_of, new_encoder, new_llm
from emosllm.models.mappers.linear import LinearMapper
from emosllm.models.published.layout import Layout, load_part

CHATML = (
    "{% for m in messages %}<|im_start|>{{ m['role'] }}\n{{ m['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
NINE = ["angry", "disgusted", "fearful", "happy", "neutral", "other", "sad", "surprised", "<unk>"]
WORDS = ("anger", "disgust", "fear", "joy", "neutral", "sadness", "Emotions", " Which", " words", " audio", "assistant")


def emotion2vec(path: Path) -> Path:
    """An emotion2vec with its own nine-class head, in FunASR's layout."""
    weights = {**state(), **golden.weights({"proj.weight": (9, 48), "proj.bias": (9,)})}
    return emotion2vec_folder(path, weights, classes="\n".join(NINE) + "\n")


def qwen_audio(path: Path) -> Path:
    """A Qwen-Audio-Chat in the layout of its authors: fused weights, tiktoken vocabulary, no processor."""
    import published_keys

    known = published_keys.read("qwen_audio")
    vocabulary = [bytes([byte]) for byte in range(256)]
    for word in WORDS:  # byte pairs as tiktoken wants them: each token is the sum of two earlier ones
        vocabulary += [part for end in range(2, len(word) + 1) if (part := word[:end].encode()) not in vocabulary]
    size = 64 * -(-(len(vocabulary) + 3522) // 64)  # the vocabulary and Qwen's special tokens
    config = {**known["config"], "vocab_size": size}
    config["audio"] = {**config["audio"], "audio_start_id": len(vocabulary) + 3520}
    shapes = published_keys.spread(known["small"])
    shapes |= {key: (size, shapes[key][1]) for key in ("transformer.wte.weight", "lm_head.weight")}
    folder = published_keys.folder(path, config, golden.weights(shapes), shards=2)
    lines = (f"{base64.b64encode(token).decode()} {rank}" for rank, token in enumerate(vocabulary))
    (folder / "qwen.tiktoken").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return folder


def qwen2_audio_config(audio_token: int, **text: float | None) -> Qwen2AudioConfig:
    """The configuration of a tiny Qwen2-Audio; `text` are further values of its LLM."""
    return Qwen2AudioConfig(
        audio_config={
            "model_type": "qwen2_audio_encoder",
            "num_mel_bins": 128,
            "encoder_layers": 2,
            "encoder_attention_heads": 4,
            "encoder_ffn_dim": 96,
            "d_model": 48,
        },
        text_config={
            "model_type": "qwen2",
            "hidden_size": 64,
            "intermediate_size": 88,
            "num_hidden_layers": 2,
            "num_attention_heads": 4,
            "num_key_value_heads": 4,
            **text,
        },
        audio_token_index=audio_token,
    )


def load_parts(folder: Path, layout: Layout) -> dict[str, torch.nn.Module]:
    """Encoder, mapper and LLM of a checkpoint in a published layout."""
    configs = layout.configs(folder)
    built = {
        "encoder": new_encoder(config_of(configs["encoder"])),
        "mapper": LinearMapper(**configs["mapper"]),
        "llm": new_llm(config_of(configs["llm"])),
    }
    for part, module in built.items():
        load_part(folder, layout, part, module.eval())
    return built


def qwen2_audio(path: Path) -> Path:
    """A Qwen2-Audio as transformers saves it, with tokenizer and feature extractor."""
    inner = json.loads(tiny.tokenizer()._tokenizer.to_str())
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=type(tiny.tokenizer()._tokenizer).from_str(json.dumps(inner)))
    names = ["<|im_start|>", "<|im_end|>", "<|AUDIO|>", "<|audio_bos|>", "<|audio_eos|>", "<|endoftext|>"]
    tokenizer.add_special_tokens({"additional_special_tokens": names})
    tokenizer.eos_token, tokenizer.pad_token = "<|im_end|>", "<|endoftext|>"
    tokenizer.chat_template = CHATML
    config = qwen2_audio_config(
        tokenizer.convert_tokens_to_ids("<|AUDIO|>"),
        vocab_size=len(tokenizer),
        max_position_embeddings=4096,
        eos_token_id=tokenizer.eos_token_id,
    )
    torch.manual_seed(0)
    model = Qwen2AudioForConditionalGeneration(config)
    golden.fill(model)
    model.save_pretrained(path)
    tokenizer.save_pretrained(path)
    WhisperFeatureExtractor(feature_size=128).save_pretrained(path)
    return path


def parts(name: str, root: Path) -> tuple[str, ...]:
    """Overrides that replace the models of a recipe by tiny ones of the same architecture."""
    if name.startswith("qwen-audio"):
        place = qwen_audio(root / "qwen-audio")
    elif name.startswith(("qwen2-audio", "aa-sllm")):
        place = qwen2_audio(root / "qwen2-audio")
    else:
        return _separate(name, root)
    return tuple(f"{part}.model={place}" for part in ("encoder", "mapper", "llm"))


def _separate(name: str, root: Path) -> tuple[str, ...]:
    """The same for systems whose parts are models of their own."""
    encoders = {"wavlm": "wavlm-large", "wav2vec2": "wav2vec2-large", "hubert": "hubert-large", "whisper": "whisper"}
    kind = next((tiny_name for word, tiny_name in encoders.items() if word in name), "wavlm-large")
    ears, mouth = tiny.folders(root, encoder_name=kind, llm_name="gemma", system_role=False)
    if "emo" in name:
        ears = emotion2vec(root / "emotion2vec")
    if name == "emotion2vec":
        return (f"encoder.model={ears}", f"head.model={ears}")
    if name.startswith("head-"):
        return (f"encoder.model={ears}", "head={width: 32, heads: 2, feedforward: 16}")
    return (f"llm.model={mouth}", *([] if name == "gemma-text" else [f"encoder.model={ears}"]))
