"""Save and load models: trained weights and the recipe, with backbones by name or included. safetensors only.

A missing or unexpected key, or one of another shape, is an error and not a warning. transformers' own loader would
initialise missing backbones with new weights and warn; this one loads them by the names in the recipe.
"""

import copy
import json
from collections.abc import Mapping
from pathlib import Path
from textwrap import shorten
from typing import Any, Self

import torch
from huggingface_hub import create_repo, save_torch_state_dict, upload_folder
from huggingface_hub.errors import StrictDataclassError
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn
from transformers import AutoConfig, PreTrainedConfig, PreTrainedModel
from transformers.initialization import no_init_weights

from emosllm.errors import UserError
from emosllm.models.backbones import (
    config_of,
    load_encoder,
    load_head,
    load_llm,
    load_mapper,
    new_encoder,
    new_llm,
)
from emosllm.models.checkpoints.base_weights import fingerprint, warn_of_different_weights
from emosllm.models.checkpoints.config import SpeechLLMConfig
from emosllm.models.checkpoints.hub import fetch_checkpoint
from emosllm.models.checkpoints.int8_weights import is_int8, read_int8
from emosllm.models.encoders.hidden_states import HiddenStates
from emosllm.models.llms.lora import lora_layers
from emosllm.recipe import Recipe, parse
from emosllm.remote_code import refuse_code, refuse_kernels

_INDEX = "model.safetensors.index.json"
# Options of transformers' `push_to_hub` that the hub's functions accept.
_CREATE = ("private", "token")
_UPLOAD = ("revision", "token", "commit_message", "commit_description", "create_pr")


def write_weights(folder: Path, tensors: Mapping[str, Tensor], max_shard_size: int | str) -> None:
    """Save tensors as `model.safetensors`, in shards if they are large; weights shared by two names are stored once."""
    contiguous = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    save_torch_state_dict(contiguous, folder, max_shard_size=max_shard_size, metadata={"format": "pt"})


def read_weights(folder: Path) -> dict[str, Tensor]:
    """Read all tensors of a checkpoint.

    Raises:
        UserError: there are none, or a file is truncated or has another format.
    """
    names = ["model.safetensors"]
    try:
        if (folder / _INDEX).is_file():
            index = json.loads((folder / _INDEX).read_text(encoding="utf-8"))
            names = sorted(set(index["weight_map"].values()))
        tensors: dict[str, Tensor] = {}
        for name in names:
            tensors |= read_int8(folder / name) if is_int8(folder / name) else load_file(folder / name)
    except FileNotFoundError:
        raise UserError(
            f"{folder}: {name} is missing, so the checkpoint is not complete; fetch or save it again"
        ) from None
    except (SafetensorError, json.JSONDecodeError, KeyError) as error:
        reason = " ".join(str(error).split())
        raise UserError(
            f"{folder}: the weights cannot be read ({reason}); fetch or save the checkpoint again"
        ) from None
    return tensors


def load_weights_into(model: nn.Module, tensors: Mapping[str, Tensor], expected: set[str], folder: Path) -> None:
    """Copy tensors into a model that expects exactly those names.

    Raises:
        UserError: names or shapes differ.
    """
    own = model.state_dict()
    missing, surplus = sorted(expected - set(tensors)), sorted(set(tensors) - expected)
    if missing or surplus:
        what = f"lacks {missing[0]}" if missing else f"has {surplus[0]}"
        more = len(missing) + len(surplus) - 1
        others = f" and {more} more differ" if more else ""
        raise UserError(f"{folder}: the weights do not match config.json: {what}{others}; fetch or save it again")
    for name, tensor in tensors.items():
        if own[name].shape != tensor.shape:
            shapes = f"{list(tensor.shape)}, expected {list(own[name].shape)}"
            raise UserError(
                f"{folder}: {name} has the shape {shapes}: a checkpoint of another model; fetch or save it again"
            )
    model.load_state_dict(dict(tensors), strict=False)


def read_config(folder: Path) -> SpeechLLMConfig:
    """Read the config of an emosllm checkpoint.

    Raises:
        UserError: the config cannot be read, or does not belong to an emosllm checkpoint.
    """
    try:
        config = AutoConfig.from_pretrained(folder, trust_remote_code=False)
    except (OSError, ValueError, StrictDataclassError) as error:
        refuse_code(error, folder)
        raise UserError(
            f"{folder}: config.json cannot be read ({_reason(error)}); fetch or save the checkpoint again"
        ) from None
    if not isinstance(config, SpeechLLMConfig):
        raise UserError(f"{folder}: a checkpoint of kind {config.model_type!r}, not one of emosllm")
    refuse_kernels(config, folder)
    return config


class CheckpointModel(PreTrainedModel):
    """A `PreTrainedModel` that saves only trained weights and loads the rest by its recipe."""

    config_class: type[SpeechLLMConfig] = SpeechLLMConfig

    @property
    def recipe(self) -> Recipe:
        """The resolved recipe."""
        return parse(self.config.recipe, "of the checkpoint")

    def trained_names(self) -> set[str]:
        """Names of the weights that belong to the system itself: adapters, and a mapper or head unless it is published.

        They include mixing weights and statistics of hidden states, which no published model contains.
        """
        recipe = self.recipe
        own = {"mapper", "head"} & (recipe.trained_parts | set(recipe.unpublished))
        kinds = (".lora_", ".hidden_states.")
        names = self.state_dict()
        return {name for name in names if name.partition(".")[0] in own or any(kind in name for kind in kinds)}

    @property
    def hidden_states(self) -> HiddenStates | None:
        """The module that converts hidden states to frames; `None` for a system without an encoder."""
        reader = getattr(self, "mapper", None) or getattr(self, "head", None)
        return None if reader is None else reader.hidden_states

    @classmethod
    def begin(cls, recipe: Recipe, dtype: torch.dtype) -> Self:
        """Create the recipe's system with its published weights; other weights are new.

        Args:
            recipe: the system.
            dtype: of the frozen backbones; trained weights have float32.

        Raises:
            UserError: a part is not available, or does not match the recipe.
        """
        parts: dict[str, PreTrainedModel] = {}
        if recipe.encoder is not None:
            parts["encoder"] = load_encoder(recipe.encoder.model, dtype, recipe.encoder.layers)
        if recipe.llm is not None:
            parts["llm"] = load_llm(recipe.llm.model, dtype, recipe.llm.file)
        shapes = {f"{name}_config": part.config.to_dict() for name, part in parts.items()}
        kept = {name: fingerprint(part) for name, part in parts.items()}  # before adapters change the names
        config = cls.config_class(recipe=recipe.model_dump(mode="json"), base_weights=kept, **shapes)
        model = cls(config, **parts)
        published = getattr(recipe.mapper, "model", None)
        if published is not None:
            load_mapper(published, model.mapper)
        if recipe.head is not None and recipe.head.model is not None:
            load_head(recipe.head.model, model.head, recipe.label_set.names)
        return model

    def save_pretrained(
        self,
        save_directory: str | Path,
        *,
        self_contained: bool = False,
        is_main_process: bool = True,
        push_to_hub: bool = False,
        max_shard_size: int | str = "5GB",
        state_dict: dict[str, Tensor] | None = None,
        **hub: Any,
    ) -> None:
        """Save the trained weights and the resolved recipe, with the backbones by name or included.

        Args:
            save_directory: a folder; created if it does not exist.
            self_contained: include the backbones' weights, so that loading needs no other files.
            is_main_process: whether this process writes.
            push_to_hub: upload the folder afterwards, to `repo_id`.
            max_shard_size: as in transformers.
            state_dict: weights to save instead of this model's weights.
            **hub: `repo_id`, `token`, `private`, `revision`, `commit_message`, `commit_description`, `create_pr`.

        Raises:
            UserError: `self_contained` with merged adapters, which loading would add again.
        """
        if not is_main_process:
            return
        if self_contained and any(layer.merged for layer in lora_layers(self)):
            raise UserError(
                f"{save_directory}: the adapters are merged; save before merge_lora, or load again and save"
            )
        folder = Path(save_directory)
        folder.mkdir(parents=True, exist_ok=True)
        state = self.state_dict() if state_dict is None else state_dict
        names = self._all_names() if self_contained else self.trained_names()
        config = copy.deepcopy(self.config)
        config.self_contained, config.architectures = self_contained, [type(self).__name__]
        config.save_pretrained(folder)
        write_weights(folder, {name: state[name] for name in names}, max_shard_size)
        if push_to_hub:
            repo = hub.pop("repo_id", folder.name)
            create_repo(repo, exist_ok=True, **_select(hub, *_CREATE))
            upload_folder(repo_id=repo, folder_path=folder, **_select(hub, *_UPLOAD))

    @classmethod
    def from_pretrained(
        cls, name: str | Path, *, config: SpeechLLMConfig | None = None, dtype: torch.dtype | None = None, **hub: Any
    ) -> Self:
        """Load a checkpoint, and the backbones that it names but does not include.

        Args:
            name: a folder or a hub id.
            config: used instead of the checkpoint's own.
            dtype: of the backbones; by default the recipe's precision. Trained weights have float32.
            **hub: `revision`, `token`, `cache_dir`, `local_files_only`, `force_download`.

        Raises:
            UserError: there is no such checkpoint, its weights do not match its config, or a backbone is not available.
        """
        folder = fetch_checkpoint(str(name), **hub)
        config = config or cls._own_config(folder)
        recipe = parse(config.recipe, f"of {folder}")
        dtype = dtype or getattr(torch, recipe.training.precision)
        if config.self_contained:
            new = {"encoder": new_encoder, "llm": new_llm}
            shapes = {name: getattr(config, f"{name}_config") for name in new if getattr(recipe, name) is not None}
            with no_init_weights():
                parts = {
                    name: new[name](cls._read_part(values or {}, f"{name}_config", folder), dtype)
                    for name, values in shapes.items()
                }
            model = cls(config, **parts)
        else:
            model = cls.begin(recipe, dtype)
            warn_of_different_weights(config.base_weights, model.config.base_weights, recipe, folder)
            model.config.base_weights = config.base_weights
        expected = model._all_names() if config.self_contained else model.trained_names()
        load_weights_into(model, read_weights(folder), expected, folder)
        model.tie_weights()
        return model.eval()

    @classmethod
    def _own_config(cls, folder: Path) -> SpeechLLMConfig:
        config = read_config(folder)
        if not isinstance(config, cls.config_class):
            raise UserError(f"{folder}: a checkpoint of kind {config.model_type!r}, not one of {cls.__name__}")
        return config

    @staticmethod
    def _read_part(values: Any, part: str, folder: Path) -> PreTrainedConfig:
        try:
            return config_of(values)
        except (ValueError, TypeError, StrictDataclassError) as error:
            raise UserError(
                f"{folder}: {part} in config.json cannot be read ({_reason(error)}); fetch or save the checkpoint again"
            ) from None

    def _all_names(self) -> set[str]:
        """Names of all weights, without those that are tied to another."""
        return set(self.state_dict()) - set(self.all_tied_weights_keys)


def _reason(error: Exception) -> str:
    inner = error.__cause__  # transformers wraps what its validators raise
    return shorten(str(inner if isinstance(inner, UserError) else error), 160, placeholder=" …")


def _select(options: Mapping[str, Any], *names: str) -> dict[str, Any]:
    return {name: options[name] for name in names if name in options}
