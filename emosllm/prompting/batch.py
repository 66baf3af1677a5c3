"""The one door: conversations and clips in, tensors out, in training, evaluation and serving alike.

`SpeechProcessor` is the processor that is saved beside a model: tokenizer, feature extractor, and all that decides
what the LLM is told (templates, labels, hints, thresholds of the cues).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from pydantic import BaseModel, ConfigDict
from torch import Tensor
from transformers import BatchFeature, FeatureExtractionMixin, PreTrainedTokenizerBase
from transformers.processing_utils import ProcessorMixin

from emosllm.audio import SAMPLE_RATE, AudioError
from emosllm.labels import LABEL_SETS, LabelSet
from emosllm.log_mel import register as register_log_mel
from emosllm.prompting.chat import Chat, Tokens
from emosllm.prompting.conversation import Conversation, converse
from emosllm.prompting.cues import Thresholds
from emosllm.prompting.templates import Templates, load_templates
from emosllm.recipe import PromptPart, Recipe, Task

register_log_mel()  # so that a checkpoint's AutoFeatureExtractor knows nano's

IGNORED = -100  # a label that counts for nothing, as in transformers


class ProcessorSettings(BaseModel):
    """What a processor keeps beside tokenizer and feature extractor."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    labels: str
    prompt: PromptPart
    templates: Templates
    audio_vectors: int
    max_seconds: float
    thresholds: Thresholds | None = None


@dataclass(frozen=True, slots=True)
class Sample:
    """One row to be: what is said, and the clip as samples `[T]` or as the encoder's cached frames `[N, D]`."""

    conversation: Conversation
    samples: np.ndarray | None = None
    frames: np.ndarray | None = None
    transcript_weight: float = 1.0


class SpeechProcessor(ProcessorMixin):
    """Tokenizer, feature extractor and prompts of one system.

    Args:
        feature_extractor: of the speech encoder.
        tokenizer: of the LLM.
        settings: `ProcessorSettings` as plain values, so that it is saved as JSON.
    """

    def __init__(
        self, feature_extractor: FeatureExtractionMixin, tokenizer: PreTrainedTokenizerBase, settings: dict[str, Any]
    ) -> None:
        super().__init__(feature_extractor, tokenizer)
        self.settings = settings
        self.verified = ProcessorSettings.model_validate(settings)
        self.chat = Chat(tokenizer)

    @classmethod
    def build(
        cls,
        recipe: Recipe,
        feature_extractor: FeatureExtractionMixin,
        tokenizer: PreTrainedTokenizerBase,
        thresholds: Thresholds | None = None,
    ) -> "SpeechProcessor":
        """The processor of a recipe."""
        settings = ProcessorSettings(
            labels=recipe.labels,
            prompt=recipe.prompt,
            templates=load_templates(recipe.prompt.templates),
            audio_vectors=recipe.mapper.queries,
            max_seconds=recipe.audio.max_seconds,
            thresholds=thresholds,
        )
        return cls(feature_extractor, tokenizer, settings.model_dump(mode="json"))

    @property
    def labels(self) -> LabelSet:
        """The emotions that this system answers with."""
        return LABEL_SETS[self.verified.labels]

    def converse(self, task: Task, **known: Any) -> Conversation:
        """`conversation.converse` with this system's templates, hints and labels; `labels` narrows the choice."""
        labels = known.pop("labels", self.labels)
        return converse(task, self.verified.templates, self.verified.prompt, labels, **known)

    def __call__(self, samples: Sequence[Sample], closed: bool = True) -> BatchFeature:
        """Rows to read: for training with whole answers (`closed`), for generation with the answers' beginnings.

        Returns:
            `prefix_ids` `[P]` that all rows begin with; `input_ids`, `attention_mask`, `audio_mask`, and if closed
            `labels` and `label_weights`, all `[B, L]` and padded on the right; `audio` and `audio_attention` of the A
            rows that have a clip, or `frames` `[A, N, D]` and `frames_mask` `[A, N]` where the encoder ran before.

        Raises:
            AudioError: a clip is longer than this system takes.
        """
        rows = [self.chat.encode(sample.conversation, closed) for sample in samples]
        batch = self._tensors(rows, [sample.transcript_weight for sample in samples])
        return BatchFeature({**(batch if closed else _open(batch)), **self._clips(samples)})

    def for_labels(self, samples: Sequence[Sample], labels: LabelSet | None = None) -> BatchFeature:
        """Rows up to the emotion, and for each of the K emotions the ids that would name it.

        Returns:
            As `__call__`, with `candidates` `[B, K, C]` (padded with `IGNORED`).
        """
        labels = labels or self.labels
        encoded = [self.chat.candidates(_with_emotions(sample.conversation, labels)) for sample in samples]
        batch = _open(self._tensors([tokens for tokens, _ in encoded], [1.0] * len(samples)))
        longest = max(len(ids) for _, named in encoded for ids in named)
        batch["candidates"] = torch.tensor(
            [[[*ids, *[IGNORED] * (longest - len(ids))] for ids in named] for _, named in encoded]
        )
        return BatchFeature({**batch, **self._clips(samples)})

    def _tensors(self, rows: Sequence[Tokens], transcript_weights: Sequence[float]) -> dict[str, Tensor]:
        shared = _shared_prefix([row.head for row in rows], whole=all(row.audio for row in rows))
        pad = self.tokenizer.pad_token_id if self.tokenizer.pad_token_id is not None else 0
        lines = [
            _line(row, shared, self.verified.audio_vectors, weight, pad)
            for row, weight in zip(rows, transcript_weights, strict=True)
        ]
        fill = {"input_ids": pad, "attention_mask": 0, "audio_mask": False, "labels": IGNORED, "label_weights": 0.0}
        batch = {
            name: torch.nn.utils.rnn.pad_sequence([line[name] for line in lines], batch_first=True, padding_value=value)
            for name, value in fill.items()
        }
        if shared:
            batch["prefix_ids"] = torch.tensor(rows[0].head[:shared])
        return batch

    def _clips(self, samples: Sequence[Sample]) -> Mapping[str, Tensor]:
        frames = [torch.from_numpy(np.array(sample.frames)) for sample in samples if sample.frames is not None]
        if frames:
            lengths = torch.tensor([len(clip) for clip in frames])
            padded = torch.nn.utils.rnn.pad_sequence(frames, batch_first=True)
            return {"frames": padded, "frames_mask": torch.arange(padded.shape[1])[None] < lengths[:, None]}
        clips = [sample.samples for sample in samples if sample.samples is not None]
        return self.features(clips) if clips else {}

    @property
    def _window(self) -> float | None:
        """Seconds of the encoder's fixed window (Whisper's 30 s), where it has one."""
        return getattr(self.feature_extractor, "chunk_length", None)

    @property
    def longest(self) -> float:
        """Seconds that this system takes as one utterance: the recipe's limit, or the encoder's window."""
        return min(self.verified.max_seconds, self._window or self.verified.max_seconds)

    def has_room(self, samples: np.ndarray) -> bool:
        """Whether `samples` `[T]` are short enough to be one utterance."""
        return len(samples) <= self.longest * SAMPLE_RATE

    def check_length(self, samples: np.ndarray, name: str = "a recording") -> None:
        """Refuse what the encoder's window or the recipe has no room for, rather than cut it in silence.

        Raises:
            AudioError: `samples` `[T]` are longer than this system takes as one utterance.
        """
        self.check_seconds(len(samples) / SAMPLE_RATE, name)

    def check_seconds(self, seconds: float, name: str) -> None:
        """The same, by a length in seconds: of a recording that nobody has decoded yet."""
        if seconds > self.longest:
            raise AudioError(
                f"{name}: {seconds:.1f} s, and this system takes at most {self.longest:g} s as one "
                "utterance; cut it, or give start and end in a manifest"
            )

    def features(self, clips: Sequence[np.ndarray]) -> dict[str, Tensor]:
        """What the encoder eats: `audio` `[A, T]` or `[A, T, F]` and `audio_attention` `[A, T]`.

        Raises:
            AudioError: a clip is longer than this system takes.
        """
        for clip in clips:
            self.check_length(clip)
        features = self.feature_extractor(
            list(clips),
            sampling_rate=SAMPLE_RATE,
            padding="longest" if self._window is None else "max_length",
            return_attention_mask=True,
            return_tensors="pt",
        )
        return {
            "audio": features[self.feature_extractor.model_input_names[0]],
            "audio_attention": features["attention_mask"].long(),
        }


def _open(batch: dict[str, Tensor]) -> dict[str, Tensor]:
    """A batch whose answers are yet to come: nothing to compare them with."""
    return {name: tensor for name, tensor in batch.items() if name not in ("labels", "label_weights")}


def _with_emotions(conversation: Conversation, labels: LabelSet) -> list[Conversation]:
    """The conversation once for each letter; its own answer must have a place for the emotion."""
    return [conversation.with_emotion(letter) for letter in labels.letters]


def _shared_prefix(heads: Sequence[tuple[int, ...]], whole: bool) -> int:
    """Length of the longest common beginning of the rows, found and not configured.

    Args:
        heads: ids before each row's clip (or answer).
        whole: whether a head may be shared to its end; a row must keep one token of its own where no clip follows.
    """
    limit = min(len(head) for head in heads) - (0 if whole else 1)
    shared = 0
    while shared < limit and all(head[shared] == heads[0][shared] for head in heads):
        shared += 1
    return shared


def _line(row: Tokens, shared: int, vectors: int, transcript_weight: float, pad: int) -> dict[str, Tensor]:
    """One row after the shared prefix, without padding. `labels` and weights are set where the row is answer."""
    gap = vectors if row.audio else 0
    own = row.head[shared:]
    blank = len(own) + gap
    labels = [IGNORED if kind is None else token for token, kind in zip(row.tail, row.kinds, strict=True)]
    weights = [0.0 if kind is None else transcript_weight if kind == "transcript" else 1.0 for kind in row.kinds]
    length = blank + len(row.tail)
    return {
        "input_ids": torch.tensor([*own, *[pad] * gap, *row.tail]),
        "attention_mask": torch.ones(length, dtype=torch.long),
        "audio_mask": torch.tensor([False] * len(own) + [True] * gap + [False] * len(row.tail)),
        "labels": torch.tensor([IGNORED] * blank + labels),
        "label_weights": torch.tensor([0.0] * blank + weights),
    }
