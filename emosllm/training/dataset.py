"""A planned phase as a dataset: sample number n is loaded, changed and put into words by a generator seeded with n."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from torch.utils.data import Dataset

from emosllm.audio import load_audio
from emosllm.augment import Augment, augment
from emosllm.errors import UserError
from emosllm.prompting.batch import Sample, SpeechProcessor
from emosllm.prompting.cues import measure
from emosllm.recipe import Phase
from emosllm.training.plan import Item
from emosllm.utterance import Utterance


class PhaseDataset(Dataset[Sample]):
    """The samples of one phase in their order.

    Args:
        plan: what `plan_phase` laid out.
        utterances: what the plan's numbers point at.
        processor: puts samples into words.
        phase: gives the transcript's weight over the course of the phase.
        seed: of this phase; a sample's draws depend on it and on the sample's place alone.
        augmentation: how recordings are changed; `None` leaves them.
        cached: where the encoder's frames of an utterance lie, if they were computed before.
    """

    def __init__(
        self,
        plan: Sequence[Item],
        utterances: Sequence[Utterance],
        processor: SpeechProcessor,
        phase: Phase,
        seed: tuple[int, ...],
        augmentation: Augment | None = None,
        cached: Callable[[Utterance], Path] | None = None,
    ) -> None:
        assert augmentation is None or cached is None, "what changes every time can't be cached"
        self.plan = plan
        self.utterances = utterances
        self.processor = processor
        self.phase = phase
        self.seed = seed
        self.augmentation = augmentation
        self.cached = cached

    def __len__(self) -> int:
        return len(self.plan)

    def __getitem__(self, index: int) -> Sample:
        item = self.plan[index]
        utterance = self.utterances[item.utterance]
        rng = np.random.default_rng((*self.seed, index))
        samples = frames = cues = None
        if self.cached is not None:
            frames = np.load(self.cached(utterance), mmap_mode="r")
        if frames is None or self.processor.verified.prompt.cues:
            samples = load_utterance(utterance)
            cues = self._cues(samples)
        conversation = self.processor.converse(
            item.task,
            transcript=utterance.transcript or "",
            emotion=self.processor.labels.classify(utterance.emotion),
            gender=utterance.gender,
            cues=cues,
            rng=rng,
        )
        if samples is not None and self.augmentation is not None:  # last, so that it changes no other draw
            changed = augment(samples, rng, self.augmentation)
            samples = changed if self.processor.has_room(changed) else samples
        start, end = self.phase.transcript_weight
        weight = start + (end - start) * index / max(1, len(self.plan) - 1)
        return Sample(conversation, None if frames is not None else samples, frames, weight)

    def _cues(self, samples: np.ndarray) -> dict[str, str] | None:
        settings = self.processor.verified
        return settings.thresholds.describe(measure(samples)) if settings.prompt.cues and settings.thresholds else None


def load_utterance(utterance: Utterance) -> np.ndarray:
    """An utterance's samples `[T]`.

    Raises:
        UserError: it has no recording, or one that can't be read.
    """
    if utterance.audio is None:
        raise UserError(f"{utterance.id}: no recording, and this system listens")
    return load_audio(utterance.audio, start=utterance.start, end=utterance.end)
