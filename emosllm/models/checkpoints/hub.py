"""A checkpoint by name: its folder, from the disk or the hub; and what a name may be that stands for none."""

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
from emosllm.recipe import names as recipe_names

# What the hub's function takes of what transformers passes on.
_DOWNLOAD = ("revision", "token", "cache_dir", "local_files_only", "force_download")


def fetch_checkpoint(name: str, **hub: Any) -> Path:
    """The folder of a checkpoint: itself, or a hub id's files in the local cache.

    Raises:
        UserError: neither a folder with a `config.json` nor a hub id that can be had.
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
            f"{name}: no such folder, system or hub id to be had{near}: trained systems here are "
            f"{', '.join(systems())}, recipes are {', '.join(recipe_names())}; {_hub_says(name, error)}"
        ) from None


def systems() -> list[str]:
    """The trained systems that come with the package; its other models are only parts of these."""
    kinds = {name: json.loads((folder / "config.json").read_text("utf-8")) for name, folder in builtins().items()}
    return [name for name, config in kinds.items() if "recipe" in config]


def _hub_says(name: str, error: Exception) -> str:
    """Why a hub's model can't be had, in a few words of ours; its own are long, and about itself."""
    if isinstance(error, HFValidationError) or name.count("/") > 1:
        return "a run or a checkpoint is named by its folder"
    if isinstance(error, GatedRepoError):
        return "the hub asks you to accept its licence first, and to log in with `hf auth login`"
    if isinstance(error, RepositoryNotFoundError):
        return "the hub has none of that name"
    return f"if it is on the hub, fetch it once with `hf download {name}`"
