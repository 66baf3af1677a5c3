"""A tiny random Whisper with a byte tokenizer, saved as on the hub; its transcripts are random letters."""

from pathlib import Path

import torch
from tokenizers import pre_tokenizers
from transformers import (
    WhisperConfig,
    WhisperFeatureExtractor,
    WhisperForConditionalGeneration,
    WhisperProcessor,
    WhisperTokenizer,
)

_SPECIAL = (
    "startoftranscript",
    "en",
    "translate",
    "transcribe",
    "startoflm",
    "startofprev",
    "nospeech",
    "notimestamps",
)


def save(folder: Path, *, timestamps: bool = False) -> Path:
    """Write the model; without `timestamps` it cannot generate any, as for short clips."""
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    end = len(letters)
    tokenizer = WhisperTokenizer(vocab={c: n for n, c in enumerate(letters)} | {"<|endoftext|>": end}, merges=[])
    tokenizer.pad_token = "<|endoftext|>"
    tokenizer.add_special_tokens({"additional_special_tokens": [f"<|{name}|>" for name in _SPECIAL]})
    tokenizer.add_tokens([f"<|{n * 0.02:.2f}|>" for n in range(1501)])
    tokens = {"decoder_start_token_id": end + 1, "eos_token_id": end, "pad_token_id": end, "bos_token_id": end}
    small = {f"{side}_{what}": 2 for side in ("encoder", "decoder") for what in ("layers", "attention_heads")}
    wide = {"encoder_ffn_dim": 16, "decoder_ffn_dim": 16, "max_target_positions": 64}
    torch.manual_seed(0)
    model = WhisperForConditionalGeneration(
        WhisperConfig(vocab_size=len(tokenizer), d_model=16, num_mel_bins=80, **small, **wide, **tokens)
    )
    last = end + 9 if timestamps else len(tokenizer)
    settings = {
        **tokens,
        "is_multilingual": False,
        "no_timestamps_token_id": end + 8,
        "max_length": 12,
        "max_initial_timestamp_index": 50,
        "return_timestamps": False,
        "suppress_tokens": list(range(end, last)),
        "begin_suppress_tokens": None,
        "_from_model_config": False,
    }
    for name, value in settings.items():
        setattr(model.generation_config, name, value)
    WhisperProcessor(WhisperFeatureExtractor(), tokenizer).save_pretrained(folder)
    model.save_pretrained(folder)
    return folder
