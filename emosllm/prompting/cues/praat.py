"""Five text cues measured with Praat: loudness, pitch, pitch range, jitter and shimmer.

Limitations: unvoiced speech such as a whisper has only a loudness. Jitter and shimmer of running speech, unlike those
of a sustained vowel, also depend on intonation.
Source: EmoSLLM, appendix B.5 (the cues' names); the paper names no tool and no exact definition.
"""

import math

import numpy as np

from emosllm.audio import SAMPLE_RATE
from emosllm.errors import UserError
from emosllm.extras import extra
from emosllm.prompting.cues.definition import CueSet

#: The cues, with their names in the prompt (EmoSLLM, appendix B.5).
CUES = ("loudness", "pitch", "pitch range", "jitter", "shimmer")

SHORTEST = 0.11  # seconds; Praat's intensity window is 6.4 / PITCH_FLOOR = 0.107 s long
PITCH_FLOOR, PITCH_CEILING = 60.0, 600.0  # Hz; from a low creaky voice to a high shout
# A second pass searches only near the quartiles of the first pass, after De Looze and Hirst 2008 ("Detecting changes in
# key and range"). Its ceiling leaves more room, because excited speech reaches high values. On 500 acted clips of
# RAVDESS, EMO-DB and nEMO this reduced ranges over 18 semitones, mostly octave errors, from 10 % to 3 % of the clips.
FLOOR_BELOW, CEILING_ABOVE = 0.75, 2.5
SPEECH_WITHIN = 25.0  # dB below the loudest frame; Praat's own threshold between sounding and silent

# Praat's standard settings for voice reports: shortest and longest period (s), largest ratio of neighbouring periods.
_PERIODS = (0.0001, 0.02, 1.3)
_LARGEST_AMPLITUDE_RATIO = 1.6


def measure(samples: np.ndarray) -> dict[str, float]:
    """Measure the five cues of one clip.

    Args:
        samples: mono speech `[T]` at 16 kHz, full scale 1.

    Returns:
        A value for each of `CUES`, NaN where the clip does not allow it (all of them under 0.11 s or in digital
        silence, DC included; all but loudness where nothing is voiced):

        - loudness: mean power in dB of the frames within 25 dB of the loudest, which excludes silence around the
          speech. The reference is Praat's 2e-5, so full scale is near 91 dB; only differences are meaningful.
        - pitch: mean F0 of the voiced frames, in Hz.
        - pitch range: between the 5th and 95th percentile of F0, in semitones; single octave errors do not change it.
        - jitter: local, mean difference of neighbouring periods over the mean period (1 is 100 %).
        - shimmer: local, mean difference of neighbouring periods' amplitudes over the mean amplitude.

    Raises:
        UserError: parselmouth is not installed, or the samples are not finite numbers `[T]`.
    """
    with extra("cues", "measuring text cues"):
        import parselmouth
        from parselmouth import praat
    if samples.ndim != 1 or not np.isfinite(samples).all():
        raise UserError(f"cues need finite mono samples [T], and the shape is {list(samples.shape)}: see emosllm.audio")
    cues = dict.fromkeys(CUES, math.nan)
    if len(samples) < SHORTEST * SAMPLE_RATE or np.ptp(samples) == 0:
        return cues

    sound = parselmouth.Sound(samples.astype(np.float64), SAMPLE_RATE)
    decibels = sound.to_intensity(minimum_pitch=PITCH_FLOOR).values[0]
    speech = decibels[decibels >= decibels.max() - SPEECH_WITHIN]
    cues["loudness"] = 10 * math.log10(np.mean(10 ** (speech / 10)))

    floor, ceiling = PITCH_FLOOR, PITCH_CEILING
    for _ in range(2):
        pitch = sound.to_pitch_ac(pitch_floor=floor, pitch_ceiling=ceiling)
        hertz = pitch.selected_array["frequency"]
        hertz = hertz[hertz > 0]  # Praat writes 0 for unvoiced
        if not len(hertz):
            return cues
        lower, upper = np.percentile(hertz, (25, 75))
        floor = max(PITCH_FLOOR, FLOOR_BELOW * lower)
        ceiling = min(PITCH_CEILING, CEILING_ABOVE * upper)
    low, high = np.percentile(hertz, (5, 95))
    cues |= {"pitch": float(hertz.mean()), "pitch range": 12 * math.log2(high / low)}

    pulses = praat.call([sound, pitch], "To PointProcess (cc)")
    cues["jitter"] = praat.call(pulses, "Get jitter (local)", 0, 0, *_PERIODS)
    cues["shimmer"] = praat.call([sound, pulses], "Get shimmer (local)", 0, 0, *_PERIODS, _LARGEST_AMPLITUDE_RATIO)
    return cues


# EmoSLLM, appendix A.3. A process starts in 0.5 s, a clip of 3 s takes 0.02 s.
CUE_SET = CueSet("praat", CUES, measure, (1 / 3, 2 / 3), ("low", "medium", "high"), 100, threaded=False)
