"""The record that travels: an `Utterance` goes in at the corpora, a `Prediction` comes out at the recogniser.

Plain frozen dataclasses: a corpus has hundreds of thousands of them, and nothing here needs torch.
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
    """One stretch of speech by one speaker, and what is known about it.

    Attributes:
        id: unique within its manifest; the path as the manifest wrote it where nothing better is known.
        audio: a file, the bytes of one, or mono samples `[T]` at 16 kHz; `None` for text alone.
        start: where in the file it begins, in seconds.
        end: where it ends, in seconds; `None` is the end of the file.
        transcript: what is said.
        emotion: a name of `emosllm.labels`, or `None` where there is no label.
        speaker: unique over corpora (`ravdess_07`), or `None` where nobody knows.
        gender: `female`, `male` or `None`.
        language: ISO 639-1.
        corpus: where it comes from.
        split: `train`, `val` or `test`.
        duration: in seconds, where the manifest says.
        session: what is left out together (`iemocap_1`), where a corpus was recorded in sessions.
        valence: pleasantness, in the corpus's own range, which its reader states.
        arousal: activation, likewise.
        dominance: likewise.
        votes: emotion -> how many raters heard it; a rater who named two counts for both.
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
    """What a system says about one utterance.

    Attributes:
        path: the file, or the utterance's id.
        label: the most probable emotion, or the one that a free answer names; `None` where there is none.
        probabilities: emotion -> probability, summing to 1, in the label set's order; empty for a free answer.
        transcript: what the system heard, or was given; `None` where it was not asked.
        said: the free answer, word for word; `None` where labels were scored.
        unnamed: whether the free answer names no emotion, so that `label` is the recipe's fallback, or `None`.
        error: one line, where the recording could not be read.
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
        """The JSON form: `path`, `label`, `probabilities` (rounded to 1e-4), `transcript`, `error`; `said` if asked."""
        free = {} if self.said is None else {"said": self.said, "unnamed": self.unnamed}
        return {
            "path": self.path,
            "label": self.label,
            "probabilities": {name: round(float(p), 4) for name, p in self.probabilities.items()},
            "transcript": self.transcript,
            **free,
            "error": self.error,
        }
