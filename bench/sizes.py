"""The sizes of the benchmark's models and data: published shapes, or the same parts small enough for a test.

`full` has Llama-3.2-1B's width and vocabulary, and as many layers and clips as fit into a quarter of an hour. Training
has four of the sixteen layers. Recognition of one clip has all of them, of more clips or longer answers eight. `large`
trains eight layers on batches of eight clips, the most that the plain implementation can do in 16 GB. `published` is
the whole EmoSLLM with Llama-3.2-3B and all 3.5 billion weights; it runs on a GPU.
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
class Sizes:
    """The sizes of one kind of run.

    Attributes:
        llm: changes to Llama-3.2's published config.
        gemma: changes to Gemma-2B's.
        wavlm: changes to WavLM-large's.
        whisper: changes to Whisper-large-v3's.
        mapper: changes to the recipe's QPMapper.
        layers: of the LLM in cases of training.
        layers_single_clip: of the LLM in recognition of one clip.
        layers_long: of the LLM in the longest cases of recognition.
        batch: clips of a batch.
        clips: of the cases with many clips.
        recording: length of the long recording in seconds.
        rounds: number of rounds for each implementation.
        dtype: of the frozen weights.
    """

    llm: dict[str, Any]
    gemma: dict[str, Any]
    wavlm: dict[str, Any]
    whisper: dict[str, Any]
    mapper: dict[str, Any]
    layers: int
    layers_single_clip: int
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

_FULL = Sizes(
    llm=_LLAMA_1B,
    gemma={"num_hidden_layers": 2},
    wavlm={},
    whisper={},
    mapper={},
    layers=4,
    layers_single_clip=16,
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
        _FULL, llm={}, layers=28, layers_single_clip=28, layers_long=28, batch=16, gemma={}, clips=1000, rounds=5
    ),
    "small": Sizes(
        llm={**_LLM_SMALL, "tie_word_embeddings": True},
        gemma={**_LLM_SMALL, "num_hidden_layers": 2},
        wavlm=_WAVLM_SMALL,
        whisper=_WHISPER_SMALL,
        mapper={"layers": 1, "heads": 2, "width": 16, "feedforward": 16},
        layers=2,
        layers_single_clip=2,
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
    """The settings of one run of the benchmark.

    Attributes:
        scale: a key of `SCALES`.
        device: `cpu` or `cuda`.
        threads: cores that torch may use.
        data: folder with a manifest of real recordings; without it, synthetic ones are made.
        layers: of the LLM, instead of the scale's.
        batch: clips of a batch, instead of the scale's.
        rounds: instead of the scale's.
    """

    scale: str = "full"
    device: str = "cpu"
    threads: int = 2
    data: Path | None = None
    layers: int | None = None
    batch: int | None = None
    rounds: int | None = None

    @property
    def sizes(self) -> Sizes:
        """The sizes of the scale."""
        return SCALES[self.scale]

    @property
    def clips(self) -> int:
        """The number of clips of a batch."""
        return self.batch or self.sizes.batch
