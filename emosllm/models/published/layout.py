"""A published checkpoint's layout, and the one way in which its tensors reach our parts: one by one, every key known.

A layout says where each tensor of a foreign checkpoint goes. Loading a part accepts nothing else: a key that nobody
knows, one that is missing and one of another shape each end in one line. Files are only read as data (safetensors, or
torch's with `weights_only`); no code that comes with a checkpoint is run.
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
#: A part, the tensor's name there, and what the part takes of it: a third of a fused one, or the same.
Place = tuple[Part, str, Callable[[Tensor], Tensor]]


@dataclass(frozen=True)
class Layout:
    """How one family of published checkpoints is laid out.

    Attributes:
        name: such as `emotion2vec`.
        recognises: whether a folder is one of these; looks at file names and config.json only.
        configs: the shape of each part as plain values: a transformers config with its `model_type` for encoder and
            llm, the keyword arguments of their shape for mapper and head.
        tensors: the original key of each of the folder's tensors, and what reads it from the disk, which nobody does
            that does not need it.
        place: where the tensor of a key goes in our parts, and what is made of it there: `[]` is known and not needed,
            `None` is known to nobody.
        tokenizer: reads the LLM's tokenizer where transformers can't.
        feature_extractor: gives the encoder's feature extractor, likewise.
    """

    name: str
    recognises: Callable[[Path], bool]
    configs: Callable[[Path], Mapping[Part, dict[str, Any]]]
    tensors: Callable[[Path], Iterator[tuple[str, Read]]]
    place: Callable[[str], list[Place] | None]
    tokenizer: Callable[[Path], PreTrainedTokenizerBase] | None = None
    feature_extractor: Callable[[Path], FeatureExtractionMixin] | None = None


def whole(tensor: Tensor) -> Tensor:
    """A tensor as it is."""
    return tensor


@torch.no_grad()
def load_part(folder: Path, layout: Layout, part: Part, module: nn.Module, unread: Collection[str] = ()) -> None:
    """Stream the tensors of one part of a checkpoint into a module, which is complete afterwards or unusable.

    The tensors of the other parts are known by their keys and not read: all parts together read a checkpoint once.

    Args:
        folder: of the checkpoint.
        layout: of it.
        part: which part.
        module: its shape.
        unread: names that the whole part has and this module, a shorter one, does not.

    Raises:
        UserError: the checkpoint lacks tensors of the part, holds some that nobody knows, or has other shapes.
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
                ours[name]._is_hf_initialized = True  # else a model that takes the module in would draw it anew
            missing.discard(name)
    faults = [
        f"{what} {_some(keys)}"
        for what, keys in (("lacks", sorted(missing)), ("has unknown", surplus), ("has misshapen", misshapen))
        if keys
    ]
    if faults:
        raise UserError(
            f"{folder}: no {layout.name} checkpoint of this shape for the {part}: it {'; it '.join(faults)}; "
            f"fetch the published files again, or name the model that they are of"
        )


def _some(keys: Iterable[str], most: int = 3) -> str:
    """The first few of many keys, and how many more there are."""
    keys = list(keys)
    more = f" and {len(keys) - most} more" if len(keys) > most else ""
    return ", ".join(keys[:most]) + more
