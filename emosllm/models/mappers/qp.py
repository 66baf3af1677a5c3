"""Query pooling: a mapper with a small transformer that returns a fixed number of vectors."""

from collections.abc import Callable
from typing import Literal, Self

import torch
from pydantic import Field, model_validator
from torch import Tensor, nn

from emosllm.models.encoders.hidden_states import HiddenStates
from emosllm.models.mappers.mapper import Mapper
from emosllm.models.transformer_layer import forward_layer
from emosllm.prompting.audio_vectors import AudioVectors, Convolutions
from emosllm.recipe_parts import MapperPart

_FLOAT = 4  # bytes


class QPMapperPart(MapperPart):
    """Map any number of frames to a fixed number of vectors of the LLM's width (Vallaeys et al. 2024)."""

    kind: Literal["qp"] = "qp"
    queries: int = Field(32, ge=1, description="learned queries = audio vectors the LLM reads")
    layers: int = Field(2, ge=1)
    heads: int = Field(8, ge=1)
    width: int = Field(768, ge=1)
    feedforward: int = Field(768, ge=1, description="width of the feed-forward block")
    dropout: float = Field(0.1, ge=0, lt=1)
    pool: int = Field(1, ge=1, description="frames that are averaged to one before the transformer; published: 1")

    @model_validator(mode="after")
    def _heads_divide(self) -> Self:
        if self.width % self.heads:
            raise ValueError(f"mapper.width {self.width} is not a multiple of mapper.heads {self.heads}")
        return self


class QPMapper(Mapper[QPMapperPart]):
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

    part = QPMapperPart

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

    @classmethod
    def vectors(cls, part: QPMapperPart, convolutions: Callable[[], Convolutions]) -> AudioVectors:
        """One vector for each query."""
        return AudioVectors(fixed=part.queries)

    @classmethod
    def describe(cls, part: QPMapperPart) -> tuple[str, str]:
        """Name and size in words."""
        return part.kind, f"{part.queries} queries, {part.layers} layers of {part.width}"

    def activation_bytes(self, samples: int, frames: int, size: int) -> int:
        """Activations in bytes, for frames and queries: inputs, norms and attention."""
        places = samples * (-(-frames // self.pool) + len(self.queries))
        total = 0
        for layer in self.layers.layers:
            width, feedforward = layer.linear1.in_features, layer.linear1.out_features
            total += places * (4 * _FLOAT * width + size * (6 * width + 3 * feedforward))
        return total

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
            sequence = forward_layer(layer, sequence, sequence, seen)
        # Only the queries' outputs of the last layer are used.
        queried = forward_layer(last, sequence[:, -Q:].contiguous(), sequence, seen)
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


MAPPER = QPMapper
