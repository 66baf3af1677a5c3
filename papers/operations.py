"""Count the floating-point operations of a recipe's training from its shapes: products with weights, and attention.

The count follows emosllm's training. A frozen encoder encodes each clip once. The shared prefix of the prompts is read
once a batch (once a run if the LLM is frozen). The output layer reads answers only. Frozen layers pass gradients on and
have none of their own. Not counted: norms, softmax, the feature encoders' faster convolutions, evaluation.
`tests/papers` compares it with the operations that PyTorch counts in a small model.
"""

from collections.abc import Collection
from dataclasses import dataclass

from emosllm.models.build import System, audio_vectors
from emosllm.models.description import count_weights
from emosllm.models.encoders.families import depth
from emosllm.models.speech_head import SpeechHead
from emosllm.models.speech_llm import SpeechLLM
from emosllm.recipe import Recipe

PREFIX_TOKENS = 320  # of the system prompt; ASSUMED, as in `emosllm info`
ROW_TOKENS = 104  # prompt and answer of one sample without its clip; ASSUMED, as in `emosllm info`
ANSWER_TOKENS = ROW_TOKENS // 3
FRAMES_A_SECOND = 50  # of the published encoders
WINDOW = 1500  # frames of an encoder whose window is fixed


@dataclass(frozen=True)
class Layers:
    """The shape of a stack of transformer layers.

    Attributes:
        weights: number of weights; each is multiplied with every position once.
        depth: layers.
        width: of queries, keys and values of all heads.
    """

    weights: int
    depth: int
    width: int

    def pass_operations(self, places: float, seen: float) -> float:
        """Operations of one pass over `places` positions, each of which attends to `seen` positions."""
        return places * (2.0 * self.weights + 4.0 * self.depth * seen * self.width)


def encoder_operations(system: System, seconds: float) -> float:
    """Operations of the encoder for one clip."""
    if system.encoder is None:
        return 0.0
    encoder = system.encoder
    fixed = encoder.family.window == "max_length" and encoder.part.window == "model"
    frames = WINDOW if fixed else FRAMES_A_SECOND * seconds
    return Layers(count_weights(encoder), depth(encoder.model.config), encoder.width).pass_operations(frames, frames)


def training_operations(system: System, recipe: Recipe, phase: str, seconds: float) -> float:
    """Operations of one training sample of a phase, forward and backward, without the encoder.

    Args:
        system: on the meta device.
        recipe: of the system.
        phase: its name.
        seconds: length of the clip.
    """
    frames = FRAMES_A_SECOND * seconds
    trained_parts = recipe.phases[phase].learns
    if isinstance(system, SpeechHead):
        return 3 * 2.0 * count_weights(system.head) * frames
    vectors = audio_vectors(recipe).of_frames(round(frames)) if recipe.mapper is not None else 0
    return _mapper_operations(system, recipe, frames, vectors, "mapper" in trained_parts) + llm_operations(
        system, recipe, vectors, trained_parts
    )


def _mapper_operations(system: SpeechLLM, recipe: Recipe, frames: float, vectors: int, is_trained: bool) -> float:
    if system.mapper is None:
        return 0.0
    places = frames + (vectors if recipe.mapper is not None and recipe.mapper.kind == "qp" else 0)
    return (3 if is_trained else 1) * 2.0 * count_weights(system.mapper) * places


def llm_operations(
    system: SpeechLLM, recipe: Recipe, vectors: int, trained_parts: Collection[str], prefix: int = PREFIX_TOKENS
) -> float:
    """Operations of the LLM for one row; if it is trained, with the row's share of the batch's common prefix.

    Args:
        system: with the LLM.
        recipe: of the system.
        vectors: number of vectors of the row's clip.
        trained_parts: the parts that are trained.
        prefix: number of tokens that the rows of a batch have in common at the start.
    """
    layers, adapters, vocabulary = _llm(system)
    row = ROW_TOKENS + vectors
    # Backward, a frozen product costs one product, an adapter's two, and attention 2.5 times its forward pass.
    lora = "lora" in trained_parts
    each = 2 * 2.0 * layers.weights + (3 if lora else 2) * 2.0 * adapters
    attention = 3.5 * 4.0 * layers.depth * layers.width
    total = row * (each + attention * (prefix + row / 2)) + 2 * 2.0 * vocabulary * ANSWER_TOKENS
    if lora:
        total += prefix * (each + attention * prefix / 2) / recipe.training.micro_batch
    return total


def _llm(system: SpeechLLM) -> tuple[Layers, int, int]:
    """The LLM's layers, and the numbers of weights of its adapters and of its vocabulary."""
    config = system.llm.config.get_text_config()
    head = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    vocabulary = config.vocab_size * config.hidden_size
    adapters = count_weights(system.llm, "lora_")
    body = count_weights(system.llm) - adapters - (1 if config.tie_word_embeddings else 2) * vocabulary
    return Layers(body, config.num_hidden_layers, config.num_attention_heads * head), adapters, vocabulary
