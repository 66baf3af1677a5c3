"""How the systems of an experiment are asked beyond their recipe: temperature, abstention, spoilt recordings.

What makes no sense together is refused before anything is trained. Given up: these in sweeps and studies, which compare
trainings.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from emosllm.errors import UserError
from emosllm.experiments.data.folds import Fold
from emosllm.experiments.data.transform import Transcripts
from emosllm.recipe import Recipe


@dataclass(frozen=True)
class Asking:
    """How a system is asked about the test part of a fold.

    Attributes:
        temperature: of its probabilities; what `emosllm calibrate` left beside a trained system, or 1, where `None`.
        calibrates: fit a temperature on each fold's validation part.
        abstain_below: the least confidence that is answered, for the figures of abstention.
        conditions: under which it is asked again, by their names.
        seed: of the bootstrap, and of noise.
    """

    temperature: float | None = None
    calibrates: bool = False
    abstain_below: float | None = None
    conditions: tuple[str, ...] = ()
    seed: int = 0

    def check(self, recipe: Recipe, transcripts: Transcripts, folds: Sequence[Fold]) -> None:
        """Refuse what could not be computed, or would mean nothing.

        Args:
            recipe: the system's.
            transcripts: what it is told.
            folds: on which.

        Raises:
            UserError: one of these.
        """
        inference, name = recipe.inference, recipe.name
        if self.temperature is not None and self.calibrates:
            raise UserError("--temperature and --calibrate cannot be used together: give one, or have it fitted")
        if self.temperature is not None and not (math.isfinite(self.temperature) and self.temperature > 0):
            raise UserError(f"temperature {self.temperature}: a finite number above 0 is needed")
        if self.abstain_below is not None and not 0 <= self.abstain_below <= 1:
            raise UserError(f"threshold {self.abstain_below}: a confidence between 0 and 1 is needed")
        if inference.answer == "generate":
            if recipe.llm is None:
                raise UserError(f"{name} has no LLM, so it cannot answer freely; use --answers score")
            wanted = {"temperature": self.temperature, "calibrate": self.calibrates or None}
            for option, value in {**wanted, "abstain-below": self.abstain_below}.items():
                if value is not None:
                    raise UserError(f"--{option} needs probabilities, and free answers have none; use --answers score")
        if self.conditions and recipe.encoder is None:
            raise UserError(f"--robustness spoils recordings, and {name} does not listen: leave it out")
        reads = recipe.prompt is not None and recipe.prompt.transcript
        if transcripts == "given" and inference.strategy == "ser" and not reads:
            raise UserError(
                f"--transcripts given: {name} is told no transcript under strategy ser; add --strategy "
                "transcript-first or transcript-in-prompt, or leave it out"
            )
        if self.calibrates and (bare := [fold.name for fold in folds if not fold.val]):
            raise UserError(
                f"--calibrate: {bare[0]} has no validation part to fit a temperature on; leave it out, or give "
                "--temperature"
            )
