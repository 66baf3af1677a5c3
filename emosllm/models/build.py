"""Build the model and the processor of a recipe or a checkpoint, with weights or only as shapes."""

import os
from pathlib import Path

import torch
from transformers import AutoModel, AutoProcessor, PreTrainedConfig

from emosllm.models.backbones import load_config, load_feature_extractor, load_tokenizer
from emosllm.models.checkpoints.base_weights import warn_of_different_weights
from emosllm.models.checkpoints.checkpoint import fetch_checkpoint, load_weights_into, read_config, read_weights
from emosllm.models.checkpoints.config import SpeechHeadConfig, SpeechLLMConfig
from emosllm.models.checkpoints.locations import locate
from emosllm.models.encoders.families import cut_layers, family
from emosllm.models.mappers import mapper_vectors
from emosllm.models.speech_head import SpeechHead
from emosllm.models.speech_llm import SpeechLLM
from emosllm.prompting.audio_vectors import AudioVectors, Convolutions
from emosllm.prompting.cues import Thresholds
from emosllm.prompting.processor import SpeechProcessor
from emosllm.recipe import Recipe

#: The model of a system, with an LLM or with a head.
System = SpeechLLM | SpeechHead

#: By default oneDNN keeps 1,024 shapes. Clips differ in length, so a server of nano grew by 300 MB, and a process that
#: computed the frames of 10,000 clips to 3 GB (docs/log.md). This many took no more time.
_KEPT_SHAPES = 32

for _config, _model in ((SpeechLLMConfig, SpeechLLM), (SpeechHeadConfig, SpeechHead)):
    AutoModel.register(_config, _model)
    AutoProcessor.register(_config, SpeechProcessor)


def build_empty(recipe: Recipe) -> System:
    """The recipe's model on the meta device: all names and shapes, without memory and without weights."""
    shapes = {}
    if recipe.encoder is not None:
        whole = load_config(recipe.encoder.model, "encoder")
        shapes["encoder_config"] = cut_layers(whole, recipe.encoder.layers, recipe.encoder.window).to_dict()
    if recipe.llm is not None:
        shapes["llm_config"] = load_config(recipe.llm.model, "llm", recipe.llm.file).to_dict()
    kind = _kind(recipe)
    with torch.device("meta"):
        return kind(kind.config_class(recipe=recipe.model_dump(mode="json"), **shapes))


def build_empty_of(folder: Path) -> System:
    """A checkpoint's model on the meta device, with the shapes in its config; its backbones are not needed.

    Raises:
        UserError: the config cannot be read, or does not belong to an emosllm checkpoint.
    """
    config = read_config(folder)
    kind = SpeechHead if isinstance(config, SpeechHeadConfig) else SpeechLLM
    with torch.device("meta"):
        return kind(config)


def build_model(recipe: Recipe) -> System:
    """The recipe's model with its published weights and those of its `start` checkpoint, ready for the first phase.

    Frozen backbones have the recipe's precision; trained weights have float32.

    Raises:
        UserError: a backbone or the start is not available, or the start has other shapes.
    """
    _limit_cached_shapes()
    model = _kind(recipe).begin(recipe, getattr(torch, recipe.training.precision))
    if recipe.start is not None:
        folder = fetch_checkpoint(locate(recipe.start))
        warn_of_different_weights(read_config(folder).base_weights, model.config.base_weights, recipe, folder)
        trained = model.trained_names()
        found = {name: tensor for name, tensor in read_weights(folder).items() if name in trained}
        load_weights_into(model, found, trained, folder)
    return model


def load_model(name: str) -> System:
    """Load the model of a trained system, `SpeechLLM` or `SpeechHead`.

    Args:
        name: the folder of a checkpoint, or a hub id.

    Raises:
        UserError: there is no such checkpoint, or it is broken.
    """
    _limit_cached_shapes()
    folder = fetch_checkpoint(name)
    kind = SpeechHead if isinstance(read_config(folder), SpeechHeadConfig) else SpeechLLM
    return kind.from_pretrained(folder)


def build_processor(recipe: Recipe, thresholds: Thresholds | None = None) -> SpeechProcessor:
    """Build the recipe's processor, with the tokenizer and the feature extractor of its backbones."""
    extractor = load_feature_extractor(recipe.encoder.model) if recipe.encoder is not None else None
    tokenizer = load_tokenizer(recipe.llm.model, recipe.llm.file) if recipe.llm is not None else None
    return SpeechProcessor.build(recipe, extractor, tokenizer, audio_vectors(recipe), thresholds)


def audio_vectors(recipe: Recipe, config: PreTrainedConfig | None = None) -> AudioVectors:
    """The rule for the number of LLM input vectors that a clip takes in this system.

    Args:
        recipe: the system.
        config: the encoder's config; by default it is loaded.
    """
    if recipe.encoder is None or recipe.mapper is None:
        return AudioVectors()
    encoder = recipe.encoder

    def convolutions() -> Convolutions:
        known = config or load_config(encoder.model, "encoder")
        return family(known).steps(known, encoder.layers)

    return mapper_vectors(recipe.mapper, convolutions)


def _limit_cached_shapes() -> None:
    """Limit the number of shapes that oneDNN caches; it reads the environment variable at its first product."""
    os.environ.setdefault("ONEDNN_PRIMITIVE_CACHE_CAPACITY", str(_KEPT_SHAPES))


def _kind(recipe: Recipe) -> type[SpeechLLM] | type[SpeechHead]:
    return SpeechLLM if recipe.llm is not None else SpeechHead
