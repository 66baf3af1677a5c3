"""Check before the first step that every planned row fits the LLM's positions.

The check has three stages, from cheap to exact. An upper bound clears most rows: the longest wording of the task, one
token per byte of the transcript, and the audio vectors of the clip's duration. For the remaining rows the transcript is
tokenised. Rows that may still not fit are built as in training, longest first. Limitation: if a manifest states a
duration that is too short, the bound of that row is too low.
"""

from collections.abc import Callable
from functools import cache

import numpy as np
from transformers import PreTrainedConfig

from emosllm.audio import SAMPLE_RATE
from emosllm.errors import UserError
from emosllm.models.llms.llm import most_positions
from emosllm.prompting.chat_template import Tokens
from emosllm.prompting.conversation import build_conversation, without_markup
from emosllm.prompting.cues import cue_set
from emosllm.prompting.prompt_template import Templates
from emosllm.recipe_parts import Task
from emosllm.training.dataset import PhaseDataset
from emosllm.training.phase_trainer import collate_of

#: Margin in tokens: token boundaries change with neighbouring texts, the emotions' order and an example's emotion.
_SLACK = 64


def check_row_lengths(name: str, dataset: PhaseDataset, config: PreTrainedConfig) -> None:
    """Refuse a phase with a row that the LLM has no positions for.

    Args:
        name: the phase's name.
        dataset: the phase's samples, of a system with an LLM.
        config: the LLM's configuration.

    Raises:
        UserError: a row does not fit; the message names the longest.
    """
    positions = most_positions(config)
    if positions is None:
        return
    bounds = LengthBounds(dataset)
    pairs = {(item.utterance, item.task) for item in dataset.plan}  # epochs repeat them
    beyond = {pair for pair in pairs if bounds.upper_bound(*pair) > positions}
    lengths = {pair: length for pair in beyond if (length := bounds.tight_bound(*pair)) > positions}
    places = [place for place, item in enumerate(dataset.plan) if (item.utterance, item.task) in lengths]
    for place in sorted(places, key=lambda place: -lengths[dataset.plan[place].utterance, dataset.plan[place].task]):
        if (tokens := row_tokens(dataset, place)) > positions:
            row = f"{dataset.utterances[dataset.plan[place].utterance].id}: a row of {tokens} tokens in phase {name}"
            raise UserError(
                f"{row}, and the {config.model_type} in use reads at most {positions}; shorten its transcript or "
                "recording, take it out of the training data, or give fewer examples (prompt.examples)"
            )


def row_tokens(dataset: PhaseDataset, place: int) -> int:
    """Count the positions that a sample takes; read its recording only if its length or its cues change the count.

    Args:
        dataset: the phase's samples.
        place: the sample's place in the plan.
    """
    processor = dataset.processor
    fixed = processor.takes_audio and processor.settings.vectors.fixed is not None
    sample = dataset.sample(place, np.zeros((1, 1), np.float32) if fixed else None)
    batch = collate_of(dataset.phase, processor)([sample])
    tokens = batch["input_ids"].shape[1] + len(batch.get("prefix_ids", ()))
    return int(tokens + (batch["candidates"].shape[-1] - 1 if "candidates" in batch else 0))


class LengthBounds:
    """What the rows of a phase take at most.

    Args:
        dataset: the phase's samples, of a system with an LLM.
    """

    def __init__(self, dataset: PhaseDataset) -> None:
        assert dataset.processor.chat is not None
        self.utterances = dataset.utterances
        self.processor = dataset.processor
        self.chat = dataset.processor.chat
        self.augmentation = dataset.augmentation
        self._prompt = cache(self._longest_prompt)
        self._vectors = cache(self._vectors_of)

    def upper_bound(self, utterance: int, task: Task) -> int:
        """Bound a row's tokens by the bytes of its transcript: a text never has more tokens than bytes.

        Args:
            utterance: the index of the utterance.
            task: the task of the row.
        """
        return self._with_transcript(utterance, task, lambda text: len(text.encode()))

    def tight_bound(self, utterance: int, task: Task) -> int:
        """Bound a row's tokens by the tokens of its transcript."""
        return self._with_transcript(
            utterance, task, lambda text: self._size(self.chat.without_special_tokens(without_markup(text)))
        )

    def _with_transcript(self, place: int, task: Task, size: Callable[[str], int]) -> int:
        utterance = self.utterances[place]
        copies = (task != "ser") + self.processor.takes_transcript  # once in the answer, once in the prompt
        words = copies * size(utterance.transcript) if copies and utterance.transcript else 0
        return self._prompt(task) + words + self._vectors(self._seconds(place))

    def _longest_prompt(self, task: Task) -> int:
        """Count the tokens of a row without its clip and transcript, in the longest wording that can be drawn."""
        processor, prompt = self.processor, self.processor.settings.prompt
        assert prompt is not None
        assert processor.settings.templates is not None
        templates = self._longest_first(processor.settings.templates)
        known = None if prompt.cues is None else cue_set(prompt.cues)
        genders = {utterance.gender for utterance in self.utterances if utterance.gender}
        conversation = build_conversation(
            task,
            templates,
            prompt,
            processor.labels,
            audio=processor.takes_audio,
            emotion=processor.labels.names[0],
            hint="a" if processor.takes_transcript else None,
            gender=max(genders, key=self._size, default=None),
            cues=None if known is None else dict.fromkeys(known.cues, max(known.levels, key=self._size)),
        )
        answers = [conversation.with_emotion(templates.code(name)) for name in processor.labels.names]
        return _SLACK + max(_length(self.chat.encode(each)) for each in answers)

    def _longest_first(self, templates: Templates) -> Templates:
        """Sort the prompts so that the first of each kind is the longest."""
        changed: dict[str, object] = {
            "tasks": {task: sorted(texts, key=self._size, reverse=True) for task, texts in templates.tasks.items()},
            "examples": sorted(templates.examples, key=lambda example: self._size(example[0]), reverse=True),
        }
        if templates.cues_intro is not None:
            changed["cues_intro"] = sorted(templates.cues_intro, key=self._size, reverse=True)
        return templates.model_copy(update=changed)

    def _seconds(self, place: int) -> int:
        """Bound the clip's seconds after augmentation, rounded up; the longest allowed if its duration is unknown."""
        utterance, longest = self.utterances[place], self.processor.longest
        seconds = utterance.duration
        if seconds is None:
            seconds = longest if utterance.end is None else utterance.end - utterance.start
        if self.augmentation is not None:
            seconds = seconds / min(1.0, self.augmentation.speed[0]) + 2 * self.augmentation.silence_s[1]
        return int(np.ceil(min(seconds, longest)))

    def _vectors_of(self, seconds: int) -> int:
        """Count the audio vectors of a clip by running the feature extractor on silence of the same length."""
        vectors = self.processor.settings.vectors
        if not self.processor.takes_audio or vectors.fixed is not None:
            return vectors.of_frames(0) if self.processor.takes_audio else 0
        silence = np.zeros(int(min(max(seconds, 1), self.processor.longest) * SAMPLE_RATE), np.float32)
        return vectors.of_steps(self.processor.features([silence])["audio_attention"].sum(-1).tolist())

    def _size(self, text: str) -> int:
        return len(self.chat.tokenizer(text, add_special_tokens=False)["input_ids"])


def _length(row: Tokens) -> int:
    return len(row.head) + len(row.tail)
