"""AA-SLLM's acoustic cues equal the paper's formulas, and are right on signals with known answers.

`tests/prompting/golden/acoustics.json` holds what equations 2 to 7 of the paper give for the clips below, worked out
apart from this package with librosa 0.11.0's `piptrack` and `effects.split`.
"""

import json
import math
import sys
import warnings
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import tones
from filelock import FileLock

from emosllm.audio import load_audio
from emosllm.corpora.manifest import read_manifest
from emosllm.errors import UserError
from emosllm.prompting.cues import Thresholds, librosa, measure_all
from emosllm.prompting.cues.librosa import BLOCK, CUES, HOP, TOP_DB, WINDOW, import_librosa, measure

pytest.importorskip("librosa")

RATE = 16_000
GOLDEN = json.loads((Path(__file__).parents[1] / "golden" / "acoustics.json").read_text(encoding="utf-8"))
REAL = Path(__file__).parents[4] / "shared" / "data"

tone = partial(tones.tone, level=0.3)


def syllables(count: int, seconds: float = 0.25, pause: float = 0.2, hertz: float = 180.0) -> np.ndarray:
    """Harmonic bursts over a faint noise, one after each pause; no two alike in pitch and level."""
    rng = np.random.default_rng(count)
    clip = rng.normal(0, 1e-4, int((count * (seconds + pause) + pause) * RATE))
    for number in range(count):
        time = np.arange(int(seconds * RATE)) / RATE
        f0 = hertz * rng.uniform(0.8, 1.3)
        burst = sum(np.sin(2 * np.pi * f0 * k * time + rng.uniform(0, 6)) / k for k in range(1, 9))
        first = int((pause + number * (seconds + pause)) * RATE)
        clip[first : first + len(time)] += rng.uniform(0.1, 0.2) * burst
    return clip.astype(np.float32)


def noise(seconds: float, level: float) -> np.ndarray:
    return np.random.default_rng(5).normal(0, level, int(seconds * RATE)).astype(np.float32)


CLIPS = {
    "one syllable, high": syllables(1, hertz=320),
    "four syllables": syllables(4),
    "nine short syllables": syllables(9, seconds=0.12, pause=0.16),
    "noise": noise(1.3, 0.05),
    "faint tone in noise": tone(seconds=1.5, hertz=700, level=0.004) + noise(1.5, 0.001),
    "just long enough": tone(seconds=2048 / RATE, hertz=900),
}


def by_the_formulas(samples: np.ndarray) -> dict[str, float]:
    """Equations 2 to 7 as printed."""
    librosa = import_librosa()
    peaks = librosa.piptrack(y=samples, sr=RATE)[0].astype(np.float64)
    pieces = librosa.effects.split(samples, top_db=20)
    spoken = sum((end - start) / RATE for start, end in pieces)
    return {
        "pitch": peaks.sum() / np.count_nonzero(peaks),
        "intensity": 10 * math.log10((samples.astype(np.float64) ** 2).sum() / len(samples)),
        "speech rate": len(pieces) / (len(samples) / RATE),
        "articulation rate": len(pieces) / spoken,
    }


@pytest.mark.parametrize("name", CLIPS)
def test_a_clip_has_the_cues_of_the_papers_formulas(name: str):
    assert GOLDEN["clips"].keys() == CLIPS.keys()
    assert measure(CLIPS[name]) == pytest.approx(GOLDEN["clips"][name], rel=1e-4)


def test_a_long_clip_measured_in_blocks_is_the_whole():
    for length in (BLOCK * HOP - 1, BLOCK * HOP, 2 * BLOCK * HOP + 700):
        clip = np.resize(syllables(5), length)
        assert measure(clip) == pytest.approx(by_the_formulas(clip), rel=1e-9)


def by_whole_calls(samples: np.ndarray) -> dict[str, float]:
    """The same with this package's types and order of sums: piptrack over all bins, the whole clip at once."""
    librosa = import_librosa()
    peaks = librosa.piptrack(y=samples, sr=RATE, n_fft=WINDOW, hop_length=HOP)[0]
    peaks = peaks[peaks > 0]
    assert peaks.dtype == np.float32
    pieces = librosa.effects.split(samples, top_db=TOP_DB, frame_length=WINDOW, hop_length=HOP)
    spoken = int((pieces[:, 1] - pieces[:, 0]).sum())
    return {
        "pitch": float(peaks.sum(dtype=np.float64)) / len(peaks),
        "intensity": 10 * math.log10(np.mean(samples.astype(np.float64) ** 2)),
        "speech rate": len(pieces) / (len(samples) / RATE),
        "articulation rate": len(pieces) / (spoken / RATE),
    }


@pytest.mark.parametrize("name", CLIPS)
def test_half_the_bins_give_all_that_whole_calls_give_to_the_last_bit(name: str):
    assert measure(CLIPS[name]) == by_whole_calls(CLIPS[name])


def test_a_peak_is_measured_by_the_loudest_bin_wherever_it_lies():
    # A tone a tenth as strong as what sounds beside it is a peak, a weaker one is none, and 6 kHz is never one.
    beside = tone(hertz=6000, level=0.5)
    assert math.isnan(measure(beside + tone(hertz=1000, level=0.04))["pitch"])
    louder = beside + tone(hertz=1000, level=0.1)
    assert measure(louder)["pitch"] == pytest.approx(1000, rel=0.02)
    assert measure(louder) == by_whole_calls(louder)


def test_piptrack_looks_at_half_the_bins(monkeypatch: pytest.MonkeyPatch):
    seen, librosa = [], import_librosa()
    whole = librosa.piptrack
    monkeypatch.setattr(librosa, "piptrack", lambda **options: seen.append(options["S"].shape) or whole(**options))
    measure(CLIPS["four syllables"])
    assert seen == [(WINDOW // 4 + 1, 1 + len(CLIPS["four syllables"]) // HOP)]


@pytest.mark.parametrize("hertz", [220, 440, 1000, 2500])
def test_the_pitch_of_a_tone_is_its_frequency(hertz: float):
    # Only frames that straddle an end of the clip have other peaks.
    assert measure(tone(hertz=hertz, seconds=3))["pitch"] == pytest.approx(hertz, rel=0.02)


def test_the_intensity_of_a_sine_is_that_of_half_its_squared_amplitude():
    assert measure(tone(hertz=500, level=1.0))["intensity"] == pytest.approx(10 * math.log10(0.5), abs=1e-3)


@pytest.mark.parametrize("count", [1, 3, 7])
def test_rates_count_the_stretches_between_pauses(count: int):
    clip = syllables(count, seconds=0.3, pause=0.25)
    cues = measure(clip)
    assert cues["speech rate"] == pytest.approx(count * RATE / len(clip), rel=1e-9)
    # A window of 0.128 s contains a burst before it begins and after it ends, and pieces are whole hops of 0.032 s.
    assert 1 / (0.3 + 0.128 + 0.032) < cues["articulation rate"] < 1 / 0.3


def test_ten_times_the_gain_is_twenty_decibels_and_nothing_else():
    loud, soft = measure(syllables(3)), measure(syllables(3) / 10)
    assert loud["intensity"] - soft["intensity"] == pytest.approx(20, abs=1e-3)
    for cue in ("pitch", "speech rate", "articulation rate"):
        assert loud[cue] == pytest.approx(soft[cue], rel=1e-4)


@pytest.mark.parametrize(
    "clip",
    [np.zeros(RATE), np.full(RATE, 0.2), np.zeros(0), tone(seconds=0.127), 1e-300 * tone().astype(np.float64)],
    ids=["silence", "DC", "nothing", "too short", "below float32"],
)
def test_what_cannot_be_measured_is_nan(clip: np.ndarray):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        cues = measure(clip)
    assert list(cues) == list(CUES)
    assert all(math.isnan(value) for value in cues.values())


def test_a_part_that_cannot_be_measured_is_nan():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        hum, absurd = measure(tone(hertz=60)), measure(noise(0.5, 1e25))
    assert math.isnan(hum["pitch"])  # no peak from 150 Hz up
    assert math.isfinite(hum["intensity"])
    assert math.isnan(absurd["speech rate"])
    assert math.isnan(absurd["articulation rate"])


@pytest.mark.parametrize(
    "samples", [np.full(RATE, np.nan, np.float32), np.full(RATE, 1e300), np.zeros((2, RATE), np.float32)]
)
def test_samples_that_are_no_sound_are_refused(samples: np.ndarray):
    with pytest.raises(UserError, match="finite mono samples"):
        measure(samples)


def test_without_librosa_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(librosa, "import_librosa", import_librosa.__wrapped__)  # as if for the first time
    monkeypatch.setitem(sys.modules, "librosa", None)
    with pytest.raises(UserError, match=r"pip install 'emosllm\[cues\]'"):
        measure(tone())


def test_librosa_is_imported_by_one_process_at_a_time(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    # Two that compile its loops at once can leave what kills every later one (numba/numba#10128).
    monkeypatch.setattr(librosa, "gettempdir", lambda: str(tmp_path))
    import_librosa.__wrapped__()
    (lock,) = tmp_path.iterdir()
    with ThreadPoolExecutor(1) as another:
        with FileLock(lock):
            waiting = another.submit(import_librosa.__wrapped__)
            with pytest.raises(TimeoutError):
                waiting.result(timeout=0.5)
        assert waiting.result(timeout=60) is import_librosa()


@pytest.mark.skipif(not REAL.is_dir(), reason="the shared recordings are not here")
def test_real_speech_has_the_formulas_cues_and_is_halved_by_its_medians():
    train = [row for row in read_manifest(REAL / "emodb" / "manifest.csv") if row.split == "train"]
    measures = measure_all("librosa", train)
    for clip, cues in list(zip(train, measures, strict=True))[::20]:
        assert cues == pytest.approx(by_the_formulas(load_audio(clip.audio)), rel=1e-6)
        assert cues == by_whole_calls(load_audio(clip.audio))
    thresholds = Thresholds.fit("librosa", measures)
    for cue in CUES:
        values = [cues[cue] for cues in measures]
        assert thresholds.bounds[cue] == (pytest.approx(np.median(values), rel=1e-12),)
        told = Counter(thresholds.level(cue, value) for value in values)
        assert told["high"] == pytest.approx(len(train) / 2, abs=0.05 * len(train))
