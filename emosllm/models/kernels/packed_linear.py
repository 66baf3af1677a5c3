"""Linear layers with weights packed once into oneDNN's layout, for inference on a CPU.

PyTorch repacks bfloat16 weights in every product. For the hundred rows of one clip this takes a third of the time
(2048 x 8192 on two cores with AMX: 4.0 ms, and 2.8 ms with packed weights; no difference from 400 rows on).

The operators belong to torch's compiler and have no public name. Where they are missing, layers are not changed. Packed
layers have no gradients and cannot be moved to another device.
"""

import ctypes
import sys
from typing import Any

import torch
from torch import Tensor, nn

from emosllm.models.llms.lora import lora_layers

_ROWS = 128  # oneDNN packs for this number of rows; with weights packed for one row, many rows take half as long again


class PackedLinear(nn.Module):
    """A frozen linear layer with its weight in oneDNN's own layout.

    Args:
        layer: the layer that it replaces; bfloat16, on a CPU.
    """

    def __init__(self, layer: nn.Linear) -> None:
        super().__init__()
        self.in_features, self.out_features = layer.in_features, layer.out_features
        self.bias = layer.bias
        self._weight: Tensor = torch.ops.mkldnn._reorder_linear_weight(layer.weight.detach(), _ROWS)

    def forward(self, inputs: Tensor) -> Tensor:
        """`[..., in_features]` to `[..., out_features]`."""
        product: Tensor = torch.ops.mkldnn._linear_pointwise(inputs, self._weight, self.bias, "none", [], "")
        return product

    def _save_to_state_dict(self, destination: dict[str, Any], prefix: str, keep_vars: bool) -> None:
        """Save the weight in its original layout, so that checkpoints and the names of cached frames do not change."""
        super()._save_to_state_dict(destination, prefix, keep_vars)
        destination[f"{prefix}weight"] = self._weight.to_dense()

    def extra_repr(self) -> str:
        """As `nn.Linear`."""
        return f"in_features={self.in_features}, out_features={self.out_features}, bias={self.bias is not None}"


def pack_linears(model: nn.Module) -> int:
    """Pack the linear layers of a frozen model in place.

    Args:
        model: an encoder, or the layers of an LLM; adapters must be merged.

    Returns:
        Number of packed layers; 0 where the CPU or this version of torch does not support it.
    """
    if not _is_supported():
        return 0
    assert all(layer.merged for layer in lora_layers(model)), "adapters that are not merged would be lost"
    packed = 0
    for module in list(model.modules()):
        for name, layer in list(module.named_children()):
            if type(layer) is nn.Linear and layer.weight.dtype == torch.bfloat16 and layer.weight.device.type == "cpu":
                setattr(module, name, PackedLinear(layer))
                packed += 1
    _free_memory()
    return packed


def _free_memory() -> None:
    """Return freed memory to the operating system: glibc would keep a quarter of a system's size of old weights."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None) if sys.platform == "linux" else None
    if trim is not None:
        trim(0)


def _is_supported() -> bool:
    """Whether oneDNN supports bfloat16 on this CPU, and torch has the operators that pack weights."""
    operators = torch.ops.mkldnn
    known = hasattr(operators, "_reorder_linear_weight") and hasattr(operators, "_linear_pointwise")
    return known and torch.backends.mkldnn.is_available() and bool(operators._is_mkldnn_bf16_supported())
