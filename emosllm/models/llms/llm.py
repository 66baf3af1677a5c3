"""Operations on a causal LM of transformers: read a shared prefix once, read rows after it, score some positions.

The output layer runs only on gathered positions, `[N, D]`. Most positions hold no answer, and for three-dimensional
input PyTorch may copy a weight of 128k rows for each sample.
"""

import torch
from torch import Tensor, nn
from transformers import PreTrainedConfig, PreTrainedModel
from transformers.cache_utils import Cache, DynamicCache

from emosllm.errors import UserError
from emosllm.models.kernels.grouped_attention import group_heads
from emosllm.models.kernels.last_layer import restrict_last_layer, wanted_positions


def prepare(llm: PreTrainedModel) -> None:
    """Install the faster computations of a causal LM, in place; the results do not change.

    The input of the output layer is made contiguous. transformers passes the last position as a three-dimensional
    slice. PyTorch then copies the weight, half a gigabyte for 128,256 tokens, for every token that is generated.
    """
    llm.get_output_embeddings().register_forward_pre_hook(_make_contiguous)
    group_heads(llm)
    restrict_last_layer(llm)


def _make_contiguous(_: nn.Module, inputs: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    hidden, *rest = inputs
    return hidden.reshape(-1, hidden.shape[-1]).contiguous().view(hidden.shape), *rest


def read_prefix(llm: PreTrainedModel, prefix: Tensor) -> Cache:
    """Keys and values of the prefix that all rows of a batch share.

    Args:
        llm: a causal LM.
        prefix: `[P]` token ids, P > 0.

    Returns:
        A cache for one row; gradients flow through it where the LLM is trained.
    """
    cache = DynamicCache()  # without a config every layer keeps all positions: the mask applies sliding windows
    with wanted_positions(torch.zeros_like(prefix[None], dtype=torch.bool)):
        return llm.get_decoder()(input_ids=prefix[None], past_key_values=cache, use_cache=True).past_key_values


def repeat_cache(cache: Cache, rows: int) -> Cache:
    """A one-row cache expanded to `rows` rows; the original is not changed, and memory is shared until it grows."""
    pairs = [(layer.keys.expand(rows, -1, -1, -1), layer.values.expand(rows, -1, -1, -1)) for layer in cache.layers]
    return DynamicCache(pairs)


def shift_cache(cache: Cache, padding: Tensor) -> Cache:
    """A one-row cache shifted right by the padding of each row, cut to the first P positions.

    The states at padding positions are not valid; the attention mask hides them.

    Args:
        cache: of one row, P positions.
        padding: `[B]`, number of padding positions before each row.
    """
    places = torch.arange(cache.get_seq_length(), device=padding.device)
    order = (places - padding[:, None]).clamp(min=0)  # [B, P]
    pairs = [
        tuple(states[0][:, order].transpose(0, 1) for states in (layer.keys, layer.values)) for layer in cache.layers
    ]
    return DynamicCache(pairs)


def select_rows(cache: Cache, rows: Tensor, past: Tensor) -> tuple[Cache, Tensor]:
    """A new cache with the given rows of a cache, repeated or reordered; the original is not changed.

    The padding of a row is moved to its front. Between cached and later tokens it would increase their distance, which
    sliding windows depend on.

    Args:
        cache: of B rows.
        rows: `[R]`, indices of the rows.
        past: `[B, P]` mask of the cached positions.

    Returns:
        The cache of R rows and its mask `[R, P]`.
    """
    order = padding_first(past)[rows]  # [R, P]
    pairs = [
        tuple(states[rows[:, None], :, order].transpose(1, 2) for states in (layer.keys, layer.values))
        for layer in cache.layers
    ]
    return DynamicCache(pairs), past[rows].gather(1, order)


def padding_first(mask: Tensor) -> Tensor:
    """The order `[B, L]` of positions that puts each row's padding first and keeps the order of its tokens."""
    return mask.argsort(dim=-1, stable=True)


def most_positions(config: PreTrainedConfig) -> int | None:
    """The largest number of tokens that an LLM of this config reads; `None` where it has no limit."""
    return getattr(config.get_text_config(), "max_position_embeddings", None)


def pad_left(embeddings: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
    """Convert right-padded rows `[B, L, D]` and their mask `[B, L]` to left padding, which generation requires."""
    order = padding_first(mask)
    return embeddings.gather(1, order[..., None].expand_as(embeddings)), mask.gather(1, order)


def check_positions(llm: PreTrainedModel, tokens: int) -> None:
    """Refuse rows that are longer than the LLM's number of positions: its output for them would be invalid.

    Args:
        llm: a causal LM.
        tokens: length of the longest row, including the tokens to generate.

    Raises:
        UserError: the LLM has fewer positions.
    """
    positions = most_positions(llm.config)
    if positions is not None and tokens > positions:
        raise UserError(
            f"a row of {tokens} tokens, and the {llm.config.model_type} in use reads at most {positions}; "
            "give shorter recordings, fewer examples or a shorter answer"
        )


def read_rows(
    llm: PreTrainedModel,
    embeddings: Tensor,
    mask: Tensor,
    cache: Cache | None,
    past: Tensor | None = None,
    wanted: Tensor | None = None,
) -> tuple[Tensor, Cache | None]:
    """Hidden states of rows that continue a cache.

    Args:
        llm: a causal LM.
        embeddings: `[B, L, D]`, padded on the right.
        mask: `[B, L]`, 1 where there is a token and not padding.
        cache: keys and values of the tokens before each row (`[B, H, P, D_h]` a layer), or `None`. It grows in place.
        past: `[B, P]` mask of the cached positions; `None` where all of them are tokens.
        wanted: `[B, L]` bool, the positions whose hidden states will be read; the others are not valid. By default
            all positions.

    Returns:
        Hidden states `[B, L, D]` and the grown cache.

    Raises:
        UserError: the rows are longer than the LLM's number of positions.
    """
    check_positions(llm, mask.shape[-1] + (0 if cache is None else cache.get_seq_length()))
    positions = (mask.cumsum(-1) - 1).clamp(min=0)
    if cache is not None:
        past = mask.new_ones(len(mask), cache.get_seq_length()) if past is None else past
        positions, mask = past.sum(-1, keepdim=True) + positions, torch.cat([past, mask], dim=-1)
    # With activation checkpointing, layers run again in the backward pass, outside of `wanted_positions`.
    recomputed = llm.training and llm.is_activation_checkpointing
    with wanted_positions(None if recomputed else wanted):
        output = llm.get_decoder()(
            inputs_embeds=embeddings,
            attention_mask=mask,
            position_ids=positions,
            past_key_values=cache,
            use_cache=cache is not None,
        )
    return output.last_hidden_state, output.past_key_values


def output_logits(llm: PreTrainedModel, hidden: Tensor, only: Tensor | None = None) -> Tensor:
    """Logits of the output layer, with the scaling that some families apply after it, in float32.

    Args:
        llm: a causal LM.
        hidden: `[N, D]`, gathered positions.
        only: `[V']`, ids of the tokens to compute; by default all V. Nine rows of the weight cost far less than
            128,256.

    Returns:
        `[N, V]`, or `[N, V']`.
    """
    assert hidden.dim() == 2, hidden.shape
    config, layer = llm.config.get_text_config(), llm.get_output_embeddings()
    if only is None or type(layer) is not nn.Linear:  # an adapter around the layer has its own forward
        logits = layer(hidden) if only is None else layer(hidden)[:, only]
    else:
        logits = nn.functional.linear(hidden, layer.weight[only], None if layer.bias is None else layer.bias[only])
    if getattr(config, "logits_scaling", None):  # Granite
        logits = logits / config.logits_scaling
    if getattr(config, "logit_scale", None):  # Cohere
        logits = logits * config.logit_scale
    if getattr(config, "final_logit_softcapping", None):  # Gemma 2 and later
        logits = torch.tanh(logits / config.final_logit_softcapping) * config.final_logit_softcapping
    return logits.float()
