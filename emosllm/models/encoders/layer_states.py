"""The hidden states of an encoder's layers, collected while it runs: what enters the first layer, what each gives.

transformers can collect them too, but gives the last one with the final norm for some encoders and without it for
others. Here none has it.
"""

from collections.abc import Callable, Sequence
from contextvars import ContextVar
from typing import Any

import torch
from torch import Tensor, nn

#: The hidden states of the call under way, in order; `None` where nobody collects them.
_COLLECTED: ContextVar[list[Tensor] | None] = ContextVar("collected", default=None)


def watch(layers: Sequence[nn.Module]) -> None:
    """Have layers, first to last, give their states to whoever collects."""
    layers[0].register_forward_pre_hook(_entered, with_kwargs=True)
    for layer in layers:
        layer.register_forward_hook(_left)


def collect(run: Callable[[], Tensor], numbers: Sequence[int]) -> Tensor:
    """Chosen states of the watched layers of one call.

    Args:
        run: calls the encoder; gives its last hidden state `[A, N, D]`.
        numbers: which; 0 is what enters the first layer.

    Returns:
        `[A, N, S, D]`, S as many as `numbers`.
    """
    states: list[Tensor] = []
    token = _COLLECTED.set(states)
    try:
        N = run().shape[1]
    finally:
        _COLLECTED.reset(token)
    # Some encoders have extra tokens in front of the frames.
    return torch.stack([states[number][:, -N:] for number in numbers], dim=2)


def _entered(_: nn.Module, inputs: tuple[Any, ...], named: dict[str, Any]) -> None:
    _keep(inputs[0] if inputs else named["hidden_states"])


def _left(_: nn.Module, __: tuple[Any, ...], output: Any) -> None:
    _keep(output[0] if isinstance(output, tuple) else output)


def _keep(state: Tensor) -> None:
    states = _COLLECTED.get()
    if states is not None:
        states.append(state)
