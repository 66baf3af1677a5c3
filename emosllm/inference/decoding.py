"""The questions one can ask a system: what is said (generated), and with which emotion (scored, or said freely).

Scores are how emotions are recognised here. A free answer is for measuring what papers measured: an emotion is looked
for in the text, and an answer that names none is counted.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from transformers import StoppingCriteria, StoppingCriteriaList

from emosllm.errors import UserError
from emosllm.labels import LabelSet, spellings
from emosllm.models.build import System
from emosllm.models.speech_llm import SpeechLLM
from emosllm.prompting.conversation import Conversation, Kind, plain
from emosllm.prompting.processor import Sample, SpeechProcessor
from emosllm.prompting.prompt_template import Templates
from emosllm.recipe_parts import EMOTION_TASK, Strategy
from emosllm.utterance import Utterance


def emotion_question(
    processor: SpeechProcessor, strategy: Strategy, transcript: str | None, labels: LabelSet, **known: Any
) -> Conversation | None:
    """The conversation whose answer is about to name the emotion; `None` for a system without an LLM.

    Args:
        processor: of the system.
        strategy: how the transcript is used (EmoSLLM, appendix A.4): not at all, in the user's turn, or as the start of
            the answer.
        transcript: what is said, as far as anybody knows.
        labels: the emotions to choose from; the prompt lists them where training shuffled the list, else all.
        **known: gender, cues.
    """
    if not processor.talks:
        return None
    hint = transcript if strategy == "transcript-in-prompt" or processor.reads else None
    prompt = processor.settings.prompt
    # A system that was trained on one list of emotions reads that list, whichever of them are scored.
    listed = labels if prompt is None or prompt.shuffle_emotions else processor.labels
    return processor.converse(
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

    Where temperatures are given, each sample's log-probabilities are divided by its own and made to sum to 1 again.
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
    """What the system hears, greedily; each sample's answer is broken off where the transcript would begin."""
    stop = StoppingCriteriaList([_BarSeen(processor)])
    texts = _generate(model, processor, samples, "transcript", max_new_tokens, stopping_criteria=stop)
    return [plain(text.partition("|")[0]) for text in texts]


def generate_emotions(
    model: SpeechLLM, processor: SpeechProcessor, samples: Sequence[Sample], max_new_tokens: int
) -> list[str]:
    """The system's free answers, greedily; each sample's answer is broken off where the emotion would be named."""
    return [plain(text) for text in _generate(model, processor, samples, "emotion", max_new_tokens)]


def free_answers(
    model: SpeechLLM, processor: SpeechProcessor, samples: Sequence[Sample], labels: LabelSet, max_new_tokens: int
) -> list[tuple[str, str | None]]:
    """Each sample's free answer, and the emotion that it names, `None` where it names none."""
    templates = processor.settings.templates
    assert templates is not None
    said = generate_emotions(model, processor, samples, max_new_tokens)
    return [(answer, named_emotion(answer, labels, templates)) for answer in said]


def named_emotion(text: str, labels: LabelSet, templates: Templates) -> str | None:
    """The emotion that a free answer names first, or `None`.

    Letters count where the system answers in letters, and only as they are; words in any spelling of the vocabulary
    and the prompt's own, in any case, and as whole words ("unhappy" is not happy).
    """
    found: list[tuple[int, int, str]] = []
    for name in labels.names:
        code = templates.code(name)
        words = {code, *spellings(name)} if templates.words else {code}
        pattern = "|".join(rf"(?<!\w){re.escape(word)}(?!\w)" for word in words)
        match = re.search(pattern, text, re.IGNORECASE if templates.words else 0)
        if match:
            found.append((match.start(), -len(match.group()), name))
    return min(found)[2] if found else None


def _generate(
    model: SpeechLLM, processor: SpeechProcessor, samples: Sequence[Sample], kind: Kind, most: int, **options: Any
) -> list[str]:
    """What the LLM says where each sample's answer comes to a span of `kind`."""
    rows = []
    for sample in samples:
        assert sample.conversation is not None
        rows.append(replace(sample, conversation=sample.conversation.before(kind)))
    batch = processor(rows, closed=False).to(model.device)
    tokens = model.generate(**batch, max_new_tokens=most, do_sample=False, **options)
    assert processor.tokenizer is not None
    return list(processor.tokenizer.batch_decode(tokens, skip_special_tokens=True))


class _BarSeen(StoppingCriteria):
    """Stops a row once it has said the bar that closes a transcript; what follows is scored, not generated."""

    def __init__(self, processor: SpeechProcessor) -> None:
        assert processor.tokenizer is not None
        vocabulary = processor.tokenizer.get_vocab()
        self.bars = torch.tensor(sorted(index for token, index in vocabulary.items() if "|" in token))

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor, **kwargs: Any) -> torch.Tensor:
        return torch.isin(input_ids[:, -1], self.bars.to(input_ids.device))


def tells_cues(processor: SpeechProcessor) -> bool:
    """Whether the prompts of a system describe acoustic cues."""
    return processor.settings.prompt is not None and processor.settings.prompt.cues is not None


def hints(
    processor: SpeechProcessor,
    utterance: Utterance,
    samples: np.ndarray | None = None,
    measured: Callable[[Utterance], Mapping[str, float]] | None = None,
) -> dict[str, Any]:
    """The hints that a system was trained with: gender as given, cues as measured.

    Args:
        processor: of the system.
        utterance: what is asked about.
        samples: its recording `[T]`; not read where the cues were measured before.
        measured: the cues of utterances that were measured before.

    Raises:
        UserError: the system is told cues, and the levels of its cues were never measured.
    """
    cues = None
    if tells_cues(processor) and processor.listens:
        thresholds = processor.settings.thresholds
        if thresholds is None:
            raise UserError(
                "this system is told cues, but their levels were never measured on a training set; train it, or "
                "set prompt.cues=null"
            )
        if measured is not None:
            cues = thresholds.describe(measured(utterance))
        else:
            assert samples is not None
            cues = thresholds.tell(samples)
    return {"gender": utterance.gender, "cues": cues}
