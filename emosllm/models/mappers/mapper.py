"""`Mapper`, the base of all mappers: the interface of the network between encoder and LLM."""

from abc import abstractmethod
from collections.abc import Callable
from typing import ClassVar, Generic, Self, TypeVar

from torch import nn

from emosllm.models.encoders.hidden_states import HiddenStates
from emosllm.prompting.audio_vectors import AudioVectors, Convolutions
from emosllm.recipe_parts import MapperPart

P = TypeVar("P", bound=MapperPart)


class Mapper(nn.Module, Generic[P]):
    """Convert an encoder's frames to vectors in the LLM's embedding space.

    `forward` takes frames `[A, N, D]` (`[A, N, S, D]` where hidden states are mixed) and their mask `[A, N]`, and
    returns vectors `[A, Q, D_llm]` and their mask `[A, Q]`. The frames pass `hidden_states` first.

    Attributes:
        part: class of the mapper's options in a recipe.
        hidden_states: converts the encoder's hidden states to frames.
        output: the layer to the LLM's width; frames are converted to its precision.
    """

    part: ClassVar[type[MapperPart]]
    hidden_states: HiddenStates
    output: nn.Linear

    @classmethod
    def new(cls, part: P, frame_width: int, llm_width: int, hidden_states: HiddenStates | None = None) -> Self:
        """Build the mapper of a recipe with newly initialised weights.

        Args:
            part: its options; by default each is an argument of the class.
            frame_width: D of the encoder's frames.
            llm_width: D of the LLM's input embeddings.
            hidden_states: by default frames are not changed.
        """
        return cls(frame_width, llm_width, hidden_states=hidden_states, **part.model_dump(exclude={"kind"}))

    @abstractmethod
    def reset_parameters(self) -> None:
        """Initialise the weights that are not published."""

    @classmethod
    @abstractmethod
    def vectors(cls, part: P, convolutions: Callable[[], Convolutions]) -> AudioVectors:
        """The rule for the number of vectors of a clip.

        Args:
            part: its options.
            convolutions: returns those from the feature extractor's steps to the encoder's frames. It may load the
                encoder's config.
        """

    @classmethod
    @abstractmethod
    def describe(cls, part: P) -> tuple[str, str]:
        """Name and size in words, for `emosllm info`."""

    def activation_bytes(self, samples: int, frames: int, size: int) -> int:
        """Activations that the mapper keeps for the backward pass, in bytes.

        Args:
            samples: number of clips.
            frames: number of encoder frames in a clip.
            size: bytes of a value in the LLM's precision.
        """
        return 0
