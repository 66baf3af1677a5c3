"""`CueSet`: cues that are measured together, with the words for their levels. Each set is a module beside this one."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class CueSet:
    """Cues that are measured together and stated together in the prompt.

    Attributes:
        name: its key in `CUE_SETS`, the name of its module, and the value of a recipe's `prompt.cues`.
        cues: the cues, in the order in which they are listed.
        measure: mono speech `[T]` at 16 kHz -> a value for each cue, NaN where the clip does not allow it.
        cuts: quantiles of the training set that separate the levels, ascending.
        levels: the words for the levels, lowest first; one more than there are cuts.
        fair_share: smallest number of clips for which another process saves time, given its start-up time.
        threaded: whether threads save time for fewer clips, because most of the work is done without Python's lock.
    """

    name: str
    cues: tuple[str, ...]
    measure: Callable[[np.ndarray], dict[str, float]]
    cuts: tuple[float, ...]
    levels: tuple[str, ...]
    fair_share: int
    threaded: bool
