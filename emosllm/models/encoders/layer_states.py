"""Collect the hidden states of an encoder with hooks: the input of the first layer and the output of each layer.

transformers collects them too, but its last state includes the final norm for some encoders and not for others. Here
no state includes it.
"""

from collections.abc import Callable, Sequence
from contextvars import ContextVar
from typing import Any

import torch
from torch import Tensor, nn

#: The hidden states of the current call, in order; `None` where they are not collected.
_COLLECTED: ContextVar[list[Tensor] | None] = ContextVar("collected", default=None)


def register_hooks(layers: Sequence[nn.Module]) -> None:
    """Register the hooks that collect states on layers, given in order."""
    layers[0].register_forward_pre_hook(_collect_input, with_kwargs=True)
    for layer in layers:
        layer.register_forward_hook(_collect_output)


def collect(run: Callable[[], Tensor], numbers: Sequence[int]) -> Tensor:
    """Run an encoder and return selected hidden states of the layers with hooks.

    Args:
        run: calls the encoder and returns its last hidden state `[A, N, D]`.
        numbers: S indices of states; 0 is the input of the first layer.

    Returns:
        `[A, N, S, D]`.
    """
    states: list[Tensor] = []
    token = _COLLECTED.set(states)
    try:
        N = run().shape[1]
    finally:
        _COLLECTED.reset(token)
    # Some encoders have extra tokens in front of the frames.
    return torch.stack([states[number][:, -N:] for number in numbers], dim=2)


def _collect_input(_: nn.Module, inputs: tuple[Any, ...], named: dict[str, Any]) -> None:
    _keep(inputs[0] if inputs else named["hidden_states"])


def _collect_output(_: nn.Module, __: tuple[Any, ...], output: Any) -> None:
    _keep(output[0] if isinstance(output, tuple) else output)


def _keep(state: Tensor) -> None:
    states = _COLLECTED.get()
    if states is not None:
        states.append(state)
