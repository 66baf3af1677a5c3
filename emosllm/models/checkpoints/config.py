"""The config of a system: its recipe, the shapes of its backbones, and whether the checkpoint has their weights."""

from typing import Any

from transformers import AutoConfig, PreTrainedConfig

from emosllm.models.backbones import config_of


class SpeechLLMConfig(PreTrainedConfig):
    """The resolved recipe and the shapes of the backbones that the system has.

    Args:
        recipe: the whole recipe as plain values.
        encoder_config: the encoder's config, as a dict with its `model_type`; `None` without an encoder.
        llm_config: the LLM's config, as a dict with its `model_type`; `None` without an LLM.
        self_contained: whether the checkpoint includes the backbones' weights.
        base_weights: fingerprints of the backbones used in training, by part (`checkpoints.base_weights`).
    """

    model_type = "emosllm"

    def __init__(
        self,
        recipe: dict[str, Any] | None = None,
        encoder_config: dict[str, Any] | None = None,
        llm_config: dict[str, Any] | None = None,
        self_contained: bool = False,
        base_weights: dict[str, dict[str, list[float]]] | None = None,
        **kwargs: Any,
    ) -> None:
        self.recipe = recipe or {}
        self.encoder_config = _without_path(encoder_config)
        self.llm_config = _without_path(llm_config)
        self.self_contained = self_contained
        self.base_weights = base_weights
        super().__init__(**kwargs)

    def get_text_config(self, decoder: bool | None = None, encoder: bool | None = None) -> PreTrainedConfig:
        """The LLM's config, from which transformers reads the width of the hidden states."""
        return config_of(self.llm_config) if self.llm_config else self


class SpeechHeadConfig(SpeechLLMConfig):
    """The config of a system without an LLM."""

    model_type = "emosllm-head"

    def __init__(self, **values: Any) -> None:  # otherwise transformers generates one without the recipe's argument
        super().__init__(**values)


def _without_path(values: dict[str, Any] | None) -> dict[str, Any] | None:
    """A backbone's config without the path that it was loaded from, which must not appear in a shared checkpoint."""
    return values and {name: value for name, value in values.items() if name != "_name_or_path"}


AutoConfig.register(SpeechLLMConfig.model_type, SpeechLLMConfig)
AutoConfig.register(SpeechHeadConfig.model_type, SpeechHeadConfig)
