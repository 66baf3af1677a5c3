"""A mapper of one linear layer, with one vector for each frame."""

from collections.abc import Callable
from typing import ClassVar, Literal, Self

import torch
from pydantic import Field
from torch import Tensor, nn

from emosllm.models.encoders.hidden_states import HiddenStates
from emosllm.models.mappers.mapper import Mapper
from emosllm.prompting.audio_vectors import AudioVectors, Convolutions
from emosllm.recipe_parts import MapperPart


class LinearMapperPart(MapperPart):
    """Map each frame to one vector of the LLM's width."""

    takes_adapter: ClassVar[bool] = True
    kind: Literal["linear"] = "linear"
    ends: bool = Field(False, description="a learned vector before and one after each clip, as Qwen-Audio has them")
    model: str | None = Field(None, description="published model that provides the initial projection; null: untrained")


class LinearMapper(Mapper[LinearMapperPart]):
    """One linear layer with one vector for each frame; with `ends`, learned vectors before and after them.

    Source: THAU-UPM (EmoSPeech 2024), Whisper-Gemma and Emo2Vec-Gemma; Qwen-Audio, with `ends`; Qwen2-Audio, without.

    Args:
        frame_width: D of the encoder's frames.
        llm_width: D of the LLM's input embeddings.
        ends: put a learned vector before and another after each clip's vectors.
        bias: whether the linear layer has a bias.
        hidden_states: converts the encoder's hidden states to frames; by default frames are not changed.
    """

    part = LinearMapperPart

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

    @classmethod
    def new(
        cls, part: LinearMapperPart, frame_width: int, llm_width: int, hidden_states: HiddenStates | None = None
    ) -> Self:
        """Build the mapper of a recipe; its published weights are loaded later."""
        return cls(frame_width, llm_width, ends=part.ends, hidden_states=hidden_states)

    @classmethod
    def vectors(cls, part: LinearMapperPart, convolutions: Callable[[], Convolutions]) -> AudioVectors:
        """One vector for each frame, and the ends."""
        return AudioVectors(convolutions=convolutions(), extra=2 * part.ends)

    @classmethod
    def describe(cls, part: LinearMapperPart) -> tuple[str, str]:
        """Name and size in words."""
        return part.model or part.kind, "one layer" + ", two ends" * part.ends

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


MAPPER = LinearMapper
