"""Decode transcripts (generated) and emotions (scored, or searched for in a generated answer).

By default emotions are scored. Generated answers reproduce the evaluation of papers: the text is searched for an
emotion, and answers without one are counted.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from transformers import StoppingCriteria, StoppingCriteriaList

from emosllm.errors import UserError
from emosllm.labels import LabelSet, words_of_emotion
from emosllm.models.build import System
from emosllm.models.speech_llm import SpeechLLM
from emosllm.prompting.conversation import Conversation, Kind, without_markup
from emosllm.prompting.processor import Sample, SpeechProcessor
from emosllm.prompting.prompt_template import Templates
from emosllm.recipe_parts import EMOTION_TASK, Strategy
from emosllm.utterance import Utterance


def emotion_question(
    processor: SpeechProcessor, strategy: Strategy, transcript: str | None, labels: LabelSet, **known: Any
) -> Conversation | None:
    """The conversation for recognising the emotion; `None` for a system without an LLM.

    Args:
        processor: of the system.
        strategy: how the transcript is used (EmoSLLM, appendix A.4): not at all, in the user's turn, or as the start of
            the answer.
        transcript: what is said; `None` if that is unknown.
        labels: the emotions to choose from; the prompt lists them where training shuffled the list, else all.
        **known: gender, cues.
    """
    if not processor.has_llm:
        return None
    hint = transcript if strategy == "transcript-in-prompt" or processor.takes_transcript else None
    prompt = processor.settings.prompt
    # A system that was trained on one list of emotions reads that list, whichever of them are scored.
    listed = labels if prompt is None or prompt.shuffle_emotions else processor.labels
    return processor.build_conversation(
        EMOTION_TASK[strategy], labels=listed, transcript=transcript or "", hint=hint, emotion=labels.names[0], **known
    )


def score_emotions(
    model: System,
    processor: SpeechProcessor,
    samples: Sequence[Sample],
    labels: LabelSet,
    temperatures: Sequence[float] | None = None,
) -> list[dict[str, float]]:
    """Probability of each emotion for each sample, summing to 1, in the label set's order.

    With temperatures, each sample's log-probabilities are divided by its temperature and normalised again.
    """
    batch = processor.for_labels(samples, labels).to(model.device)
    scores = model.score(**batch).cpu()
    if temperatures is not None and any(temperature != 1 for temperature in temperatures):
        divisors = torch.tensor(temperatures, dtype=torch.float64)[:, None]
        scores = torch.log_softmax(scores.double() / divisors, dim=-1)
    return [dict(zip(labels.names, row, strict=True)) for row in scores.exp().tolist()]


def transcribe(
    model: SpeechLLM,
    processor: SpeechProcessor,
    samples: Sequence[Sample],
    max_new_tokens: int,
) -> list[str]:
    """Generate transcripts by greedy decoding; each sample's answer is cut before its transcript."""
    stop = StoppingCriteriaList([_BarSeen(processor)])
    texts = _generate(model, processor, samples, "transcript", max_new_tokens, stopping_criteria=stop)
    return [without_markup(text.partition("|")[0]) for text in texts]


def generate_emotions(
    model: SpeechLLM, processor: SpeechProcessor, samples: Sequence[Sample], max_new_tokens: int
) -> list[str]:
    """Generate answers by greedy decoding; each sample's answer is cut before its emotion."""
    return [without_markup(text) for text in _generate(model, processor, samples, "emotion", max_new_tokens)]


def free_answers(
    model: SpeechLLM, processor: SpeechProcessor, samples: Sequence[Sample], labels: LabelSet, max_new_tokens: int
) -> list[tuple[str, str | None]]:
    """Generated answer of each sample, and the emotion that it names; `None` where it names none."""
    templates = processor.settings.templates
    assert templates is not None
    answers = generate_emotions(model, processor, samples, max_new_tokens)
    return [(answer, named_emotion(answer, labels, templates)) for answer in answers]


def named_emotion(text: str, labels: LabelSet, templates: Templates) -> str | None:
    """The first emotion that a generated answer names, or `None`.

    For a system that answers in letters, only the exact letters count. Otherwise the words of the prompt and all
    words of the vocabulary count, in any case, as whole words ("unhappy" is not happy).
    """
    found: list[tuple[int, int, str]] = []
    for name in labels.names:
        code = templates.code(name)
        words = {code, *words_of_emotion(name)} if templates.words else {code}
        pattern = "|".join(rf"(?<!\w){re.escape(word)}(?!\w)" for word in words)
        match = re.search(pattern, text, re.IGNORECASE if templates.words else 0)
        if match:
            found.append((match.start(), -len(match.group()), name))
    return min(found)[2] if found else None


def _generate(
    model: SpeechLLM, processor: SpeechProcessor, samples: Sequence[Sample], kind: Kind, most: int, **options: Any
) -> list[str]:
    """Generate the text of each sample's answer from its first span of `kind` on."""
    rows = []
    for sample in samples:
        assert sample.conversation is not None
        rows.append(replace(sample, conversation=sample.conversation.before(kind)))
    batch = processor(rows, closed=False).to(model.device)
    tokens = model.generate(**batch, max_new_tokens=most, do_sample=False, **options)
    assert processor.tokenizer is not None
    return list(processor.tokenizer.batch_decode(tokens, skip_special_tokens=True))


class _BarSeen(StoppingCriteria):
    """Stop a row after the bar that closes a transcript; the emotion after it is scored and not generated."""

    def __init__(self, processor: SpeechProcessor) -> None:
        assert processor.tokenizer is not None
        vocabulary = processor.tokenizer.get_vocab()
        self.bars = torch.tensor(sorted(index for token, index in vocabulary.items() if "|" in token))

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor, **kwargs: Any) -> torch.Tensor:
        return torch.isin(input_ids[:, -1], self.bars.to(input_ids.device))


def prompts_contain_cues(processor: SpeechProcessor) -> bool:
    """Whether the prompts of a system describe acoustic cues."""
    return processor.settings.prompt is not None and processor.settings.prompt.cues is not None


def prompt_context(
    processor: SpeechProcessor,
    utterance: Utterance,
    samples: np.ndarray | None = None,
    measured: Callable[[Utterance], Mapping[str, float]] | None = None,
) -> dict[str, Any]:
    """The hints of a prompt: the utterance's gender, and its cues as levels.

    Args:
        processor: of the system.
        utterance: the utterance.
        samples: its recording `[T]`; not used with `measured`.
        measured: returns cached cues of an utterance.

    Raises:
        UserError: the prompts contain cues, and no thresholds of their levels were fitted.
    """
    cues = None
    if prompts_contain_cues(processor) and processor.takes_audio:
        thresholds = processor.settings.thresholds
        if thresholds is None:
            raise UserError(
                "the prompts of this system contain cues, but no training set gave their levels; train it, or "
                "set prompt.cues=null"
            )
        if measured is not None:
            cues = thresholds.describe(measured(utterance))
        else:
            assert samples is not None
            cues = thresholds.levels_of(samples)
    return {"gender": utterance.gender, "cues": cues}
