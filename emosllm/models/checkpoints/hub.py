"""Find a checkpoint by name, on disk or on the hub, and explain names that are not found."""

import json
from pathlib import Path
from typing import Any

from huggingface_hub import snapshot_download
from huggingface_hub.errors import (
    GatedRepoError,
    HfHubHTTPError,
    HFValidationError,
    LocalEntryNotFoundError,
    RepositoryNotFoundError,
)

from emosllm.errors import UserError, did_you_mean
from emosllm.models.checkpoints.locations import builtins
from emosllm.recipe import recipe_names

# Options of transformers' `from_pretrained` that the hub's function accepts.
_DOWNLOAD = ("revision", "token", "cache_dir", "local_files_only", "force_download")


def fetch_checkpoint(name: str, **hub: Any) -> Path:
    """The folder of a checkpoint: the named folder, or the cached files of a hub id.

    Raises:
        UserError: the name is neither a folder with a `config.json` nor an available hub id.
    """
    if Path(name).is_dir():
        if not (Path(name) / "config.json").is_file():
            raise UserError(
                f"{name}: no config.json in that folder, so it holds no checkpoint; a run keeps its in model/"
            )
        return Path(name)
    try:
        return Path(snapshot_download(name, **{key: hub[key] for key in _DOWNLOAD if key in hub}))
    except (HfHubHTTPError, HFValidationError, LocalEntryNotFoundError, OSError) as error:
        near = did_you_mean(name, {*recipe_names(), *systems()})
        raise UserError(
            f"{name}: no such folder, system or hub id{near}: trained systems here are "
            f"{', '.join(systems())}, recipes are {', '.join(recipe_names())}; {_hub_reason(name, error)}"
        ) from None


def systems() -> list[str]:
    """Names of the trained systems in the package; its other builtin models are parts of these."""
    kinds = {name: json.loads((folder / "config.json").read_text("utf-8")) for name, folder in builtins().items()}
    return [name for name, config in kinds.items() if "recipe" in config]


def _hub_reason(name: str, error: Exception) -> str:
    """Why a model on the hub is not available; the hub's own messages are long."""
    if isinstance(error, HFValidationError) or name.count("/") > 1:
        return "a run or a checkpoint is named by its folder"
    if isinstance(error, GatedRepoError):
        return "the hub asks you to accept its licence first, and to log in with `hf auth login`"
    if isinstance(error, RepositoryNotFoundError):
        return "the hub has none of that name"
    return f"if it is on the hub, fetch it once with `hf download {name}`"
