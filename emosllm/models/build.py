"""From a recipe to its model and processor: with published weights, or as shapes alone."""

import torch

from emosllm.models.backbones import load_config, load_encoder, load_feature_extractor, load_llm, load_tokenizer, locate
from emosllm.models.checkpoint import fetch_checkpoint, put_weights, read_weights
from emosllm.models.speech_llm import SpeechLLM, SpeechLLMConfig
from emosllm.prompting.batch import SpeechProcessor
from emosllm.prompting.cues import Thresholds
from emosllm.recipe import Recipe


def build_empty(recipe: Recipe) -> SpeechLLM:
    """The recipe's model on the meta device: every shape and name, no memory, no weights needed."""
    encoder, llm = load_config(recipe.encoder.model), load_config(recipe.llm.model)
    with torch.device("meta"):
        return SpeechLLM(SpeechLLMConfig(recipe.model_dump(mode="json"), encoder.to_dict(), llm.to_dict()))


def build_model(recipe: Recipe) -> SpeechLLM:
    """The recipe's model with its backbones' published weights, and those it starts from, ready for its first phase.

    The frozen backbones are kept in the recipe's precision, what learns in float32.

    Raises:
        UserError: a backbone or the start can't be had, or the start has other shapes.
    """
    dtype = getattr(torch, recipe.training.precision)
    encoder, llm = load_encoder(recipe.encoder.model, dtype), load_llm(recipe.llm.model, dtype)
    config = SpeechLLMConfig(recipe.model_dump(mode="json"), encoder.config.to_dict(), llm.config.to_dict())
    model = SpeechLLM(config, encoder, llm)
    if recipe.start is not None:
        folder = fetch_checkpoint(locate(recipe.start))
        trained = model.trained_names()
        found = {name: tensor for name, tensor in read_weights(folder).items() if name in trained}
        put_weights(model, found, trained, folder)
    return model


def build_processor(recipe: Recipe, thresholds: Thresholds | None = None) -> SpeechProcessor:
    """The recipe's processor, with tokenizer and feature extractor of its backbones."""
    feature_extractor, tokenizer = load_feature_extractor(recipe.encoder.model), load_tokenizer(recipe.llm.model)
    return SpeechProcessor.build(recipe, feature_extractor, tokenizer, thresholds)
