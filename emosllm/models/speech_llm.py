"""SpeechLLM: frozen encoder, mapper and causal LM with LoRA. Every system with an LLM is an instance of this class.

Without encoder and mapper it reads text only. To save time, the shared prefix of all rows is read once, the output
layer computes only answer positions, and labels are scored in one pass instead of being generated and parsed.
"""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel
from transformers.cache_utils import Cache, DynamicCache
from transformers.utils import ModelOutput

from emosllm.models.backbones import config_of, new_encoder, new_llm
from emosllm.models.checkpoints.checkpoint import CheckpointModel
from emosllm.models.checkpoints.config import SpeechLLMConfig
from emosllm.models.encoders.encoder import SpeechEncoder
from emosllm.models.llms.llm import (
    check_positions,
    output_logits,
    pad_left,
    prepare,
    read_prefix,
    read_rows,
    repeat_cache,
    select_rows,
    shift_cache,
)
from emosllm.models.llms.lora import add_lora, add_mapper_lora
from emosllm.models.losses import class_loss
from emosllm.models.mappers import Mapper, new_mapper
from emosllm.prompting.token_rows import IGNORED


@dataclass
class SpeechLLMOutput(ModelOutput):
    """Output of `SpeechLLM.forward`.

    Attributes:
        loss: weighted mean over the answers' tokens, or over the clips where classes are scored.
        logits: `[N, V]` at the positions that predict an answer's token, in row order, or `[B, K]` scores of the
            classes; only with `return_logits`.
    """

    loss: Tensor | None = None
    logits: Tensor | None = None


class SpeechLLM(CheckpointModel):
    """Encoder, mapper and LLM as one model.

    Args:
        config: shapes and recipe.
        encoder: a loaded encoder; by default built from the config if the recipe has one.
        llm: a loaded causal LM; by default built from the config.
    """

    main_input_name = "input_ids"
    base_model_prefix = ""
    supports_gradient_checkpointing = True
    accepts_loss_kwargs = True

    def __init__(
        self,
        config: SpeechLLMConfig,
        encoder: PreTrainedModel | None = None,
        llm: PreTrainedModel | None = None,
    ) -> None:
        super().__init__(config)
        recipe = self.recipe
        self.encoder: SpeechEncoder | None = None
        self.mapper: Mapper[Any] | None = None
        self.llm = llm or new_llm(config_of(config.llm_config or {}))
        self.llm.requires_grad_(False)
        prepare(self.llm)
        if recipe.encoder is not None and recipe.mapper is not None:
            self.encoder = SpeechEncoder(encoder or new_encoder(config_of(config.encoder_config or {})), recipe.encoder)
            width, reading = int(self.llm.get_input_embeddings().embedding_dim), self.encoder.new_reading()
            self.mapper = new_mapper(recipe.mapper, self.encoder.width, width, reading)
        self.post_init()
        if recipe.lora is not None:  # after post_init, which would initialise B with values other than zero
            add_lora(self.llm, recipe.lora)
            if recipe.lora.mapper and self.mapper is not None:
                add_mapper_lora(self.mapper, recipe.lora)
        self._prefix: tuple[Tensor, Cache] | None = None

    def _init_weights(self, module: nn.Module) -> None:
        if isinstance(module, Mapper):
            module.reset_parameters()

    def get_input_embeddings(self) -> nn.Module:
        """The LLM's input embeddings."""
        return self.llm.get_input_embeddings()

    def get_output_embeddings(self) -> nn.Module:
        """The LLM's output layer."""
        return self.llm.get_output_embeddings()

    def train(self, mode: bool = True) -> "SpeechLLM":
        """Set the training mode, without dropout in a frozen LLM, so that its cached prefix stays valid."""
        if mode != self.training or self._llm_is_trained():  # the Trainer calls this before every batch
            self._clear_prefix()
        super().train(mode)
        if not self._llm_is_trained():
            self.llm.eval()
        return self

    def forward(
        self,
        input_ids: Tensor,
        attention_mask: Tensor,
        labels: Tensor | None = None,
        label_weights: Tensor | None = None,
        candidates: Tensor | None = None,
        num_items_in_batch: Tensor | int | None = None,
        return_logits: bool = False,
        **inputs: Tensor,
    ) -> SpeechLLMOutput:
        """Loss over the answers' tokens, or over the scores of the classes where `candidates` are given.

        Args:
            input_ids: `[B, L]`, without the shared prefix.
            attention_mask: `[B, L]`.
            labels: `[B, L]`, `IGNORED` outside the answers; with candidates `[B]`, the index of the true one.
            label_weights: `[B, L]`, weight of each answer token; with candidates `[B]`, weight of each clip.
            candidates: `[B, K, C]` as in `score`.
            num_items_in_batch: number of labels in the whole update, over accumulation steps and processes; by default
                the number in this batch.
            return_logits: also return the logits.
            **inputs: `prefix_ids` `[P]`, `audio_mask` `[B, L]`, and either `audio`, `audio_attention` (and `windows`),
                or `frames` `[A, N, D]` or `[A, N, S, D]`, and `frames_mask` `[A, N]`, as made by `SpeechProcessor`.
        """
        if candidates is not None:
            scores = self._score(input_ids, attention_mask, candidates, **inputs)
            loss = None if labels is None else class_loss(scores, labels, label_weights, num_items_in_batch)
            return SpeechLLMOutput(loss=loss, logits=scores if return_logits else None)
        if labels is None:
            return SpeechLLMOutput()
        following = labels.roll(-1, dims=1)  # the label of a position is the token after it
        following[:, -1] = IGNORED
        answered = following != IGNORED
        hidden, _ = self._read(input_ids, attention_mask, answered, False, **inputs)
        logits = output_logits(self.llm, hidden[answered])  # [N, V]
        losses = nn.functional.cross_entropy(logits, following[answered], reduction="none")
        if label_weights is not None:
            losses = losses * label_weights.roll(-1, dims=1)[answered]
        loss = losses.sum() / (losses.numel() if num_items_in_batch is None else num_items_in_batch)
        return SpeechLLMOutput(loss=loss, logits=logits if return_logits else None)

    @torch.no_grad()
    def score(self, input_ids: Tensor, attention_mask: Tensor, candidates: Tensor, **inputs: Tensor) -> Tensor:
        """Log-probability of each allowed label, normalised over the labels.

        It takes one pass where every label is a single token. Further tokens of a label are read in a batched
        continuation, so that all its tokens are scored.

        Args:
            input_ids: `[B, L]`, up to the first token in which the labels differ.
            attention_mask: `[B, L]`.
            candidates: `[B, K, C]` token ids of each label, padded with `IGNORED`.
            **inputs: as in `forward`.

        Returns:
            `[B, K]`; each row sums to 1 after `exp`.
        """
        return self._score(input_ids, attention_mask, candidates, **inputs)

    def _score(self, input_ids: Tensor, attention_mask: Tensor, candidates: Tensor, **inputs: Tensor) -> Tensor:
        """`score`, with gradients."""
        C = candidates.shape[-1]
        last = attention_mask.sum(-1) - 1
        wanted = torch.arange(input_ids.shape[1], device=last.device) == last[:, None]
        hidden, cache = self._read(input_ids, attention_mask, wanted, C > 1, **inputs)
        # The final normalisation is over the labels only, so the normaliser over the vocabulary cancels out.
        begins, places = candidates[:, :, 0].unique(return_inverse=True)
        first = output_logits(self.llm, hidden[wanted], begins)
        totals = first.gather(1, places)
        if C > 1:
            assert cache is not None
            before = cache.get_seq_length() - input_ids.shape[1]
            past = nn.functional.pad(attention_mask, (before, 0), value=1)
            totals = totals + self._continue(candidates, cache, past)
        return totals.log_softmax(-1)

    @torch.no_grad()
    def generate(self, input_ids: Tensor, attention_mask: Tensor, **inputs: Any) -> Tensor:
        """Generate from the ends of the rows; other inputs are passed to `generate` of transformers.

        Returns:
            `[B, G]` new token ids.
        """
        parts = {name: inputs.pop(name, None) for name in _PARTS}
        prefix = parts.pop("prefix_ids")
        embeddings = self._embed(input_ids, **parts)
        if prefix is not None:
            embeddings, attention_mask = self._prepend(prefix, embeddings, attention_mask)
        embeddings, attention_mask = pad_left(embeddings, attention_mask)
        check_positions(self.llm, embeddings.shape[1] + inputs.get("max_new_tokens", 0))
        if prefix is not None:  # generation skips the first P positions of padding and prefix, which the cache holds
            inputs["past_key_values"] = shift_cache(self._read_prefix(prefix), (attention_mask == 0).sum(-1))
        return self.llm.generate(inputs_embeds=embeddings, attention_mask=attention_mask, **inputs)

    def audio_embeddings(
        self,
        audio: Tensor | None = None,
        audio_attention: Tensor | None = None,
        windows: Tensor | None = None,
        frames: Tensor | None = None,
        frames_mask: Tensor | None = None,
    ) -> Tensor | None:
        """Input vectors of the LLM for all clips, concatenated, `[Q, D]`; `None` where there is no clip."""
        if frames is None and audio is not None and self.encoder is not None:
            frames, frames_mask = self.encoder(audio, audio_attention, windows)
        if frames is None or self.mapper is None:
            return None
        # As in training with mixed precision, the mapper computes in bfloat16 where the LLM does.
        with torch.autocast(frames.device.type, torch.bfloat16, enabled=self.llm.dtype == torch.bfloat16):
            vectors, mask = self.mapper(frames.to(self.mapper.output.weight.dtype), frames_mask)
        return vectors[mask]

    def _read(
        self, input_ids: Tensor, attention_mask: Tensor, wanted: Tensor, use_cache: bool, **parts: Tensor
    ) -> tuple[Tensor, Cache | None]:
        """Hidden states `[B, L, D]` of the rows after the prefix, and the cache where there is one.

        The hidden states are valid only at `wanted` `[B, L]`.
        """
        prefix = parts.pop("prefix_ids", None)
        embeddings = self._embed(input_ids, **parts)
        cache = None
        if prefix is not None and self.llm.training and self.llm.is_activation_checkpointing:
            return self._read_whole(prefix, embeddings, attention_mask), None  # checkpointing turns caches off
        if prefix is not None:
            cache = repeat_cache(self._read_prefix(prefix), len(input_ids))
        elif use_cache:
            cache = DynamicCache()
        return read_rows(self.llm, embeddings, attention_mask, cache, wanted=wanted)

    def _read_whole(self, prefix: Tensor, embeddings: Tensor, attention_mask: Tensor) -> Tensor:
        """Hidden states of the rows `[B, L, D]`, each read with the prefix: slower, but with less memory."""
        embeddings, mask = self._prepend(prefix, embeddings, attention_mask)
        return read_rows(self.llm, embeddings, mask, None)[0][:, len(prefix) :]

    def _prepend(self, prefix: Tensor, embeddings: Tensor, attention_mask: Tensor) -> tuple[Tensor, Tensor]:
        shared = self.get_input_embeddings()(prefix).expand(len(embeddings), -1, -1)
        mask = torch.cat([attention_mask.new_ones(shared.shape[:2]), attention_mask], dim=1)
        return torch.cat([shared, embeddings], dim=1), mask

    def _read_prefix(self, prefix: Tensor) -> Cache:
        """The prefix's keys and values, computed once per batch for a trained LLM, once per run for a frozen one."""
        if self._llm_is_trained():
            return read_prefix(self.llm, prefix)
        if self._prefix is None or not torch.equal(self._prefix[0], prefix):
            with torch.no_grad():
                self._prefix = (prefix, read_prefix(self.llm, prefix))
        return self._prefix[1]

    def _embed(self, input_ids: Tensor, audio_mask: Tensor | None = None, **clips: Tensor) -> Tensor:
        """Embeddings `[B, L, D]` with the clips' vectors at the positions of `audio_mask`."""
        embeddings = self.get_input_embeddings()(input_ids)
        vectors = self.audio_embeddings(**clips)
        if vectors is None or audio_mask is None:
            return embeddings
        assert int(audio_mask.sum()) == len(vectors), "one place for each audio vector"
        return embeddings.masked_scatter(audio_mask[..., None], vectors.to(embeddings.dtype))

    def _continue(self, candidates: Tensor, cache: Cache, past: Tensor) -> Tensor:
        """Log-likelihood of the second and later tokens of each candidate, `[B, K]`."""
        B, K, C = candidates.shape
        rows = torch.arange(B, device=candidates.device).repeat_interleave(K)
        ids = candidates.view(B * K, C)
        mask = (ids != IGNORED).long()
        read = self.get_input_embeddings()(ids.clamp(min=0)[:, :-1])
        scored = mask[:, 1:].bool()
        hidden, _ = read_rows(self.llm, read, mask[:, :-1], *select_rows(cache, rows, past), wanted=scored)
        log_probs = output_logits(self.llm, hidden[scored]).log_softmax(-1)
        totals = torch.zeros(B * K, dtype=log_probs.dtype, device=log_probs.device)
        where = scored.nonzero()[:, 0]
        return totals.index_add(0, where, log_probs.gather(1, ids[:, 1:][scored][:, None])[:, 0]).view(B, K)

    def _clear_prefix(self) -> None:
        """Clear the cached prefix, which is valid only for the weights that it was computed with."""
        self._prefix = None

    def load_state_dict(self, *args: Any, **options: Any) -> Any:
        """Load weights as in torch, and clear the cached prefix."""
        self._clear_prefix()
        return super().load_state_dict(*args, **options)

    def _apply(self, *args: Any, **options: Any) -> "SpeechLLM":
        self._clear_prefix()  # after `to`, `float` or `cuda` it would have another device or precision
        return super()._apply(*args, **options)

    def _llm_is_trained(self) -> bool:
        return any(parameter.requires_grad for parameter in self.llm.parameters())


_PARTS = ("prefix_ids", "audio_mask", "audio", "audio_attention", "windows", "frames", "frames_mask")
