"""Encoders and LLMs by name: a hub id, a local folder, or a builtin of this package; weights from safetensors only."""

import json
from importlib.resources import files
from pathlib import Path
from textwrap import shorten
from typing import Any

import torch
from transformers import (
    AutoConfig,
    AutoFeatureExtractor,
    AutoModel,
    AutoModelForCausalLM,
    AutoTokenizer,
    FeatureExtractionMixin,
    PreTrainedConfig,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)
from transformers.models.whisper.modeling_whisper import WhisperEncoder

from emosllm.errors import UserError
from emosllm.models.encoders import family

BUILTIN = "builtin:"


def builtins() -> dict[str, Path]:
    """The models that come with the package: name -> folder."""
    root = Path(str(files("emosllm"))) / "builtin"
    return {path.name: path for path in sorted(root.glob("*")) if (path / "config.json").is_file()}


def locate(reference: str) -> str:
    """Where a model named in a recipe lies: the folder of a `builtin:NAME`, else the hub id or folder itself.

    Raises:
        UserError: no such builtin.
    """
    if not reference.startswith(BUILTIN):
        return reference
    known = builtins()
    name = reference.removeprefix(BUILTIN)
    if name not in known:
        raise UserError(f"no builtin model {reference!r}; known are {', '.join(known) or 'none'}")
    return str(known[name])


def load_config(reference: str) -> PreTrainedConfig:
    """A backbone's config: from a folder, from the published shapes kept in the package, or from the hub.

    Raises:
        UserError: it is nowhere to be found.
    """
    shape = files("emosllm.models") / "shapes" / f"{reference.replace('/', '--')}.json"
    if not Path(reference).is_dir() and shape.is_file():
        return config_of(json.loads(shape.read_text(encoding="utf-8")))
    return _load(AutoConfig, reference)


def config_of(values: dict[str, Any]) -> PreTrainedConfig:
    """A backbone's config from plain values with their `model_type`."""
    return AutoConfig.for_model(**values)


def new_encoder(config: PreTrainedConfig, dtype: torch.dtype = torch.float32) -> PreTrainedModel:
    """A new encoder of a config's shape; of Whisper only the half that listens."""
    family(config)
    if config.model_type == "whisper":
        return WhisperEncoder(config).to(dtype)
    return AutoModel.from_config(config, dtype=dtype)


def new_llm(config: PreTrainedConfig, dtype: torch.dtype = torch.float32) -> PreTrainedModel:
    """A new causal LM of a config's shape."""
    return AutoModelForCausalLM.from_config(config, dtype=dtype)


def load_encoder(reference: str, dtype: torch.dtype = torch.float32) -> PreTrainedModel:
    """A speech encoder's published weights; of Whisper only the half that listens."""
    family(_load(AutoConfig, reference))
    model = _load(AutoModel, reference, dtype=dtype, use_safetensors=True)
    return model.encoder if model.config.model_type == "whisper" else model


def load_llm(reference: str, dtype: torch.dtype = torch.float32) -> PreTrainedModel:
    """A causal LM's published weights."""
    return _load(AutoModelForCausalLM, reference, dtype=dtype, use_safetensors=True)


def load_feature_extractor(reference: str) -> FeatureExtractionMixin:
    """What turns samples into what the encoder eats."""
    return _load(AutoFeatureExtractor, reference)


def load_tokenizer(reference: str) -> PreTrainedTokenizerBase:
    """The LLM's tokenizer."""
    return _load(AutoTokenizer, reference)


def _load(kind: Any, reference: str, **options: Any) -> Any:
    """`from_pretrained` of an Auto class, with an error that says what to do."""
    place = locate(reference)
    try:
        return kind.from_pretrained(place, **options)
    except (OSError, ValueError, KeyError) as error:
        what = kind.__name__.removeprefix("Auto")
        reason = shorten(str(error), 160, placeholder=" …")
        # A hub id is NAME or OWNER/NAME; anything with more slashes can only be a folder.
        fetch = f", or fetch it once with `hf download {reference}`" if place.count("/") < 2 else ""
        raise UserError(f"{reference}: no {what} there ({reason}); give a folder that has one{fetch}") from None
