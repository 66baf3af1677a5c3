"""Detect silent copies by PyTorch of frozen weights that are multiplied with rows that are not contiguous."""

from typing import Any

import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode


class Spread(TorchDispatchMode):
    """List weights that are expanded over a new dimension, which copies them once for each index of it.

    Inference mode hides from it what a layer does; `torch.no_grad` does not.

    Args:
        model: whose weights, of two dimensions.
    """

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.weights = {
            parameter.untyped_storage().data_ptr() for parameter in model.parameters() if parameter.dim() == 2
        }
        self.found: list[tuple[int, ...]] = []

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        spreads = function is torch.ops.aten.expand.default and -1 not in args[1]  # with -1, its own queries
        if spreads and args[0].untyped_storage().data_ptr() in self.weights:
            self.found.append(tuple(args[1]))
        return function(*args, **kwargs or {})
