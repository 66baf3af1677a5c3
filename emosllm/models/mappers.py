"""Mappers from the encoder's frames to vectors in the LLM's embedding space."""

import torch
from torch import Tensor, nn

from emosllm.models.encoders.hidden_states import HiddenStates
from emosllm.models.transformer_layer import read
from emosllm.recipe_parts import MapperPart, QPMapperPart


class QPMapper(nn.Module):
    """Query pooling: a small transformer reads the frames and learned queries, and returns the outputs of the queries.

    The steps are the mean of each `pool` frames, `hidden_states`, a linear layer to the mapper's width (none where the
    widths are equal), concatenation of frames and queries, post-norm transformer encoder layers without position
    embeddings, and a linear layer from the queries' outputs to the LLM's width. Only the encoder's frames carry their
    order. Padding is masked, so the vectors of a clip do not depend on its batch.

    Source: Vallaeys et al. 2024, "Improved Baselines for Data-efficient Perceptual Augmentation of LLMs", section 3;
    sizes from EmoSLLM, section 3.1.

    Args:
        frame_width: D of the encoder's frames.
        llm_width: D of the LLM's input embeddings.
        queries: Q, number of output vectors.
        layers: transformer layers.
        heads: attention heads a layer.
        width: width of the mapper.
        feedforward: width of the feed-forward blocks.
        dropout: as in the reference, in attention, feed-forward and residual.
        pool: number of consecutive frames that are averaged; the reference has 1. Averaging comes first, because
            normalisation and mixing then cost a fraction. By stored statistics the frames are the same in both orders.
        hidden_states: converts the encoder's hidden states to frames; by default frames are not changed.
    """

    def __init__(
        self,
        frame_width: int,
        llm_width: int,
        *,
        queries: int = 32,
        layers: int = 2,
        heads: int = 8,
        width: int = 768,
        feedforward: int = 768,
        dropout: float = 0.1,
        pool: int = 1,
        hidden_states: HiddenStates | None = None,
    ) -> None:
        super().__init__()
        self.hidden_states = hidden_states or HiddenStates(frame_width)
        self.input = nn.Identity() if frame_width == width else nn.Linear(frame_width, width)
        self.queries = nn.Parameter(torch.empty(queries, width))
        self.pool = pool
        layer = nn.TransformerEncoderLayer(
            width, heads, feedforward, dropout, activation="gelu", layer_norm_eps=1e-4, batch_first=True
        )
        self.layers = nn.TransformerEncoder(layer, layers, enable_nested_tensor=False)
        self.output = nn.Linear(width, llm_width)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw queries from N(0, 1) and weight matrices Xavier-uniform (`nn.TransformerEncoder` copies one layer)."""
        nn.init.normal_(self.queries)
        for parameter in self.layers.parameters():
            if parameter.dim() > 1:
                nn.init.xavier_uniform_(parameter)

    def forward(self, frames: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """Pool the frames of each clip.

        Args:
            frames: `[A, N, D]`, or `[A, N, S, D]` where hidden states are mixed.
            mask: `[A, N]` bool, true where a frame is speech and not padding.

        Returns:
            `[A, Q, D_llm]`, and a mask `[A, Q]` that is true everywhere.
        """
        frames, mask = pooled(frames, mask, self.pool)
        frames = self.hidden_states(frames, mask)
        A, Q = len(frames), len(self.queries)
        sequence = torch.cat([self.input(frames), self.queries.expand(A, -1, -1)], dim=1)  # [A, N + Q, W]
        seen = torch.cat([mask, mask.new_ones(A, Q)], dim=1)
        *others, last = self.layers.layers
        for layer in others:
            sequence = read(layer, sequence, sequence, seen)
        # Only the queries' outputs of the last layer are used.
        queried = read(last, sequence[:, -Q:].contiguous(), sequence, seen)
        return self.output(queried), mask.new_ones(A, Q)


def pooled(frames: Tensor, mask: Tensor, by: int) -> tuple[Tensor, Tensor]:
    """The mean of each `by` consecutive frames, without padding frames.

    Args:
        frames: `[A, N, D]`, or `[A, N, S, D]` where hidden states are mixed.
        mask: `[A, N]` bool.
        by: number of frames in each mean.

    Returns:
        `[A, ceil(N / by), D]` or `[A, ceil(N / by), S, D]`, and their mask.
    """
    if by == 1:
        return frames, mask
    rest = -mask.shape[1] % by
    groups = nn.functional.pad(mask, (0, rest)).unflatten(1, (-1, by))  # [A, ceil(N / by), by]
    count = groups.sum(-1)
    shares = groups / count.clamp(min=1)[..., None]
    padded = nn.functional.pad(frames.flatten(2), (0, 0, 0, rest)).unflatten(1, (-1, by))
    means = (shares.to(frames.dtype)[..., None, :] @ padded).squeeze(-2)
    return means.unflatten(-1, frames.shape[2:]), count > 0


class LinearMapper(nn.Module):
    """One linear layer with one vector for each frame; with `ends`, learned vectors before and after them.

    Source: THAU-UPM (EmoSPeech 2024), Whisper-Gemma and Emo2Vec-Gemma; Qwen-Audio, with `ends`; Qwen2-Audio, without.

    Args:
        frame_width: D of the encoder's frames.
        llm_width: D of the LLM's input embeddings.
        ends: put a learned vector before and another after each clip's vectors.
        bias: whether the linear layer has a bias.
        hidden_states: converts the encoder's hidden states to frames; by default frames are not changed.
    """

    def __init__(
        self,
        frame_width: int,
        llm_width: int,
        *,
        ends: bool = False,
        bias: bool = True,
        hidden_states: HiddenStates | None = None,
    ) -> None:
        super().__init__()
        self.hidden_states = hidden_states or HiddenStates(frame_width)
        self.output = nn.Linear(frame_width, llm_width, bias=bias)
        self.ends = nn.Parameter(torch.empty(2, llm_width)) if ends else None
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw the linear layer as torch does, and the ends with a small deviation, like the embeddings beside them."""
        self.output.reset_parameters()
        if self.ends is not None:
            nn.init.normal_(self.ends, std=0.02)

    def forward(self, frames: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """Map the frames of each clip.

        Args:
            frames: `[A, N, D]`, or `[A, N, S, D]` where hidden states are mixed.
            mask: `[A, N]` bool, true where a frame is speech and not padding; padding comes last.

        Returns:
            vectors `[A, N, D_llm]` and their mask `[A, N]`; with ends `[A, N + 2, D_llm]` and `[A, N + 2]`, where the
            end vector comes directly after a clip's last frame.
        """
        vectors = self.output(self.hidden_states(frames, mask))
        if self.ends is None:
            return vectors, mask
        A, N, D = vectors.shape
        begin, blank = self.ends[0].expand(A, 1, D), vectors.new_zeros(A, 1, D)
        places = torch.arange(N + 2, device=mask.device)[None]  # [1, N + 2]
        last = mask.sum(-1, keepdim=True) + 1
        vectors = torch.where((places == last)[..., None], self.ends[1], torch.cat([begin, vectors, blank], dim=1))
        return vectors, places <= last


def new_mapper(
    part: MapperPart, frame_width: int, llm_width: int, hidden_states: HiddenStates | None = None
) -> QPMapper | LinearMapper:
    """Build the mapper of a recipe with newly initialised weights."""
    if isinstance(part, QPMapperPart):
        return QPMapper(frame_width, llm_width, hidden_states=hidden_states, **part.model_dump(exclude={"kind"}))
    return LinearMapper(frame_width, llm_width, ends=part.ends, hidden_states=hidden_states)
