"""Store the weights of builtin models as int8 with one scale for each output channel; they are loaded as float32.

The metadata of the safetensors header mark such a file. A matrix NAME `[out, in]` is int8, and `NAME.scale` `[out]`
holds the factor of each row in float16. The largest weight of a row is 127. The error of a weight is at most .57 of the
scale: half a step, and the rounding of the scale itself. Norms, biases and convolution kernels are float16. The scheme
is that of Jacob et al. 2018 ("Quantization and Training of Neural Networks", section 2.1) with a zero point of 0.
"""

from collections.abc import Collection, Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor
from transformers import PreTrainedModel

from emosllm.errors import UserError
from emosllm.files import atomic_file
from emosllm.models.checkpoints.module_weights import load_all_weights

FORMAT = "int8-per-channel"
WEIGHTS = "model.safetensors"
_SCALE = ".scale"


def save_int8(model: PreTrainedModel, folder: Path) -> None:
    """Save an encoder or LLM to a folder: its config, and its weights in int8 and float16.

    Args:
        model: an encoder or LLM; tied weights are stored once.
        folder: created if it does not exist.
    """
    folder.mkdir(parents=True, exist_ok=True)
    model.config.save_pretrained(folder)
    tied = set(getattr(model, "all_tied_weights_keys", ()))
    write_int8(folder / WEIGHTS, {name: tensor for name, tensor in model.state_dict().items() if name not in tied})


def write_int8(path: Path, tensors: Mapping[str, Tensor]) -> None:
    """Store tensors in one file: matrices in int8, other floating point tensors in float16, integers unchanged."""
    stored: dict[str, Tensor] = {}
    for name, tensor in tensors.items():
        if tensor.dim() == 2 and tensor.is_floating_point():
            stored[name], stored[name + _SCALE] = _quantised(tensor.detach().float().cpu())
        else:
            kept = tensor.half() if tensor.is_floating_point() else tensor
            stored[name] = kept.detach().cpu().contiguous()
    with atomic_file(path) as temporary:
        save_file(stored, temporary, metadata={"format": FORMAT})


def is_int8(path: Path) -> bool:
    """Whether a safetensors file was written by `write_int8`; `False` where there is no file.

    Raises:
        UserError: the file is damaged.
    """
    if not path.is_file():
        return False
    try:
        with safe_open(path, "pt") as file:
            return (file.metadata() or {}).get("format") == FORMAT
    except (SafetensorError, OSError) as error:
        raise _damaged(path, error) from None


def read_int8(path: Path) -> dict[str, Tensor]:
    """Read the tensors of an int8 file, in float32 (integers unchanged).

    Raises:
        UserError: the file is damaged.
    """
    try:
        stored = load_file(path)
    except (SafetensorError, OSError) as error:
        raise _damaged(path, error) from None
    tensors = {}
    for name, tensor in stored.items():
        if name.endswith(_SCALE) and name.removesuffix(_SCALE) in stored:
            continue
        if tensor.dtype == torch.int8 and tensor.dim() == 2:
            scale = stored.get(name + _SCALE)
            if scale is None or scale.shape != tensor.shape[:1]:
                raise _damaged(path, f"{name} has no scale for each row")
            tensors[name] = tensor.float() * scale.float()[:, None]
        else:
            tensors[name] = tensor.float() if tensor.is_floating_point() else tensor
    return tensors


def load_int8(path: Path, model: PreTrainedModel, unread: Collection[str] = ()) -> PreTrainedModel:
    """Load an int8 file into a newly built model, in the model's dtype.

    Args:
        path: the file.
        model: the model of these weights.
        unread: names in the file that the model does not have.

    Raises:
        UserError: the file is damaged, or contains the weights of another model.
    """
    try:
        load_all_weights(model, {name: tensor for name, tensor in read_int8(path).items() if name not in unread})
    except RuntimeError as error:
        raise _damaged(path, error) from None
    return model.eval()


def _quantised(matrix: Tensor) -> tuple[Tensor, Tensor]:
    """Int8 `[out, in]` and scales `[out]` in float16; rows that are too small for float16 become zeros."""
    scale = (matrix.abs().amax(dim=1) / 127).half()
    scale = torch.where(scale == 0, torch.ones_like(scale), scale)
    return (matrix / scale.float()[:, None]).round().clamp(-127, 127).to(torch.int8), scale


def _damaged(path: Path, reason: object) -> UserError:
    what = " ".join(str(reason).split())[:160]
    return UserError(f"{path.parent}: the weights cannot be read ({what}); fetch or save the checkpoint again")
