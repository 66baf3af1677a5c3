"""Layouts of published checkpoints, and the function that loads their tensors into a part of a system.

A layout maps each tensor of a checkpoint to a part and a name. An unknown key, a missing key or another shape is an
error of one line. Files are read only as data (safetensors, or torch's format with `weights_only`). No code of a
checkpoint is run.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor, nn
from transformers import FeatureExtractionMixin, PreTrainedTokenizerBase

from emosllm.errors import UserError

Part = Literal["encoder", "mapper", "llm", "head"]


#: Reads one tensor from the disk.
Read = Callable[[], Tensor]
#: A part, the tensor's name in it, and a function that selects the part's share, such as a third of a fused tensor.
Place = tuple[Part, str, Callable[[Tensor], Tensor]]


@dataclass(frozen=True)
class Layout:
    """The layout of one family of published checkpoints.

    Attributes:
        name: such as `emotion2vec`.
        matches: whether a folder has this layout; reads only file names and small configuration files.
        configs: the shape of each part as plain values: a transformers config with its `model_type` for encoder and
            llm, keyword arguments of the shape for mapper and head.
        tensors: the original key of each tensor in the folder, and a function that reads it from the disk on demand.
        place: the parts and names that the tensor of a key is loaded into, with the conversion of its values; `[]` for
            a known key that is not needed, `None` for an unknown key.
        tokenizer: loads the LLM's tokenizer where transformers cannot.
        feature_extractor: creates the encoder's feature extractor where transformers cannot.
    """

    name: str
    matches: Callable[[Path], bool]
    configs: Callable[[Path], Mapping[Part, dict[str, Any]]]
    tensors: Callable[[Path], Iterator[tuple[str, Read]]]
    place: Callable[[str], list[Place] | None]
    tokenizer: Callable[[Path], PreTrainedTokenizerBase] | None = None
    feature_extractor: Callable[[Path], FeatureExtractionMixin] | None = None


def identity(tensor: Tensor) -> Tensor:
    """Return a tensor unchanged."""
    return tensor


@torch.no_grad()
def load_part(folder: Path, layout: Layout, part: Part, module: nn.Module, unread: Collection[str] = ()) -> None:
    """Load the tensors of one part of a checkpoint into a module, one at a time. After an error the module is unusable.

    Tensors of other parts are not read, so loading all parts reads a checkpoint once.

    Args:
        folder: of the checkpoint.
        layout: of the checkpoint.
        part: the part to load.
        module: a module with the shape of the part.
        unread: names in the whole part that a shortened module does not have.

    Raises:
        UserError: the checkpoint lacks tensors of the part, has unknown tensors, or has other shapes.
    """
    ours = module.state_dict(keep_vars=True)
    missing, surplus, misshapen = set(ours), [], []
    for key, read in layout.tensors(folder):
        places = layout.place(key)
        if places is None:
            surplus.append(key)
        here = [place for place in places or () if place[0] == part and place[1] not in unread]
        if not here:
            continue
        tensor = read()
        for _, name, taken_of in here:
            value = taken_of(tensor)
            if name not in ours:
                surplus.append(key)
            elif ours[name].shape != value.shape:
                misshapen.append(f"{key} {tuple(value.shape)} where {name} has {tuple(ours[name].shape)}")
            else:
                ours[name].copy_(value)
                ours[name]._is_hf_initialized = True  # otherwise a model that contains the module initialises it again
            missing.discard(name)
    faults = [
        f"{what} {_shorten_list(keys)}"
        for what, keys in (("lacks", sorted(missing)), ("has unknown", surplus), ("has misshapen", misshapen))
        if keys
    ]
    if faults:
        raise UserError(
            f"{folder}: no {layout.name} checkpoint of this shape for the {part}: it {'; it '.join(faults)}; "
            f"fetch the published files again, or name the model that they are of"
        )


def _shorten_list(keys: Iterable[str], most: int = 3) -> str:
    """The first keys of a list, and the number of the others."""
    keys = list(keys)
    more = f" and {len(keys) - most} more" if len(keys) > most else ""
    return ", ".join(keys[:most]) + more
