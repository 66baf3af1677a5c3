"""Convert conversations and clips to model inputs, in training, evaluation and serving.

`SpeechProcessor` is the processor that is saved with a model: tokenizer, feature extractor, and all settings of the
prompt (templates, labels, hints, thresholds of the cues). A system that only reads text has no feature extractor. A
system without an LLM has no tokenizer.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from pydantic import BaseModel, ConfigDict
from torch import Tensor
from transformers import BatchFeature, FeatureExtractionMixin, PreTrainedTokenizerBase

from emosllm.audio import SAMPLE_RATE, AudioError
from emosllm.labels import LABEL_SETS, LabelSet
from emosllm.level import set_level
from emosllm.prompting.audio_vectors import AudioVectors
from emosllm.prompting.audio_windows import in_windows, padding
from emosllm.prompting.chat_template import Chat, Tokens
from emosllm.prompting.conversation import Conversation, build_conversation
from emosllm.prompting.cues import Thresholds
from emosllm.prompting.prompt_template import Templates, check_templates, load_templates
from emosllm.prompting.saved_processor import SavedProcessor
from emosllm.prompting.token_rows import IGNORED, batch_rows, pad_candidates, without_labels
from emosllm.recipe import Recipe
from emosllm.recipe_parts import AudioPart, PromptPart, Task, Window

__all__ = ["IGNORED", "ProcessorSettings", "Sample", "SpeechProcessor"]


class ProcessorSettings(BaseModel):
    """Settings of a processor besides the tokenizer and the feature extractor.

    Attributes:
        labels: name of the label set.
        prompt: the recipe's prompt settings; `None` without an LLM.
        templates: the prompt templates; `None` without an LLM.
        audio: limits on the length of a clip.
        window: whether clips are padded to the encoder's fixed window, or to the longest of a batch.
        vectors: the number of LLM input vectors that a clip takes.
        thresholds: thresholds of the cues' levels, if the prompts contain cues.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    labels: str
    prompt: PromptPart | None = None
    templates: Templates | None = None
    audio: AudioPart = AudioPart()
    window: Window = "model"
    vectors: AudioVectors = AudioVectors()
    thresholds: Thresholds | None = None


@dataclass(frozen=True, slots=True)
class Sample:
    """The input of one row of a batch.

    Attributes:
        conversation: prompt and answer; `None` without an LLM.
        samples: the clip, `[T]` at 16 kHz.
        frames: alternatively, precomputed encoder frames, `[N, D]`, or `[N, S, D]` with several hidden states.
        transcript_weight: weight of a transcript token in the loss over tokens.
        target: index of the class in the label set, for the loss over classes.
        class_weight: weight of the clip in that loss.
    """

    conversation: Conversation | None = None
    samples: np.ndarray | None = None
    frames: np.ndarray | None = None
    transcript_weight: float = 1.0
    target: int | None = None
    class_weight: float = 1.0


class SpeechProcessor(SavedProcessor):
    """Tokenizer, feature extractor and prompts of one system.

    Args:
        feature_extractor: of the speech encoder; `None` for a system that only reads text.
        tokenizer: of the LLM; `None` for a system without an LLM.
        settings: `ProcessorSettings`, or the plain values that are saved as JSON.
    """

    def __init__(
        self,
        feature_extractor: FeatureExtractionMixin | None,
        tokenizer: PreTrainedTokenizerBase | None,
        settings: Mapping[str, Any] | ProcessorSettings,
    ) -> None:
        self.feature_extractor = feature_extractor
        self.tokenizer = tokenizer
        self.settings = ProcessorSettings.model_validate(settings)
        self.chat = None if tokenizer is None else Chat(tokenizer)
        if self.chat is not None and self.settings.templates is not None:
            self.chat.check_tokens(self.settings.templates.tokens)

    @classmethod
    def build(
        cls,
        recipe: Recipe,
        feature_extractor: FeatureExtractionMixin | None,
        tokenizer: PreTrainedTokenizerBase | None,
        vectors: AudioVectors,
        thresholds: Thresholds | None = None,
    ) -> "SpeechProcessor":
        """Create the processor of a recipe.

        Raises:
            UserError: the prompt templates lack a text that the recipe needs.
        """
        templates = None
        if recipe.prompt is not None:
            check_templates(recipe)
            templates = load_templates(recipe.prompt.templates)
        settings = ProcessorSettings(
            labels=recipe.labels,
            prompt=recipe.prompt,
            templates=templates,
            audio=recipe.audio,
            window=recipe.encoder.window if recipe.encoder is not None else "model",
            vectors=vectors,
            thresholds=thresholds,
        )
        return cls(feature_extractor, tokenizer, settings)

    @property
    def labels(self) -> LabelSet:
        """The emotions that this system answers with."""
        return LABEL_SETS[self.settings.labels]

    @property
    def takes_audio(self) -> bool:
        """Whether the system processes recordings."""
        return self.feature_extractor is not None

    @property
    def takes_transcript(self) -> bool:
        """Whether every prompt of this system contains the transcript."""
        return self.settings.prompt is not None and self.settings.prompt.transcript

    @property
    def has_llm(self) -> bool:
        """Whether the system has an LLM."""
        return self.chat is not None

    def build_conversation(self, task: Task, **known: Any) -> Conversation:
        """Build a conversation with this system's templates, hints and labels; an argument `labels` replaces them."""
        settings = self.settings
        assert settings.templates is not None
        assert settings.prompt is not None
        assert self.chat is not None
        known = {
            "labels": self.labels,
            "audio": self.takes_audio,
            "sanitise": self.chat.without_special_tokens,
            **known,
        }
        return build_conversation(task, settings.templates, settings.prompt, **known)

    def __call__(self, samples: Sequence[Sample], closed: bool = True) -> BatchFeature:
        """Batch of rows: with complete answers for training (`closed`), with the start of the answers for generation.

        Returns:
            `prefix_ids` `[P]`, the shared prefix; `input_ids`, `attention_mask`, `audio_mask`, and if closed `labels`
            and `label_weights`, all `[B, L]` and padded on the right; and the tensors of the clips.

        Raises:
            AudioError: a clip is longer than this system's limit.
        """
        assert self.chat is not None, "a system without an LLM has no rows; see for_labels"
        rows = [self.chat.encode(_conversation(sample), closed) for sample in samples]
        clips, lengths = self._clips(samples)
        batch = self._rows(rows, lengths, [sample.transcript_weight for sample in samples])
        return BatchFeature({**(batch if closed else without_labels(batch)), **clips})

    def for_labels(self, samples: Sequence[Sample], labels: LabelSet | None = None) -> BatchFeature:
        """Batch of rows up to the emotion, with the candidate answers for each of the K emotions.

        Returns:
            As `__call__`, with `candidates` `[B, K, C]`: token ids of each emotion, padded with `IGNORED`, or indices
            of a head's classes; and if the samples have targets, `labels` `[B]` and `label_weights` `[B]`.
        """
        labels = labels or self.labels
        clips, lengths = self._clips(samples)
        batch: dict[str, Tensor] = {}
        if self.chat is None:
            columns = [[self.labels.names.index(name)] for name in labels.names]
            batch["candidates"] = torch.tensor([columns] * len(samples))
        else:
            encoded = [self.chat.candidates(self._with_emotions(_conversation(sample), labels)) for sample in samples]
            batch |= without_labels(self._rows([tokens for tokens, _ in encoded], lengths, [1.0] * len(samples)))
            batch["candidates"] = pad_candidates([named for _, named in encoded])
        if all(sample.target is not None for sample in samples):
            batch["labels"] = torch.tensor([sample.target for sample in samples])
            batch["label_weights"] = torch.tensor([sample.class_weight for sample in samples])
        return BatchFeature({**batch, **clips})

    def _with_emotions(self, conversation: Conversation, labels: LabelSet) -> list[Conversation]:
        """The conversation with each emotion as its answer; its own answer must contain an emotion."""
        assert self.settings.templates is not None
        return [conversation.with_emotion(self.settings.templates.code(name)) for name in labels.names]

    def _rows(
        self, rows: Sequence[Tokens], lengths: Iterator[int], transcript_weights: Sequence[float]
    ) -> dict[str, Tensor]:
        assert self.tokenizer is not None
        pad = self.tokenizer.pad_token_id if self.tokenizer.pad_token_id is not None else 0
        vectors = [next(lengths) if row.audio else 0 for row in rows]
        return batch_rows(rows, vectors, transcript_weights, pad)

    def _clips(self, samples: Sequence[Sample]) -> tuple[Mapping[str, Tensor], Iterator[int]]:
        """Tensors of the samples' clips or frames, and the number of vectors of each clip."""
        vectors = self.settings.vectors
        frames = [torch.from_numpy(np.array(sample.frames)) for sample in samples if sample.frames is not None]
        if frames:
            lengths = torch.tensor([len(clip) for clip in frames])
            padded = torch.nn.utils.rnn.pad_sequence(frames, batch_first=True)
            mask = torch.arange(padded.shape[1])[None] < lengths[:, None]
            return {"frames": padded, "frames_mask": mask}, (vectors.of_frames(len(clip)) for clip in frames)
        clips = [sample.samples for sample in samples if sample.samples is not None]
        if not clips:
            return {}, iter(())
        features = self.features(clips)
        steps = iter(features["audio_attention"].sum(-1).tolist())
        windows = features.get("windows", torch.ones(len(clips), dtype=torch.long)).tolist()
        return features, (vectors.of_steps([next(steps) for _ in range(count)]) for count in windows)

    @property
    def _window(self) -> float | None:
        """Length of the encoder's fixed window in seconds (30 s for Whisper); `None` where there is no such window."""
        return getattr(self.feature_extractor, "chunk_length", None)

    @property
    def longest(self) -> float:
        """Longest utterance of this system in seconds: the recipe's limit or the encoder's window."""
        audio = self.settings.audio
        return audio.max_seconds if audio.beyond_window == "windows" else min(audio.max_seconds, self._window or np.inf)

    def fits_one_utterance(self, samples: np.ndarray) -> bool:
        """Whether `samples` `[T]` are short enough for one utterance."""
        return len(samples) <= self.longest * SAMPLE_RATE

    def check_length(self, samples: np.ndarray, name: str = "a recording") -> None:
        """Refuse a clip that is longer than the encoder's window or the recipe's limit; it is never truncated.

        Raises:
            AudioError: `samples` `[T]` are longer than one utterance of this system may be.
        """
        self.check_seconds(len(samples) / SAMPLE_RATE, name)

    def check_seconds(self, seconds: float, name: str) -> None:
        """Like `check_length`, for the length in seconds of a recording that is not decoded yet."""
        if seconds > self.longest:
            windows = "" if seconds > self.settings.audio.max_seconds else " (or audio.beyond_window=windows)"
            raise AudioError(
                f"{name}: {seconds:.1f} s, and this system takes at most {self.longest:g} s as one "
                f"utterance; cut it, or give start and end in a manifest{windows}"
            )

    def features(self, clips: Sequence[np.ndarray]) -> dict[str, Tensor]:
        """Input of the encoder: `audio` `[W, T]` or `[W, T, F]` and `audio_attention` `[W, T]`.

        There is one row for each clip. Clips that are read in several windows have more rows; `windows` `[A]` is then
        the number of rows of each clip.

        Raises:
            AudioError: a clip is longer than this system's limit.
        """
        assert self.feature_extractor is not None, "this system takes no audio"
        for clip in clips:
            self.check_length(clip)
        if (level := self.settings.audio.level) is not None:
            clips = [set_level(clip, level) for clip in clips]
        cut = [in_windows(clip, self._window) for clip in clips]
        pieces = [window for windows in cut for window in windows]
        features = self.feature_extractor(
            pieces,
            sampling_rate=SAMPLE_RATE,
            return_attention_mask=True,
            return_tensors="pt",
            **padding(self.feature_extractor, self.settings.window, max(map(len, pieces))),
        )
        batch = {
            "audio": features[self.feature_extractor.model_input_names[0]],
            "audio_attention": features["attention_mask"].long(),
        }
        if len(batch["audio"]) > len(clips):
            batch["windows"] = torch.tensor([len(windows) for windows in cut])
        return batch


def _conversation(sample: Sample) -> Conversation:
    assert sample.conversation is not None
    return sample.conversation
