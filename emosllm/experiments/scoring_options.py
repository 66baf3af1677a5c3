"""Options for the scoring of an experiment's systems: temperature, abstention and degraded recordings.

Options that contradict each other raise an error before the training. Limitation: sweeps and studies, which compare
trainings, do not have these options.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from emosllm.errors import UserError
from emosllm.experiments.data.data_transform import Transcripts
from emosllm.experiments.data.folds import Fold
from emosllm.recipe import Recipe


@dataclass(frozen=True)
class ScoringOptions:
    """The options with which a system is scored on the test part of a fold.

    Attributes:
        temperature: of its probabilities; `None` uses the one that `emosllm calibrate` stored, or 1 if there is none.
        calibrates: fit a temperature on each fold's validation part.
        abstain_below: the least confidence of an answer, for the figures of abstention.
        conditions: names of the degradations under which the test is repeated.
        seed: of the bootstrap, and of noise.
    """

    temperature: float | None = None
    calibrates: bool = False
    abstain_below: float | None = None
    conditions: tuple[str, ...] = ()
    seed: int = 0

    def check(self, recipe: Recipe, transcripts: Transcripts, folds: Sequence[Fold]) -> None:
        """Check that the options can be applied to a system.

        Args:
            recipe: the system's recipe.
            transcripts: the transcripts that the system gets.
            folds: the folds of the experiment.

        Raises:
            UserError: two options exclude each other, a value is out of range, or an option needs something that the
                system or a fold does not have.
        """
        inference, name = recipe.inference, recipe.name
        if self.temperature is not None and self.calibrates:
            raise UserError("--temperature and --calibrate cannot be used together: leave one of them out")
        if self.temperature is not None and not (math.isfinite(self.temperature) and self.temperature > 0):
            raise UserError(f"temperature {self.temperature}: a finite number above 0 is needed")
        if self.abstain_below is not None and not 0 <= self.abstain_below <= 1:
            raise UserError(f"threshold {self.abstain_below}: a confidence between 0 and 1 is needed")
        if inference.answer == "generate":
            if recipe.llm is None:
                raise UserError(f"{name} has no LLM, so it cannot generate answers: use --answers score")
            wanted = {"temperature": self.temperature, "calibrate": self.calibrates or None}
            for option, value in {**wanted, "abstain-below": self.abstain_below}.items():
                if value is not None:
                    raise UserError(f"--{option} needs probabilities, and free answers have none; use --answers score")
        if self.conditions and recipe.encoder is None:
            raise UserError(f"--robustness degrades recordings, and {name} takes no audio: leave it out")
        reads = recipe.prompt is not None and recipe.prompt.transcript
        if transcripts == "given" and inference.strategy == "ser" and not reads:
            raise UserError(
                f"--transcripts given: {name} takes no transcript with the strategy ser: add --strategy "
                "transcript-first or transcript-in-prompt, or leave it out"
            )
        if self.calibrates and (bare := [fold.name for fold in folds if not fold.val]):
            raise UserError(
                f"--calibrate: {bare[0]} has no validation part to fit a temperature on: leave it out, or give "
                "--temperature"
            )
