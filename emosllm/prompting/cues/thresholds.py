"""Thresholds between the levels of cues, fitted on a training set, saved with the run and applied to other clips.

The prompt contains only levels and no values: the third or half of the training set that a clip falls into.
Source: EmoSLLM, appendix A.3 (thirds); AA-SLLM, section 2.2.2, equation 8 (the median).
"""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Self

import numpy as np
from pydantic import BaseModel, ConfigDict, FiniteFloat, ValidationError, model_validator

from emosllm.errors import UserError, first_fault
from emosllm.files import write_atomically
from emosllm.prompting.cues.sets import cue_set


class Thresholds(BaseModel):
    """The cuts between the levels of each cue of a set, fitted on a training set."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    #: The set's name, a key of `CUE_SETS`.
    cues: str
    #: cue -> its cuts, ascending, in the units of the set's measurements.
    bounds: Mapping[str, tuple[FiniteFloat, ...]]

    @model_validator(mode="after")
    def _rising_cuts_for_each_cue(self) -> Self:
        known = cue_set(self.cues)
        if set(self.bounds) != set(known.cues):
            raise ValueError(f"needs exactly {', '.join(known.cues)}, has {', '.join(self.bounds) or 'none'}")
        for cue, cuts in self.bounds.items():
            if len(cuts) != len(known.cuts):
                raise ValueError(f"{cue}: {len(cuts)} cuts, {known.name} has {len(known.cuts)}")
            if list(cuts) != sorted(cuts):
                raise ValueError(f"{cue}: the cuts {', '.join(f'{cut:g}' for cut in cuts)} do not rise")
        return self

    @classmethod
    def fit(cls, name: str, measures: Sequence[Mapping[str, float]]) -> Self:
        """Fit the cuts of each cue on a training set, without clips that have no value.

        Args:
            name: a set of `CUE_SETS`.
            measures: the result of `measure_all` for that set.

        Raises:
            UserError: there is no such set, or a cue has fewer values than levels.
        """
        known = cue_set(name)
        bounds = {}
        for cue in known.cues:
            values = np.array([clip[cue] for clip in measures], dtype=np.float64)
            values = values[np.isfinite(values)]
            if len(values) < len(known.levels):
                raise UserError(
                    f"cue {cue!r}: only {len(values)} of {len(measures)} clips have a value, {len(known.levels)} are "
                    f"needed for {', '.join(known.levels)}; train on more clips, or leave the cues out of the recipe"
                )
            bounds[cue] = tuple(float(cut) for cut in np.quantile(values, known.cuts))
        return cls(cues=name, bounds=bounds)

    def level(self, cue: str, value: float) -> str | None:
        """The level of a value, or `None` where it could not be measured.

        A value on a cut belongs to the level nearer to the middle, so a constant cue is always medium. With two levels
        the median itself is high, because it is not below the threshold.

        Raises:
            UserError: there is no such cue.
        """
        if cue not in self.bounds:
            raise UserError(f"unknown cue {cue!r}: known are {', '.join(cue_set(self.cues).cues)}")
        if not math.isfinite(value):
            return None
        cuts = self.bounds[cue]
        half = (len(cuts) + 1) // 2
        reached = sum(value >= cut for cut in cuts[:half]) + sum(value > cut for cut in cuts[half:])
        return cue_set(self.cues).levels[reached]

    def describe(self, measures: Mapping[str, float]) -> dict[str, str]:
        """Cue -> level in the set's order, for the prompt, without cues that could not be measured."""
        levels = {cue: self.level(cue, measures.get(cue, math.nan)) for cue in cue_set(self.cues).cues}
        return {cue: level for cue, level in levels.items() if level is not None}

    def levels_of(self, samples: np.ndarray) -> dict[str, str]:
        """Measure one clip, mono speech `[T]` at 16 kHz, and return cue -> level.

        Raises:
            UserError: the set's measuring package is not installed, or the samples are not finite numbers `[T]`.
        """
        return self.describe(cue_set(self.cues).measure(samples))

    def save(self, path: Path) -> None:
        """Write the JSON file of a run atomically."""
        write_atomically(path, self.model_dump_json(indent=2) + "\n")

    @classmethod
    def load(cls, path: Path) -> Self:
        """Load thresholds that `save` wrote.

        Raises:
            UserError: the file is missing, or does not contain thresholds.
        """
        try:
            return cls.model_validate_json(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            raise UserError(f"{path}: no such file; a run trained with text cues keeps its thresholds there") from None
        except (ValidationError, UnicodeDecodeError) as error:
            why = "not text" if isinstance(error, UnicodeDecodeError) else first_fault(error)
            raise UserError(f"{path}: not the thresholds of text cues ({why}); copy it from the run again") from None
