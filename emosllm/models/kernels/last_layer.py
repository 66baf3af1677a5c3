"""Compute an LLM's last layer only at the positions whose output is read.

These are the answer positions in training and the end of a row in inference. Nothing after the last layer's attention
mixes positions, so its output at all other positions has no effect.

The feed-forward block is most of a layer (five sixths in Llama-3.2-1B), so this saves nearly one of 16 layers. For the
shared prefix, of which only keys and values are needed, it saves the whole block. In attention it skips queries but
not keys and values. Other kinds of feed-forward blocks, such as mixtures of experts, are computed at all positions.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from torch import Tensor, nn
from transformers import PreTrainedModel

#: `[B, L]` bool, the positions whose hidden states will be read in the current call; `None` means all positions.
_WANTED: ContextVar[Tensor | None] = ContextVar("wanted", default=None)
#: The first position that will be read in any row.
_FIRST: ContextVar[int] = ContextVar("first", default=0)


def restrict_last_layer(llm: PreTrainedModel) -> None:
    """Make an LLM's last layer compute only the positions given to `wanted_positions`."""
    layers = getattr(llm.get_decoder(), "layers", None)  # GPT-2 and Falcon use another name, and other blocks
    last = layers[-1] if isinstance(layers, nn.ModuleList) else None
    attention, block = getattr(last, "self_attn", None), getattr(last, "mlp", None)
    if isinstance(attention, nn.Module):
        attention.is_last = True  # type: ignore[assignment]  # a marker, not a submodule
    if isinstance(block, nn.Module) and hasattr(block, "down_proj"):
        block.register_forward_pre_hook(_gather)
        block.register_forward_hook(_scatter)


@contextmanager
def wanted_positions(wanted: Tensor | None) -> Iterator[None]:
    """Inside this context, hidden states of a prepared LLM are valid only at the positions `wanted` `[B, L]`."""
    first = 0 if wanted is None else int((~wanted.any(0)).cumprod(0).sum())
    tokens = _WANTED.set(wanted), _FIRST.set(first)
    try:
        yield
    finally:
        _WANTED.reset(tokens[0])
        _FIRST.reset(tokens[1])


def first_wanted_position(attention: nn.Module) -> int:
    """The first position at which an attention module's output is read; 0 for modules of other layers than the last."""
    return _FIRST.get() if getattr(attention, "is_last", False) else 0


def _gather(_: nn.Module, inputs: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    wanted = _WANTED.get()
    return inputs if wanted is None or not inputs else (inputs[0][wanted], *inputs[1:])  # [N, D]


def _scatter(_: nn.Module, __: tuple[Tensor, ...], output: Tensor) -> Tensor:
    wanted = _WANTED.get()
    if wanted is None or output.dim() == wanted.dim() + 1:  # input passed by keyword was not gathered
        return output
    return output.new_zeros(*wanted.shape, output.shape[-1]).masked_scatter(wanted[..., None], output)
