"""The input and output records: corpora return `Utterance`s, the recogniser returns `Prediction`s.

Both are plain frozen dataclasses with slots, because a corpus may have hundreds of thousands. Torch is not needed.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np

Split = Literal["train", "val", "test"]
SPLITS: tuple[Split, ...] = ("train", "val", "test")


@dataclass(frozen=True, slots=True)
class Utterance:
    """One segment of speech by one speaker, and its annotations.

    Attributes:
        id: unique within its manifest; by default the path as written in the manifest.
        audio: a file, the bytes of one, or mono samples `[T]` at 16 kHz; `None` for text alone.
        start: start in the file, in seconds.
        end: end in the file, in seconds; `None` is the end of the file.
        transcript: the spoken text.
        emotion: a name of `emosllm.labels`, or `None` without a label.
        speaker: unique over corpora (`ravdess_07`), or `None` if unknown.
        gender: `female`, `male` or `None`.
        language: ISO 639-1.
        corpus: name of the corpus.
        split: `train`, `val` or `test`.
        duration: in seconds, if the manifest states it.
        session: recording session (`iemocap_1`), for protocols that leave out one session at a time.
        valence: pleasantness, in the corpus's own range, which its reader states.
        arousal: activation, in the corpus's own range.
        dominance: in the corpus's own range.
        votes: emotion -> number of raters who chose it; a rater who chose two counts for both.
    """

    id: str
    audio: Path | bytes | np.ndarray | None = None
    start: float = 0.0
    end: float | None = None
    transcript: str | None = None
    emotion: str | None = None
    speaker: str | None = None
    gender: Literal["female", "male"] | None = None
    language: str | None = None
    corpus: str | None = None
    split: Split | None = None
    duration: float | None = None
    session: str | None = None
    valence: float | None = None
    arousal: float | None = None
    dominance: float | None = None
    votes: Mapping[str, int] | None = field(default=None, hash=False)  # a dictionary has no hash


@dataclass(frozen=True, slots=True)
class Prediction:
    """A system's answer to one utterance.

    Attributes:
        path: the file, or the utterance's id.
        label: the most probable emotion, or the emotion that a free answer names; `None` if there is none.
        probabilities: emotion -> probability, summing to 1, in the label set's order; empty for a free answer.
        transcript: the transcript that the system wrote or received; `None` if none was requested.
        said: the free answer, word for word; `None` if labels were scored.
        unnamed: whether the free answer names no emotion, so that `label` is the recipe's fallback, or `None`.
        error: one line, if the recording could not be read.
    """

    path: str
    label: str | None = None
    probabilities: Mapping[str, float] = field(default_factory=dict)
    transcript: str | None = None
    said: str | None = None
    unnamed: bool = False
    error: str | None = None

    @property
    def confidence(self) -> float | None:
        """The probability of `label`; a free answer has none."""
        return None if self.label is None else self.probabilities.get(self.label)

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form; probabilities are rounded to 1e-4, and only a free answer has `said` and `unnamed`."""
        free = {} if self.said is None else {"said": self.said, "unnamed": self.unnamed}
        return {
            "path": self.path,
            "label": self.label,
            "probabilities": {name: round(float(p), 4) for name, p in self.probabilities.items()},
            "transcript": self.transcript,
            **free,
            "error": self.error,
        }
