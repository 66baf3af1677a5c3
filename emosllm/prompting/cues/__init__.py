"""Text cues: properties of a voice that the prompt states in words, such as "low pitch".

A set of cues (`sets`) names what is measured, with Praat (`praat`) or librosa (`librosa`), and the levels that a
training set is cut into; a run's `Thresholds` hold the cuts and put them into words.
"""

from emosllm.prompting.cues.praat import CUES, measure
from emosllm.prompting.cues.sets import CUE_SETS, CueSet, cue_set, measure_all
from emosllm.prompting.cues.thresholds import Thresholds

__all__ = ["CUES", "CUE_SETS", "CueSet", "Thresholds", "cue_set", "measure", "measure_all"]
