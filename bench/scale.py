"""How large the benchmark's models and data are: published shapes, or the same parts small enough for a test.

`full` has Llama-3.2-1B's width and vocabulary, and as many layers and clips as a quarter of an hour allows: training
has four of the sixteen layers, recognition of one clip them all, of more clips or with more to say eight. `large`
trains eight layers on batches of eight clips, which is what the plain way still does in 16 GB. `published` is EmoSLLM
whole, Llama-3.2-3B and all 3.5 billion weights, and is what a GPU runs.
"""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

_WAVLM_SMALL = {
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 48,
    "conv_dim": [16] * 7,
    "num_conv_pos_embeddings": 8,
    "num_conv_pos_embedding_groups": 2,
}
_WHISPER_SMALL = {"d_model": 32, "encoder_layers": 2, "encoder_attention_heads": 2, "encoder_ffn_dim": 48}


@dataclass(frozen=True)
class Scale:
    """Sizes of one kind of run.

    Attributes:
        llm: what is changed of Llama-3.2's published config.
        gemma: what is changed of Gemma-2B's.
        wavlm: what is changed of WavLM-large's.
        whisper: what is changed of Whisper-large-v3's.
        mapper: what is changed of the recipe's QPMapper.
        layers: of the LLM where something is trained.
        layers_asked: of the LLM where it recognises one clip.
        layers_long: of the LLM in the cases of recognition that take longest.
        batch: clips of a batch.
        clips: of the cases that go through many.
        recording: seconds of the long recording.
        rounds: how often each way runs.
        dtype: of the frozen weights.
    """

    llm: dict[str, Any]
    gemma: dict[str, Any]
    wavlm: dict[str, Any]
    whisper: dict[str, Any]
    mapper: dict[str, Any]
    layers: int
    layers_asked: int
    layers_long: int
    batch: int
    clips: int
    recording: float
    rounds: int
    dtype: torch.dtype


_LLAMA_1B = {
    "hidden_size": 2048,
    "intermediate_size": 8192,
    "num_attention_heads": 32,
    "num_key_value_heads": 8,
    "head_dim": 64,
    "vocab_size": 128256,
    "tie_word_embeddings": True,
}
_LLM_SMALL = {
    "hidden_size": 64,
    "intermediate_size": 128,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 16,
    "vocab_size": 2048,
}

_FULL = Scale(
    llm=_LLAMA_1B,
    gemma={"num_hidden_layers": 2},
    wavlm={},
    whisper={},
    mapper={},
    layers=4,
    layers_asked=16,
    layers_long=8,
    batch=4,
    clips=200,
    recording=600.0,
    rounds=2,
    dtype=torch.bfloat16,
)

SCALES = {
    "full": _FULL,
    "large": replace(_FULL, layers=8, layers_long=16, batch=8, gemma={"num_hidden_layers": 6}),
    "published": replace(
        _FULL, llm={}, layers=28, layers_asked=28, layers_long=28, batch=16, gemma={}, clips=1000, rounds=5
    ),
    "small": Scale(
        llm={**_LLM_SMALL, "tie_word_embeddings": True},
        gemma={**_LLM_SMALL, "num_hidden_layers": 2},
        wavlm=_WAVLM_SMALL,
        whisper=_WHISPER_SMALL,
        mapper={"layers": 1, "heads": 2, "width": 16, "feedforward": 16},
        layers=2,
        layers_asked=2,
        layers_long=2,
        batch=3,
        clips=8,
        recording=20.0,
        rounds=2,
        dtype=torch.float32,
    ),
}


@dataclass(frozen=True)
class Setting:
    """One run of the benchmark: where, how large, on what.

    Attributes:
        scale: a key of `SCALES`.
        device: `cpu` or `cuda`.
        threads: cores that torch may use.
        data: folder with a manifest of real recordings; synthetic ones are made where there is none.
        layers: of the LLM, in place of the scale's.
        batch: clips of a batch, likewise.
        rounds: likewise.
    """

    scale: str = "full"
    device: str = "cpu"
    threads: int = 2
    data: Path | None = None
    layers: int | None = None
    batch: int | None = None
    rounds: int | None = None

    @property
    def sizes(self) -> Scale:
        """The scale's."""
        return SCALES[self.scale]

    @property
    def clips(self) -> int:
        """Clips of a batch."""
        return self.batch or self.sizes.batch
