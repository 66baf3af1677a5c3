"""The last layer only where its output is read: at answers in training, at a row's end when asked.

Nothing after its attention mixes positions, so what it would say of all others is never looked at. Its feed-forward
block is most of a layer (five sixths of Llama-3.2-1B's), so one of 16 layers nearly whole, and of the shared prefix, of
which only keys and values are wanted, all of it. Of its attention queries are spared, keys and values are not. Given
up: feed-forward blocks of another kind, mixtures of experts among them, which read everywhere.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from torch import Tensor, nn
from transformers import PreTrainedModel

#: `[B, L]` bool, where the hidden states of the call under way will be read; everywhere where nothing is said.
_WANTED: ContextVar[Tensor | None] = ContextVar("wanted", default=None)
#: The first position of any row that will be.
_FIRST: ContextVar[int] = ContextVar("first", default=0)


def skip_unread(llm: PreTrainedModel) -> None:
    """Have an LLM's last layer keep to what `reading_only` names."""
    layers = getattr(llm.get_decoder(), "layers", None)  # GPT-2's and Falcon's are called otherwise, and other blocks
    last = layers[-1] if isinstance(layers, nn.ModuleList) else None
    attention, block = getattr(last, "self_attn", None), getattr(last, "mlp", None)
    if isinstance(attention, nn.Module):
        attention.is_last = True  # type: ignore[assignment]  # a mark, and no part of it
    if isinstance(block, nn.Module) and hasattr(block, "down_proj"):
        block.register_forward_pre_hook(_gather)
        block.register_forward_hook(_scatter)


@contextmanager
def reading_only(wanted: Tensor | None) -> Iterator[None]:
    """Within it, hidden states of an LLM that was prepared mean something at `wanted` `[B, L]` alone."""
    first = 0 if wanted is None else int((~wanted.any(0)).cumprod(0).sum())
    tokens = _WANTED.set(wanted), _FIRST.set(first)
    try:
        yield
    finally:
        _WANTED.reset(tokens[0])
        _FIRST.reset(tokens[1])


def first_read(attention: nn.Module) -> int:
    """From which position on what an attention says is read; from the first on, if it is not the last layer's."""
    return _FIRST.get() if getattr(attention, "is_last", False) else 0


def _gather(_: nn.Module, inputs: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    wanted = _WANTED.get()
    return inputs if wanted is None or not inputs else (inputs[0][wanted], *inputs[1:])  # [N, D]


def _scatter(_: nn.Module, __: tuple[Tensor, ...], output: Tensor) -> Tensor:
    wanted = _WANTED.get()
    if wanted is None or output.dim() == wanted.dim() + 1:  # whoever names the argument has everything computed
        return output
    return output.new_zeros(*wanted.shape, output.shape[-1]).masked_scatter(wanted[..., None], output)
