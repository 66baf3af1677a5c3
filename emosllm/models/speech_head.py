"""SpeechHead: a frozen encoder and a classification head, with the same interface as `SpeechLLM`."""

from typing import Any

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from emosllm.models.backbones import config_of, new_encoder
from emosllm.models.checkpoints.checkpoint import CheckpointModel
from emosllm.models.checkpoints.config import SpeechHeadConfig
from emosllm.models.encoders.encoder import SpeechEncoder
from emosllm.models.heads import ClassHead
from emosllm.models.losses import class_loss
from emosllm.models.speech_llm import SpeechLLMOutput


class SpeechHead(CheckpointModel):
    """Encoder and head as one model.

    Args:
        config: shapes and recipe.
        encoder: a loaded encoder; by default a new one is built from the config.
    """

    config_class = SpeechHeadConfig
    main_input_name = "audio"
    base_model_prefix = ""
    accepts_loss_kwargs = True

    def __init__(self, config: SpeechHeadConfig, encoder: PreTrainedModel | None = None) -> None:
        super().__init__(config)
        recipe = self.recipe
        assert recipe.head is not None
        self.encoder = SpeechEncoder(encoder or new_encoder(config_of(config.encoder_config or {})), recipe.encoder)
        shape = recipe.head.model_dump(exclude={"model"})
        reading = self.encoder.new_reading()
        self.head = ClassHead(self.encoder.width, len(recipe.label_set.names), hidden_states=reading, **shape)
        self.post_init()

    def _init_weights(self, module: nn.Module) -> None:
        if isinstance(module, ClassHead):
            module.reset_parameters()

    def forward(
        self,
        labels: Tensor | None = None,
        label_weights: Tensor | None = None,
        candidates: Tensor | None = None,
        num_items_in_batch: Tensor | int | None = None,
        return_logits: bool = False,
        **clips: Tensor,
    ) -> SpeechLLMOutput:
        """Weighted cross-entropy over the classes.

        Args:
            labels: `[A]`, the true class of each clip.
            label_weights: `[A]`, weight of each clip in the loss.
            candidates: `[A, K, 1]`, indices of the classes to choose from; by default all classes.
            num_items_in_batch: number of clips in the whole update; by default the number in this batch.
            return_logits: also return the log-probabilities of the classes.
            **clips: `audio`, `audio_attention` (and `windows`), or `frames` and `frames_mask`.
        """
        scores = self._score(candidates, **clips)
        loss = None if labels is None else class_loss(scores, labels, label_weights, num_items_in_batch)
        return SpeechLLMOutput(loss=loss, logits=scores if return_logits else None)

    @torch.no_grad()
    def score(self, candidates: Tensor | None = None, **clips: Tensor) -> Tensor:
        """Log-probability of each allowed class, `[A, K]`, rows summing to 1 after `exp`."""
        return self._score(candidates, **clips)

    def _score(self, candidates: Tensor | None, **clips: Any) -> Tensor:
        frames, mask = clips.get("frames"), clips.get("frames_mask")
        if frames is None:
            frames, mask = self.encoder(clips["audio"], clips["audio_attention"], clips.get("windows"))
        logits = self.head(frames.to(self.head.output.weight.dtype), mask).float()
        return (logits if candidates is None else logits.gather(1, candidates[..., 0])).log_softmax(-1)
