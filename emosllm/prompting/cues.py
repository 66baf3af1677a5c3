"""Text cues: five properties of a voice, measured with Praat, told to the LLM as low, medium or high.

What it gives up: the numbers themselves. A third of the training set is all the LLM hears of each, so thresholds
belong to a run: they are fitted on its training set, saved with it, and reused on whatever it is tested on.
Source: EmoSLLM, appendix A.3 (cues and thirds) and B.5 (their names); the paper names no tool and no exact definition.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Annotated, Literal, Self

import numpy as np
from pydantic import AfterValidator, BaseModel, ConfigDict, FiniteFloat, ValidationError

from emosllm.audio import SAMPLE_RATE, load_audio
from emosllm.errors import UserError
from emosllm.files import write_atomically
from emosllm.utterance import Utterance

Level = Literal["low", "medium", "high"]

#: The cues, by the words that the prompt uses (EmoSLLM, appendix B.5).
CUES = ("loudness", "pitch", "pitch range", "jitter", "shimmer")

SHORTEST = 0.11  # seconds; Praat's intensity window is 6.4 / PITCH_FLOOR = 0.107 s long
PITCH_FLOOR, PITCH_CEILING = 60.0, 600.0  # Hz; from a man's creak to a woman's shout
# A second pass looks only near the quartiles that the first one found, after De Looze and Hirst 2008 ("Detecting
# changes in key and range"), with more room above, as excited speech reaches far up. On 500 acted clips of RAVDESS,
# EMO-DB and nEMO this cut ranges over 18 semitones, octave errors mostly, from 10 % to 3 % of the clips.
FLOOR_BELOW, CEILING_ABOVE = 0.75, 2.5
SPEECH_WITHIN = 25.0  # dB below the loudest frame; Praat's own threshold between sounding and silent
FEWEST = 3  # values of a cue that can be cut into thirds

# Praat's standard settings for voice reports: shortest and longest period (s), largest ratio of neighbouring periods.
_PERIODS = (0.0001, 0.02, 1.3)
_LARGEST_AMPLITUDE_RATIO = 1.6


def measure(samples: np.ndarray) -> dict[str, float]:
    """The five cues of one clip.

    Args:
        samples: mono speech `[T]` at 16 kHz, full scale 1.

    Returns:
        A value for each of `CUES`, NaN where the clip does not allow it (all of them under 0.11 s or in digital
        silence, DC included; all but loudness where nothing is voiced):

        - loudness: mean power of the frames within 25 dB of the loudest, so that silence around the speech does not
          count, in dB. The reference is Praat's 2e-5, so full scale is near 91 dB; only differences mean something.
        - pitch: mean F0 of the voiced frames, in Hz.
        - pitch range: between the 5th and 95th percentile of F0, in semitones; a stray octave error does not move it.
        - jitter: local, mean difference of neighbouring periods over the mean period (1 is 100 %).
        - shimmer: local, mean difference of neighbouring periods' amplitudes over the mean amplitude.

    Raises:
        UserError: parselmouth is not installed, or the samples are not finite numbers `[T]`.
    """
    try:
        import parselmouth
        from parselmouth import praat
    except ImportError:
        raise UserError("text cues are measured with Praat's parselmouth: pip install 'emosllm[cues]'") from None
    if samples.ndim != 1 or not np.isfinite(samples).all():
        raise UserError(f"cues want finite mono samples [T], got shape {list(samples.shape)}; see emosllm.audio")
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


def measure_all(clips: Iterable[Utterance | np.ndarray], workers: int = 0) -> list[dict[str, float]]:
    """The cues of many clips, in their order.

    Args:
        clips: utterances with audio, or samples `[T]` at 16 kHz.
        workers: processes to share the work; 0 or 1 measures here. A script that asks for more keeps its own work
            under `if __name__ == "__main__":`, as everywhere with `multiprocessing`.

    Raises:
        UserError: parselmouth is not installed, or a recording cannot be read.
    """
    clips = list(clips)
    if workers <= 1 or len(clips) < 2:
        return [_measure_clip(clip) for clip in clips]
    # Spawned, not forked: the parent may hold torch's threads, and a fork with threads can hang.
    with ProcessPoolExecutor(min(workers, len(clips)), mp_context=get_context("spawn")) as pool:
        return list(pool.map(_measure_clip, clips, chunksize=max(1, min(64, len(clips) // (4 * workers)))))


def _measure_clip(clip: Utterance | np.ndarray) -> dict[str, float]:
    if isinstance(clip, np.ndarray):
        return measure(clip)
    if clip.audio is None:
        raise UserError(f"{clip.id}: text cues are measured on audio, and this utterance has none")
    return measure(load_audio(clip.audio, start=clip.start, end=clip.end))


def _one_pair_a_cue(bounds: Mapping[str, tuple[float, float]]) -> Mapping[str, tuple[float, float]]:
    if set(bounds) != set(CUES):
        raise ValueError(f"needs exactly {', '.join(CUES)}, has {', '.join(bounds) or 'none'}")
    for cue, (lower, upper) in bounds.items():
        if lower > upper:
            raise ValueError(f"{cue}: the lower bound {lower:g} is above the upper bound {upper:g}")
    return bounds


class Thresholds(BaseModel):
    """Where the thirds of each cue meet in a training set."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    #: cue -> (upper edge of the lowest third, lower edge of the highest), in the units of `measure`.
    bounds: Annotated[Mapping[str, tuple[FiniteFloat, FiniteFloat]], AfterValidator(_one_pair_a_cue)]

    @classmethod
    def fit(cls, measures: Sequence[Mapping[str, float]]) -> Self:
        """The thirds of each cue over a training set, clips without a value left out.

        Raises:
            UserError: a cue has fewer than three values.
        """
        bounds = {}
        for cue in CUES:
            values = np.array([clip[cue] for clip in measures], dtype=np.float64)
            values = values[np.isfinite(values)]
            if len(values) < FEWEST:
                raise UserError(
                    f"cue {cue!r}: only {len(values)} of {len(measures)} clips have a value, {FEWEST} are needed "
                    "for thirds; train on more clips, or leave the cues out of the recipe"
                )
            lower, upper = np.quantile(values, (1 / 3, 2 / 3))
            bounds[cue] = (float(lower), float(upper))
        return cls(bounds=bounds)

    def level(self, cue: str, value: float) -> Level | None:
        """The third that a value falls into, or `None` where it could not be measured.

        Raises:
            UserError: there is no such cue.
        """
        if cue not in self.bounds:
            raise UserError(f"unknown cue {cue!r}: known are {', '.join(CUES)}")
        if not math.isfinite(value):
            return None
        lower, upper = self.bounds[cue]
        # A value on an edge is medium, so a cue that never varies says nothing.
        return "low" if value < lower else "high" if value > upper else "medium"

    def describe(self, measures: Mapping[str, float]) -> dict[str, str]:
        """Cue -> level in the order of `CUES`, for the prompt; what could not be measured is left out."""
        levels = {cue: self.level(cue, measures.get(cue, math.nan)) for cue in CUES}
        return {cue: level for cue, level in levels.items() if level is not None}

    def save(self, path: Path) -> None:
        """Writes the JSON file of a run, whole or not at all."""
        write_atomically(path, self.model_dump_json(indent=2) + "\n")

    @classmethod
    def load(cls, path: Path) -> Self:
        """Reads what `save` wrote.

        Raises:
            UserError: the file is missing, or is not such a file.
        """
        try:
            return cls.model_validate_json(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            raise UserError(f"{path}: no such file; a run trained with text cues keeps its thresholds there") from None
        except (ValidationError, UnicodeDecodeError) as error:
            why = error.errors()[0]["msg"] if isinstance(error, ValidationError) else "not text"
            raise UserError(f"{path}: not the thresholds of text cues ({why}); copy it from the run again") from None
