"""Load encoders and LLMs by name: a hub id, a local folder, or a builtin. No code of a checkpoint is run.

A name may also refer to a model in its authors' own layout that contains several parts (`models/published`).
"""

import json
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib import import_module
from importlib.resources import files
from pathlib import Path
from textwrap import shorten
from typing import Any
from warnings import catch_warnings, simplefilter

import torch
from huggingface_hub.utils import are_progress_bars_disabled, disable_progress_bars, enable_progress_bars
from peft.tuners.tuners_utils import BaseTunerLayer
from torch import nn
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
from transformers.initialization import no_init_weights
from transformers.models.whisper.modeling_whisper import WhisperEncoder
from transformers.utils import logging

from emosllm.errors import UserError
from emosllm.models.checkpoints.int8_weights import WEIGHTS, is_int8, load_int8
from emosllm.models.checkpoints.locations import is_hub_name, locate
from emosllm.models.encoders.families import FAMILIES, cut_layers, cut_weights, depth, family
from emosllm.models.heads import ClassHead
from emosllm.models.llms.gguf import load_gguf_config, load_gguf_llm, load_gguf_tokenizer
from emosllm.models.mappers.linear import LinearMapper
from emosllm.models.published.layout import Layout, Part, load_part
from emosllm.models.published.registry import find_layout
from emosllm.recipe_parts import Layers
from emosllm.remote_code import refuse_code, refuse_kernels

for _family in FAMILIES.values():
    if _family.module is not None:
        import_module(f"emosllm.models.encoders.{_family.module}").register()


def load_config(reference: str, part: Part, file: str | None = None) -> PreTrainedConfig:
    """Load the config of a model's encoder or LLM: from a folder, the shapes in the package, or the hub.

    Args:
        reference: the model.
        part: the part of the model.
        file: the GGUF file of an LLM that is stored in one.

    Raises:
        UserError: the config is not found.
    """
    if file is not None:
        return load_gguf_config(reference, file)
    shape = files("emosllm.models") / "shapes" / f"{reference.replace('/', '--')}.json"
    if not Path(locate(reference)).is_dir() and shape.is_file():
        values = json.loads(shape.read_text(encoding="utf-8"))
        return config_of(values if "model_type" in values else _part_of(values, part, reference))
    if found := find_layout(locate(reference)):
        folder, layout = found
        return config_of(_part_of(layout.configs(folder), part, reference))
    return _load(AutoConfig, reference)


def config_of(values: dict[str, Any]) -> PreTrainedConfig:
    """Create a backbone's config from plain values that include `model_type`."""
    config = AutoConfig.for_model(**values)
    refuse_kernels(config, values["model_type"])
    return config


def new_encoder(config: PreTrainedConfig, dtype: torch.dtype = torch.float32) -> PreTrainedModel:
    """Create an encoder with new weights; of Whisper only the encoder half."""
    family(config)
    if config.model_type == "whisper":
        return WhisperEncoder(config).to(dtype)
    return AutoModel.from_config(config, dtype=dtype, trust_remote_code=False)


def new_llm(config: PreTrainedConfig, dtype: torch.dtype = torch.float32) -> PreTrainedModel:
    """Create a causal LM with new weights."""
    return AutoModelForCausalLM.from_config(config, dtype=dtype, trust_remote_code=False)


def load_encoder(reference: str, dtype: torch.dtype = torch.float32, layers: Layers = "last") -> PreTrainedModel:
    """Load a speech encoder with its published weights; of Whisper only the encoder half.

    Args:
        reference: hub id, folder or builtin.
        dtype: of the weights.
        layers: the layers that are read; modules after the deepest one are not loaded.

    Raises:
        UserError: the encoder is not available, or does not have so many layers.
    """
    if found := find_layout(locate(reference)):
        folder, layout = found
        whole = config_of(_part_of(layout.configs(folder), "encoder", reference))
        with no_init_weights():
            encoder = new_encoder(cut_layers(whole, layers), dtype)
        cut_weights(encoder, layers)
        load_part(folder, layout, "encoder", encoder, _unread(whole, encoder))
        return encoder.eval()
    whole = _load(AutoConfig, reference)
    shorter = cut_layers(whole, layers)
    if is_int8(path := Path(locate(reference)) / WEIGHTS):
        encoder = new_encoder(shorter, dtype)
        cut_weights(encoder, layers)
        return load_int8(path, encoder, _unread(whole, encoder))
    # A Whisper encoder that was saved without the decoder has other names for its weights.
    kind = WhisperEncoder if whole.architectures == [WhisperEncoder.__name__] else AutoModel
    with _without_load_report(whole, shorter):
        model = _load(kind, reference, dtype=dtype, use_safetensors=True, config=shorter)
    encoder = model.encoder if model.config.model_type == "whisper" and kind is AutoModel else model
    cut_weights(encoder, layers)
    return encoder


def _unread(whole: PreTrainedConfig, encoder: PreTrainedModel) -> set[str]:
    """Names of the weights that the whole encoder has and the shortened one does not."""
    with torch.device("meta"):
        return set(new_encoder(whole).state_dict()) - set(encoder.state_dict())


@contextmanager
def _without_load_report(whole: PreTrainedConfig, shorter: PreTrainedConfig) -> Iterator[None]:
    """Suppress transformers' report of the weights that a shortened encoder leaves out on purpose."""
    if depth(whole) == depth(shorter):
        yield
        return
    with torch.device("meta"):
        built = new_encoder(shorter)
        unread = _unread(whole, built)
    kinds = {AutoModel._model_mapping[type(whole)], type(built)}
    kept = {kind: kind._keys_to_ignore_on_load_unexpected for kind in kinds}
    for kind, before in kept.items():
        kind._keys_to_ignore_on_load_unexpected = [*(before or ()), *(rf"(^|\.){re.escape(name)}$" for name in unread)]
    try:
        yield
    finally:
        for kind, before in kept.items():
            kind._keys_to_ignore_on_load_unexpected = before


def load_llm(reference: str, dtype: torch.dtype = torch.float32, file: str | None = None) -> PreTrainedModel:
    """Load a causal LM with its published weights; from a GGUF file where `file` names one."""
    if file is not None:
        with _hide_progress_bars():
            return load_gguf_llm(reference, file, dtype)
    if found := find_layout(locate(reference)):
        folder, layout = found
        with no_init_weights():
            llm = new_llm(config_of(_part_of(layout.configs(folder), "llm", reference)), dtype)
        load_part(folder, layout, "llm", llm)
        llm.tie_weights()
        return llm.eval()
    config = _load(AutoConfig, reference, needed=AutoModelForCausalLM)
    if is_int8(path := Path(locate(reference)) / WEIGHTS):
        return load_int8(path, new_llm(config, dtype))
    return _load(AutoModelForCausalLM, reference, dtype=dtype, use_safetensors=True, config=config)


def load_mapper(reference: str, mapper: LinearMapper) -> None:
    """Copy a published mapper's weights into a mapper; if it has an adapter, into the layer under the adapter.

    Raises:
        UserError: the model has no mapper, or a mapper of another shape.
    """
    folder, layout = _published(reference, "mapper")
    output = mapper.output.get_base_layer() if isinstance(mapper.output, BaseTunerLayer) else mapper.output
    theirs = LinearMapper(output.in_features, output.out_features, ends=mapper.ends is not None)
    load_part(folder, layout, "mapper", theirs)
    output.load_state_dict(theirs.output.state_dict())
    if mapper.ends is not None and theirs.ends is not None:
        mapper.ends.data.copy_(theirs.ends.data)


def load_head(reference: str, head: ClassHead, names: Sequence[str]) -> None:
    """Copy a published classifier's weights into a head, matching classes by name.

    Args:
        reference: the model with the classifier.
        head: a linear layer on the mean of the frames.
        names: the classes of `head`, in order.

    Raises:
        UserError: the model has no classifier, or its classifier lacks some of the classes.
    """
    folder, layout = _published(reference, "head")
    shape = _part_of(layout.configs(folder), "head", reference)
    missing = [name for name in names if name not in shape["names"]]
    if missing:
        known = ", ".join(name for name in shape["names"] if name)
        raise UserError(f"{reference}: its head has no class {', '.join(missing)}; it has {known}; choose such labels")
    theirs = nn.ModuleDict({"output": nn.Linear(shape["width"], len(shape["names"]))})
    load_part(folder, layout, "head", theirs)
    rows = [shape["names"].index(name) for name in names]
    head.output.load_state_dict({key: tensor[rows] for key, tensor in theirs["output"].state_dict().items()})


def load_feature_extractor(reference: str) -> FeatureExtractionMixin:
    """Load the feature extractor that converts samples to the encoder's input."""
    found = find_layout(locate(reference))
    if found and found[1].feature_extractor:
        return found[1].feature_extractor(found[0])
    return _load(AutoFeatureExtractor, reference)


def load_tokenizer(reference: str, file: str | None = None) -> PreTrainedTokenizerBase:
    """Load the LLM's tokenizer; from a GGUF file where `file` names one."""
    if file is not None:
        return load_gguf_tokenizer(reference, file)
    found = find_layout(locate(reference))
    if found and found[1].tokenizer:
        return found[1].tokenizer(found[0])
    return _load(AutoTokenizer, reference)


def _published(reference: str, part: Part) -> tuple[Path, Layout]:
    """The folder and layout of a published model that contains the given part."""
    found = find_layout(locate(reference))
    if found is None:
        raise UserError(f"{reference}: this model has no {part} of its own; {_remedy(reference)}")
    _part_of(found[1].configs(found[0]), part, reference)
    return found


def _part_of(parts: Any, part: Part, reference: str) -> dict[str, Any]:
    if part not in parts:
        raise UserError(f"{reference} has no {part}; it has {', '.join(parts)}")
    return dict(parts[part])


def _load(kind: Any, reference: str, needed: Any = None, **options: Any) -> Any:
    """Call `from_pretrained` of an Auto class; an error becomes a `UserError` with a remedy.

    `needed` is the class that the error names, if it is another one.
    """
    place = locate(reference)
    try:
        with _hide_progress_bars():
            loaded = kind.from_pretrained(place, trust_remote_code=False, **options)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:  # the last two of a malformed auto_map
        refuse_code(error, reference)
        what = (needed or kind).__name__.removeprefix("Auto")
        reason = shorten(str(error), 160, placeholder=" …")
        raise UserError(f"{reference}: no {what} there ({reason}); {_remedy(reference)}") from None
    if isinstance(loaded, PreTrainedConfig):
        refuse_kernels(loaded, reference)
    return loaded


@contextmanager
def _hide_progress_bars() -> Iterator[None]:
    """Hide transformers' progress bars of loaded weights; keep those of downloads and the user's own settings."""
    if not logging.is_progress_bar_enabled():
        yield
        return
    downloads = not are_progress_bars_disabled()
    logging.disable_progress_bar()  # this also disables the hub's bars
    try:
        if downloads:
            enable_progress_bars()
        yield
    finally:
        with catch_warnings():  # the hub warns where its environment variable forbids the change
            simplefilter("ignore")
            logging.enable_progress_bar()
        if not downloads:
            disable_progress_bars()


def _remedy(reference: str) -> str:
    fetch = f", or fetch it once with `hf download {reference}`" if is_hub_name(reference) else ""
    return f"give a folder that has one{fetch}"
