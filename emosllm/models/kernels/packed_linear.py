"""Linear layers laid out once as oneDNN multiplies them, for a system on a CPU that is only asked.

Left as they are, PyTorch lays bfloat16 weights out anew in every product, which for the hundred rows of one clip takes
a third of it (2048 x 8192 on two cores with AMX: 4.0 ms, and 2.8 laid out; from 400 rows on no difference). The
operators are those of torch's own compiler, which has no public name for them: where they are missing, layers stay as
they are. Given up: gradients, and other devices from then on.
"""

import ctypes
import sys
from typing import Any

import torch
from torch import Tensor, nn

from emosllm.models.llms.lora import lora_layers

_ROWS = 128  # for which oneDNN is to choose; laid out for one row, many take half as long again


class PackedLinear(nn.Module):
    """A frozen linear layer with its weight in oneDNN's own layout.

    Args:
        layer: what it stands for; bfloat16, on a CPU.
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
        """The weight as it was, so that checkpoints and the names of kept frames stay what they are."""
        super()._save_to_state_dict(destination, prefix, keep_vars)
        destination[f"{prefix}weight"] = self._weight.to_dense()

    def extra_repr(self) -> str:
        """As `nn.Linear`."""
        return f"in_features={self.in_features}, out_features={self.out_features}, bias={self.bias is not None}"


def pack_linears(model: nn.Module) -> int:
    """Lay out a frozen model's linear layers.

    Args:
        model: layers of an LLM, whose adapters, if it has any, are merged, or an encoder.

    Returns:
        How many; 0 where this machine or torch has no use for it.
    """
    if not _of_use():
        return 0
    assert all(layer.merged for layer in lora_layers(model)), "adapters that are not merged would be lost"
    packed = 0
    for module in list(model.modules()):
        for name, layer in list(module.named_children()):
            if type(layer) is nn.Linear and layer.weight.dtype == torch.bfloat16 and layer.weight.device.type == "cpu":
                setattr(module, name, PackedLinear(layer))
                packed += 1
    _give_back()
    return packed


def _give_back() -> None:
    """Return to the system what was freed: glibc would keep a quarter of a system's size, of weights as they were."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None) if sys.platform == "linux" else None
    if trim is not None:
        trim(0)


def _of_use() -> bool:
    """Whether oneDNN multiplies bfloat16 here, and torch lets its layout be chosen."""
    operators = torch.ops.mkldnn
    known = hasattr(operators, "_reorder_linear_weight") and hasattr(operators, "_linear_pointwise")
    return known and torch.backends.mkldnn.is_available() and bool(operators._is_mkldnn_bf16_supported())
