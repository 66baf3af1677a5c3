"""Dataset of a planned phase: a random generator seeded with n decides the prompt and augmentation of sample n."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from torch.utils.data import Dataset

from emosllm.audio import load_audio
from emosllm.augmentation import Augment, augment
from emosllm.errors import UserError
from emosllm.prompting.processor import Sample, SpeechProcessor
from emosllm.recipe_parts import Phase
from emosllm.training.phase_plan import PlannedSample
from emosllm.utterance import Utterance


class PhaseDataset(Dataset[Sample]):
    """The samples of one phase in planned order.

    Args:
        plan: the output of `plan_phase`.
        utterances: the list that the plan indexes.
        processor: builds each sample's conversation and audio features.
        phase: sets the weight of the transcript over the course of the phase.
        seed: seed of this phase; a sample's random draws depend only on it and on the sample's index.
        augmentation: how recordings are changed; `None` leaves them unchanged.
        cached: returns the file of the encoder's frames of an utterance's view; `None` computes frames in training.
        views: cached augmented versions of each recording, in addition to the original, which is view 0.
        measured: returns an utterance's measured cues; `None` measures them at each access.
    """

    def __init__(
        self,
        plan: Sequence[PlannedSample],
        utterances: Sequence[Utterance],
        processor: SpeechProcessor,
        phase: Phase,
        seed: tuple[int, ...],
        augmentation: Augment | None = None,
        cached: Callable[[Utterance, int], Path] | None = None,
        measured: Callable[[Utterance], Mapping[str, float]] | None = None,
        views: int = 0,
    ) -> None:
        assert augmentation is None or cached is None or views, "frames that change at each access cannot be cached"
        self.plan = plan
        self.utterances = utterances
        self.processor = processor
        self.phase = phase
        self.seed = seed
        self.augmentation = augmentation
        self.cached = cached
        self.measured = measured
        self.views = views
        self.class_weights = self._weights()

    def __len__(self) -> int:
        return len(self.plan)

    def __getitem__(self, index: int) -> Sample:
        return self.sample(index)

    def sample(self, index: int, stand_in: np.ndarray | None = None) -> Sample:
        """Build one sample.

        Args:
            index: its place in the plan.
            stand_in: frames `[N, D]` used instead of the recording's, for callers that need only the text.
        """
        item = self.plan[index]
        utterance = self.utterances[item.utterance]
        rng = np.random.default_rng((*self.seed, index))
        samples, frames = None, stand_in
        if frames is None and self.cached is not None:
            # A separate generator, so that the choice of a view does not change the other draws.
            view = int(np.random.default_rng((*self.seed, index, 1)).integers(self.views + 1))
            frames = load_frames(self.cached(utterance, view))
        thresholds = self.processor.settings.thresholds
        if self.processor.takes_audio and (frames is None or (thresholds is not None and self.measured is None)):
            samples = load_utterance(utterance)
        emotion = self.processor.labels.classify(utterance.emotion)
        conversation = None
        if self.processor.has_llm:
            conversation = self.processor.build_conversation(
                item.task,
                transcript=utterance.transcript or "",
                emotion=emotion,
                hint=utterance.transcript if self.processor.takes_transcript else None,
                gender=utterance.gender,
                cues=self._cues(utterance, samples),
                rng=rng,
            )
        if samples is not None and self.augmentation is not None:  # last, so that it does not change the other draws
            changed = augment(samples, rng, self.augmentation)
            samples = changed if self.processor.fits_one_utterance(changed) else samples
        start, end = self.phase.transcript_weight
        return Sample(
            conversation,
            samples=None if frames is not None else samples,
            frames=frames,
            transcript_weight=start + (end - start) * index / max(1, len(self.plan) - 1),
            **self._class(emotion),
        )

    def _cues(self, utterance: Utterance, samples: np.ndarray | None) -> dict[str, str] | None:
        """Return cue -> level of the original recording; `None` if the prompt contains no cues."""
        thresholds = self.processor.settings.thresholds
        if thresholds is None or not self.processor.takes_audio:
            return None
        if self.measured is not None:
            return thresholds.describe(self.measured(utterance))
        assert samples is not None
        return thresholds.levels_of(samples)

    def _class(self, emotion: str | None) -> dict[str, Any]:
        """Return the true class and its weight if the loss is over classes."""
        if self.phase.loss != "classes":
            return {}
        assert emotion is not None, "the plan holds labelled utterances only"
        return {"target": self.processor.labels.names.index(emotion), "class_weight": self.class_weights[emotion]}

    def _weights(self) -> dict[str, float]:
        """Return the weight of each class: 1, or if balanced N / (K n), so that the mean over the samples is 1."""
        classify = self.processor.labels.classify
        counts = Counter(classify(self.utterances[item.utterance].emotion) for item in self.plan)
        total = sum(counts.values())
        balanced = self.phase.class_weights == "balanced"
        return {name: total / (len(counts) * n) if balanced else 1.0 for name, n in counts.items() if name}


def load_frames(path: Path) -> np.ndarray:
    """Map a file of cached frames into memory; an array of objects, which would be a pickle, is refused.

    Raises:
        UserError: the file is damaged.
    """
    try:
        return np.load(path, mmap_mode="r", allow_pickle=False)
    except (ValueError, EOFError):
        raise UserError(f"{path}: the cached frames cannot be read; delete that file, and run again") from None


def load_utterance(utterance: Utterance) -> np.ndarray:
    """Load an utterance's samples `[T]`.

    Raises:
        UserError: the utterance has no recording, or its recording cannot be read.
    """
    if utterance.audio is None:
        raise UserError(f"{utterance.id}: no recording, and this system needs one")
    return load_audio(utterance.audio, start=utterance.start, end=utterance.end)
