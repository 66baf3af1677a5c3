"""Functions shared by layouts: read the tensors of a folder shard by shard, and rename them by rules.

Only safetensors, and torch's files with `weights_only`, are read. No code of a checkpoint is run.
"""

import json
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from emosllm.errors import UserError
from emosllm.models.published.layout import Part, Place, Read, identity

#: A pattern that a whole key must match, the part it belongs to, and its name there (`\\1` as in `re`).
Rule = tuple[str, Part, str]
_NAMES = ("model.safetensors", "pytorch_model.bin")


def read_config(folder: Path) -> dict[str, Any]:
    """Read a folder's `config.json`; an unreadable file gives an empty dict, which no layout matches."""
    try:
        values = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return values if isinstance(values, dict) else {}


def read_tensors(folder: Path) -> Iterator[tuple[str, Read]]:
    """Yield the key of every tensor in a folder, and a function that reads it, valid until the next iteration.

    Raises:
        UserError: there are no weights, a shard is missing, or a file is truncated or has another format.
    """
    for path in _files(folder):
        with _one_line_errors(path):
            shard = (safetensors if path.suffix == ".safetensors" else _pickled)(path)
            for key, read in shard:
                yield key, partial(_read, path, read)


def renamed(key: str, rules: Sequence[Rule]) -> list[Place] | None:
    """The place of a key's tensor by the first matching rule; `None` where no rule matches."""
    for pattern, part, name in rules:
        match = re.fullmatch(pattern, key)
        if match:
            return [(part, match.expand(name), identity)]
    return None


def safetensors(path: Path) -> Iterator[tuple[str, Read]]:
    """Yield the keys of one safetensors file, and functions that read a tensor, valid until the next iteration."""
    with safe_open(path, framework="pt") as shard:
        for key in shard.keys():  # noqa: SIM118 (not a dict)
            yield key, partial(shard.get_tensor, key)


def _read(path: Path, read: Read) -> Tensor:
    with _one_line_errors(path):
        return read()


@contextmanager
def _one_line_errors(path: Path) -> Iterator[None]:
    """Convert a library's error about a broken file to a `UserError` of one line."""
    try:
        yield
    except FileNotFoundError:
        raise UserError(f"{path} is missing, so the checkpoint is not complete; fetch it again") from None
    except (SafetensorError, UnpicklingError, EOFError, RuntimeError) as error:
        reason = " ".join(str(error).split())[:160]
        raise UserError(f"{path}: the weights cannot be read ({reason}); fetch the checkpoint again") from None


def _files(folder: Path) -> list[Path]:
    for name in _NAMES:
        index = folder / f"{name}.index.json"
        try:
            if index.is_file():
                return [
                    folder / shard for shard in sorted(set(json.loads(index.read_text("utf-8"))["weight_map"].values()))
                ]
        except (ValueError, KeyError, AttributeError):
            raise UserError(f"{index} cannot be read; fetch the checkpoint again") from None
        if (folder / name).is_file():
            return [folder / name]
    raise UserError(f"{folder}: no weights there ({' or '.join(_NAMES)}, whole or in shards); fetch the checkpoint")


def _pickled(path: Path) -> Iterator[tuple[str, Read]]:
    """Yield tensors of a file in torch's format, memory-mapped: their bytes are read only when they are copied."""
    for key, tensor in torch.load(path, map_location="cpu", weights_only=True, mmap=True).items():
        yield key, partial(identity, tensor)
