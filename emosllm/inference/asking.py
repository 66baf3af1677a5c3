"""The two questions one can ask a system: what is said (generated), and with which emotion (scored, never parsed)."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from transformers import StoppingCriteria, StoppingCriteriaList

from emosllm.labels import LabelSet
from emosllm.models.speech_llm import SpeechLLM
from emosllm.prompting.batch import Sample, SpeechProcessor
from emosllm.prompting.conversation import Conversation, plain
from emosllm.recipe import Strategy, Task

#: strategy -> the task whose prompt asks for the emotion, and the one whose answer holds the transcript it rests on.
EMOTION_TASK: Mapping[Strategy, Task] = {"ser": "ser", "transcript-in-prompt": "ser", "transcript-first": "joint"}
TRANSCRIPT_TASK: Mapping[Strategy, Task] = {"ser": "asr", "transcript-in-prompt": "asr", "transcript-first": "joint"}


def emotion_question(
    processor: SpeechProcessor, strategy: Strategy, transcript: str | None, labels: LabelSet, **known: Any
) -> Conversation:
    """The conversation whose answer is about to name the emotion.

    Args:
        processor: of the system.
        strategy: how the transcript is used (EmoSLLM, appendix A.4): not at all, in the user's turn, or as the start of
            the answer.
        transcript: what is said, as far as anybody knows.
        labels: the emotions to choose from.
        **known: gender, cues.
    """
    hint = transcript if strategy == "transcript-in-prompt" else None
    return processor.converse(
        EMOTION_TASK[strategy], labels=labels, transcript=transcript or "", hint=hint, emotion=labels.names[0], **known
    )


def score_emotions(
    model: SpeechLLM, processor: SpeechProcessor, samples: Sequence[Sample], labels: LabelSet
) -> list[dict[str, float]]:
    """Probability of each emotion for each sample, summing to 1, in the label set's order."""
    batch = processor.for_labels(samples, labels).to(model.device)
    rows = model.score(**batch).exp().cpu().tolist()
    return [dict(zip(labels.names, row, strict=True)) for row in rows]


def transcribe(
    model: SpeechLLM,
    processor: SpeechProcessor,
    samples: Sequence[Sample],
    max_new_tokens: int,
) -> list[str]:
    """What the system hears, greedily; each sample's answer is broken off where the transcript would begin."""
    rows = [Sample(sample.conversation.before("transcript"), sample.samples, sample.frames) for sample in samples]
    batch = processor(rows, closed=False).to(model.device)
    tokens = model.generate(
        **batch,
        max_new_tokens=max_new_tokens,
        do_sample=False,
        stopping_criteria=StoppingCriteriaList([_BarSeen(processor)]),
    )
    texts = processor.tokenizer.batch_decode(tokens, skip_special_tokens=True)
    return [plain(text.partition("|")[0]) for text in texts]


class _BarSeen(StoppingCriteria):
    """Stops a row once it has said the bar that closes a transcript; what follows is scored, not generated."""

    def __init__(self, processor: SpeechProcessor) -> None:
        vocabulary = processor.tokenizer.get_vocab()
        self.bars = torch.tensor(sorted(index for token, index in vocabulary.items() if "|" in token))

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor, **kwargs: Any) -> torch.Tensor:
        return torch.isin(input_ids[:, -1], self.bars.to(input_ids.device))
