"""Text cues: properties of a voice that the prompt states in words, such as "low pitch".

A set of cues names what is measured and the levels that a training set is cut into. Each set is a module: `praat`,
`librosa`. A run's `Thresholds` hold the cuts and put them into words. The way in is `measure_all`.
"""

from emosllm.prompting.cues.definition import CueSet
from emosllm.prompting.cues.praat import CUES, measure
from emosllm.prompting.cues.sets import CUE_SETS, cue_set, measure_all
from emosllm.prompting.cues.thresholds import Thresholds

__all__ = ["CUES", "CUE_SETS", "CueSet", "Thresholds", "cue_set", "measure", "measure_all"]
