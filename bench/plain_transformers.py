"""The plain implementation with transformers alone, on the same weights and the same prompts.

Every sample is its whole prompt, the encoder runs whenever a clip is needed, the loss is transformers' own over the
logits of all positions, and an emotion is generated and searched in the text. Nothing here is slow on purpose.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import numpy as np
import torch
from torch import Tensor
from transformers import PreTrainedModel

from emosllm.models.speech_llm import SpeechLLM
from emosllm.prompting.chat_template import Chat
from emosllm.prompting.conversation import Conversation
from emosllm.prompting.processor import Sample, SpeechProcessor
from emosllm.prompting.token_rows import IGNORED
from emosllm.recipe_parts import Task


def vectors_of(model: SpeechLLM, processor: SpeechProcessor, clips: Sequence[np.ndarray]) -> list[Tensor]:
    """Compute each clip's vectors for the LLM, `[Q, D]`, by extractor, encoder and mapper.

    Args:
        model: the system.
        processor: of the system.
        clips: samples `[T]`, or all of them frames `[N, D]` if the encoder is excluded.
    """
    if model.encoder is None or model.mapper is None:
        return []
    weight = model.mapper.output.weight
    if clips and clips[0].ndim == 2:
        frames = [torch.from_numpy(clip).to(weight.device, weight.dtype)[None] for clip in clips]
        return [model.mapper(one, torch.ones(one.shape[:2], dtype=torch.bool).to(one.device))[0][0] for one in frames]
    with torch.autocast(model.device.type, enabled=False):  # extractors run in a collator, without mixed precision
        features = {name: tensor.to(model.device) for name, tensor in processor.features(clips).items()}
    frames, mask = model.encoder(features["audio"], features["audio_attention"])
    vectors, keep = model.mapper(frames.to(weight.dtype), mask)
    return [clip[kept] for clip, kept in zip(vectors, keep, strict=True)]


def loss_of(model: SpeechLLM, processor: SpeechProcessor, samples: Sequence[Sample]) -> Tensor:
    """Compute the mean loss over the answers' tokens, of whole rows with padding on the right."""
    vectors = vectors_of(model, processor, [sample.samples for sample in samples if sample.samples is not None])
    embed = model.get_input_embeddings()
    rows, labels = [], []
    for number, sample in enumerate(samples):
        assert sample.conversation is not None
        tokens = _chat(processor).encode(sample.conversation)
        head, tail = (torch.tensor(ids, device=model.device) for ids in (tokens.head, tokens.tail))
        audio = [vectors[number].to(model.llm.dtype)] if tokens.audio else []
        rows.append(torch.cat([embed(head), *audio, embed(tail)]))
        answer = torch.tensor([kind is not None for kind in tokens.kinds], device=model.device)
        labels.append(torch.full((len(rows[-1]),), IGNORED, device=model.device))
        labels[-1][len(rows[-1]) - len(tail) :] = torch.where(answer, tail, IGNORED)
    mask = torch.nn.utils.rnn.pad_sequence([torch.ones(len(row)) for row in rows], batch_first=True)
    with as_published(model.llm):
        return model.llm(
            inputs_embeds=torch.nn.utils.rnn.pad_sequence(rows, batch_first=True),
            attention_mask=mask.long().to(model.device),
            labels=torch.nn.utils.rnn.pad_sequence(labels, batch_first=True, padding_value=IGNORED),
        ).loss


@torch.inference_mode()
def answers_of(
    model: SpeechLLM,
    processor: SpeechProcessor,
    clips: Sequence[np.ndarray],
    task: Task = "ser",
    free: int = 0,
) -> list[str]:
    """Generate the answer to each clip greedily, as text.

    A model with random weights would never name an emotion, so the answer is constrained to the required format with
    transformers' `prefix_allowed_tokens_fn`: any token for `free` tokens, then one of the possible endings. The cost of
    the constraint is small beside the LLM's.
    """
    vectors = vectors_of(model, processor, clips)
    embed = model.get_input_embeddings()
    possible = [processor.build_conversation(task, emotion=name) for name in processor.labels.names]
    tokens = _chat(processor).encode(possible[0])
    starts = tokens.kinds.index("format") if task == "ser" else _start_of_transcript(processor, possible[0])
    head, tail = (torch.tensor(ids, device=model.device) for ids in (tokens.head, tokens.tail[:starts]))
    rows = [torch.cat([embed(head), clip.to(model.llm.dtype), embed(tail)]) for clip in vectors]
    mask = torch.nn.utils.rnn.pad_sequence(
        [torch.ones(len(row)) for row in rows], batch_first=True, padding_side="left"
    )
    endings = [_chat(processor).encode(one).tail[starts:] for one in possible]
    with as_published(model.llm):
        generated = model.llm.generate(
            inputs_embeds=torch.nn.utils.rnn.pad_sequence(rows, batch_first=True, padding_side="left"),
            attention_mask=mask.long().to(model.device),
            max_new_tokens=free + max(map(len, endings)),
            do_sample=False,
            prefix_allowed_tokens_fn=_Format(processor, endings, free),
        )
    assert processor.tokenizer is not None
    return list(processor.tokenizer.batch_decode(generated, skip_special_tokens=True))


@contextmanager
def as_published(llm: PreTrainedModel) -> Iterator[None]:
    """Use the LLM as transformers loads it: with its own attention, and without emosllm's hooks on the output layer."""
    layer, attention = llm.get_output_embeddings(), llm.config._attn_implementation
    kept = dict(layer._forward_pre_hooks)
    layer._forward_pre_hooks.clear()
    llm.set_attn_implementation("sdpa")
    try:
        yield
    finally:
        layer._forward_pre_hooks.update(kept)
        llm.set_attn_implementation(attention)


def _start_of_transcript(processor: SpeechProcessor, conversation: Conversation) -> int:
    """The position where the answer's transcript begins, after the rows that request it."""
    return len(_chat(processor).encode(conversation.before("transcript"), closed=False).tail)


def _chat(processor: SpeechProcessor) -> Chat:
    assert processor.chat is not None
    return processor.chat


class _Format:
    """The allowed next tokens: any that end nothing, `free` times, then those of one of the endings."""

    def __init__(self, processor: SpeechProcessor, endings: Sequence[tuple[int, ...]], free: int) -> None:
        assert processor.tokenizer is not None
        vocabulary = processor.tokenizer.get_vocab()
        special = set(processor.tokenizer.all_special_ids)
        self.open = sorted(index for token, index in vocabulary.items() if "|" not in token and index not in special)
        self.endings, self.free, self.eos = endings, free, processor.tokenizer.eos_token_id

    def __call__(self, row: int, generated: Tensor) -> list[int]:
        if len(generated) < self.free:
            return self.open
        begun = tuple(generated[self.free :].tolist())
        following = {ending[len(begun)] for ending in self.endings if ending[: len(begun)] == begun != ending}
        return sorted(following) or [self.eos]
