"""Tiny random models of the real architectures, and a tokenizer trained on the spot; nothing is downloaded."""

from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import (
    AutoModel,
    AutoModelForCausalLM,
    ParakeetFeatureExtractor,
    PreTrainedModel,
    PreTrainedTokenizerFast,
    SeamlessM4TFeatureExtractor,
    Wav2Vec2FeatureExtractor,
    WhisperFeatureExtractor,
)
from transformers.models.auto.configuration_auto import CONFIG_MAPPING

from emosllm.models.backbones import new_encoder
from emosllm.models.encoders.qwen_audio import QwenAudioFeatureExtractor
from emosllm.prompting.prompt_template import load_templates
from emosllm.recipe import Recipe, load_recipe

SYSTEM_TEMPLATE = (
    "{% for m in messages %}<|{{ m['role'] }}|>{{ m['content'] }}<|end|>{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)
# As Gemma's: no system role, content trimmed, another word for the assistant.
NO_SYSTEM_TEMPLATE = (
    "{% for m in messages %}{% if m['role'] == 'system' %}{{ raise_exception('System role not supported') }}{% endif %}"
    "<|{{ 'model' if m['role'] == 'assistant' else m['role'] }}|>\n{{ m['content'] | trim }}<|end|>\n{% endfor %}"
)
SPECIAL = ("<pad>", "<|system|>", "<|user|>", "<|assistant|>", "<|model|>", "<|end|>")

_TRANSFORMER = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 48}
_CONVOLUTIONS = {"conv_dim": [16, 16, 16], "conv_kernel": [10, 8, 4], "conv_stride": [10, 8, 4]}
_WAVEFORM = {
    **_TRANSFORMER,
    **_CONVOLUTIONS,
    "num_feat_extract_layers": 3,
    "num_conv_pos_embeddings": 8,
    "num_conv_pos_embedding_groups": 2,
}
_LARGE = {**_WAVEFORM, "feat_extract_norm": "layer", "do_stable_layer_norm": True}
_TOWER = {"d_model": 32, "encoder_layers": 2, "encoder_attention_heads": 2, "encoder_ffn_dim": 48}
ENCODERS = {
    "wavlm-large": ("wavlm", _LARGE),
    "wavlm-base": ("wavlm", _WAVEFORM),
    "wav2vec2-large": ("wav2vec2", {**_LARGE, "conv_bias": True}),
    "wav2vec2-base": ("wav2vec2", _WAVEFORM),
    "hubert-large": ("hubert", _LARGE),
    "hubert-base": ("hubert", _WAVEFORM),
    "wav2vec2-bert": (
        "wav2vec2-bert",
        {**_TRANSFORMER, "feature_projection_input_dim": 160, "conv_depthwise_kernel_size": 7},
    ),
    "emotion2vec": (
        "emotion2vec",
        {
            "hidden_size": 32,
            "num_prenet_layers": 1,
            "num_main_layers": 1,
            "num_attention_heads": 2,
            "intermediate_size": 48,
            "position_groups": 2,
            **_CONVOLUTIONS,
        },
    ),
    "parakeet": (
        "parakeet_encoder",
        {
            **_TRANSFORMER,
            "conv_kernel_size": 5,
            "subsampling_factor": 2,
            "subsampling_conv_channels": 8,
            "num_mel_bins": 80,
        },
    ),
    "whisper": (
        "whisper",
        {
            "d_model": 32,
            **{f"{half}_layers": 2 for half in ("encoder", "decoder")},
            **{f"{half}_attention_heads": 2 for half in ("encoder", "decoder")},
            **{f"{half}_ffn_dim": 48 for half in ("encoder", "decoder")},
            "num_mel_bins": 80,
        },
    ),
    "qwen-audio": ("qwen_audio_encoder", {**_TOWER, "num_mel_bins": 80}),
    "qwen2-audio": ("qwen2_audio_encoder", {**_TOWER, "num_mel_bins": 80}),
}
_LLM = {
    "hidden_size": 48,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 12,
    "max_position_embeddings": 2048,
    "bos_token_id": None,
    "eos_token_id": 5,
    "pad_token_id": 0,
}
LLMS = {
    "llama": ("llama", {"tie_word_embeddings": True}),
    "qwen3": ("qwen3", {"tie_word_embeddings": True}),
    "gemma": ("gemma", {}),
    "gemma2": ("gemma2", {"sliding_window": 16}),
    "gemma3": ("gemma3_text", {"sliding_window": 16}),
    "phi3": ("phi3", {}),
    "mistral": ("mistral", {"sliding_window": 16}),
    "granite": ("granite", {"logits_scaling": 3.0}),
}


@lru_cache
def tokenizer(system_role: bool = True, letters: bool = True) -> PreTrainedTokenizerFast:
    """A byte-level BPE trained on the shipped prompts; `letters=False` splits the emotions' letters into bytes."""
    inner = Tokenizer(models.BPE())
    inner.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    inner.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=600 if letters else 300,
        special_tokens=list(SPECIAL),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    templates = load_templates("default")
    lines = [templates.system, *(line for lines in templates.tasks.values() for line in lines)]
    lines += [f"| ASR: kids | Emotion: {letter} |" for letter in "ASHUFDCNO" * 20] if letters else []
    inner.train_from_iterator(lines, trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=inner,
        pad_token="<pad>",
        eos_token="<|end|>",
        additional_special_tokens=list(SPECIAL[1:5]),
        chat_template=SYSTEM_TEMPLATE if system_role else NO_SYSTEM_TEMPLATE,
    )


def llm(name: str = "llama", seed: int = 0, **shape: int) -> PreTrainedModel:
    """A causal LM with weights large enough that its answers depend on its input."""
    kind, values = LLMS[name]
    torch.manual_seed(seed)
    config = CONFIG_MAPPING[kind](
        **{**_LLM, "vocab_size": len(tokenizer()), "initializer_range": 0.15, **values, **shape}
    )
    return AutoModelForCausalLM.from_config(config)


def encoder(name: str = "wavlm-large", seed: int = 0) -> PreTrainedModel:
    """A speech encoder."""
    kind, values = ENCODERS[name]
    torch.manual_seed(seed)
    return new_encoder(CONFIG_MAPPING[kind](**values)).eval()


def feature_extractor(name: str = "wavlm-large") -> object:
    """The feature extractor that goes with an encoder."""
    kind, _ = ENCODERS[name]
    if kind == "qwen_audio_encoder":
        return QwenAudioFeatureExtractor()
    if kind in ("whisper", "qwen2_audio_encoder"):
        return WhisperFeatureExtractor(feature_size=80)
    if kind == "parakeet_encoder":
        return ParakeetFeatureExtractor(feature_size=80)
    if kind == "wav2vec2-bert":
        return SeamlessM4TFeatureExtractor(feature_size=80, num_mel_bins=80, stride=2)
    if kind == "emotion2vec":
        return Wav2Vec2FeatureExtractor(do_normalize=False, return_attention_mask=True)
    return Wav2Vec2FeatureExtractor(do_normalize=name.endswith("large"), return_attention_mask=name.endswith("large"))


def folders(
    root: Path, encoder_name: str = "wavlm-large", llm_name: str = "llama", system_role: bool = True
) -> tuple[Path, Path]:
    """An encoder and an LLM, saved as on the hub."""
    ears, mouth = root / f"encoder-{encoder_name}", root / f"llm-{llm_name}"
    kind, values = ENCODERS[encoder_name]
    torch.manual_seed(0)
    AutoModel.from_config(CONFIG_MAPPING[kind](**values)).save_pretrained(
        ears
    )  # of Whisper, both halves, as on the hub
    feature_extractor(encoder_name).save_pretrained(ears)  # type: ignore[attr-defined]
    llm(llm_name).save_pretrained(mouth)
    tokenizer(system_role).save_pretrained(mouth)
    return ears, mouth


TINY = (
    "mapper={queries: 4, layers: 1, heads: 2, width: 16, feedforward: 16, dropout: 0.0}",
    "lora={rank: 2, alpha: 4}",
    "training={precision: float32, micro_batch: 4}",
)


def recipe(root: Path, name: str = "emosllm", *overrides: str, **parts: str) -> Recipe:
    """A packaged recipe with tiny parts instead of the published ones."""
    ears, mouth = folders(root, **parts)
    return load_recipe(name, (f"encoder.model={ears}", f"llm.model={mouth}", *TINY, *overrides))


def clip(seconds: float, seed: int = 0) -> np.ndarray:
    """A signal similar to a voice: harmonics with vibrato, and a little noise."""
    rng = np.random.default_rng(seed)
    t = np.arange(int(seconds * 16_000)) / 16_000
    pitch = 120 + 60 * rng.random() + 10 * np.sin(2 * np.pi * 3 * t)
    phase = 2 * np.pi * np.cumsum(pitch) / 16_000
    voice = sum(np.sin(k * phase) / k for k in range(1, 8))
    return (0.1 * voice + 0.01 * rng.standard_normal(len(t))).astype(np.float32)
