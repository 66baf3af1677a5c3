"""Levels are thirds or halves of the training set, for every set of cues, and can be saved and loaded."""

import json
import math
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from emosllm.errors import UserError
from emosllm.prompting.cues import CUE_SETS, Thresholds

PRAAT, LIBROSA = CUE_SETS["praat"].cues, CUE_SETS["librosa"].cues


def spread(count: int, name: str = "praat") -> list[dict[str, float]]:
    """Values of every cue from 1 to `count`, shuffled."""
    values = np.random.default_rng(1).permutation(np.arange(1.0, count + 1))
    return [dict.fromkeys(CUE_SETS[name].cues, float(value)) for value in values]


@pytest.mark.parametrize("name", CUE_SETS)
def test_levels_share_a_training_set_evenly(name: str):
    known, measures = CUE_SETS[name], spread(90, name)
    levels = [Thresholds.fit(name, measures).describe(clip) for clip in measures]
    for cue in known.cues:
        assert Counter(clip[cue] for clip in levels) == dict.fromkeys(known.levels, 90 // len(known.levels))


@pytest.mark.parametrize(
    ("name", "told"),
    [("praat", ["low", "low", "medium", "high", "high"]), ("librosa", ["low", "low", "high", "high", "high"])],
)
def test_levels_rise_with_the_value_and_hold_beyond_the_training_set(name: str, told: list[str]):
    thresholds = Thresholds.fit(name, spread(9, name))
    assert [thresholds.level("pitch", value) for value in (-5, 1, 5, 9, 500)] == told


def test_the_threshold_of_two_levels_is_the_median():
    values = [0.3, 8.0, 1.1, 2.7, 100.0, 0.5]
    thresholds = Thresholds.fit("librosa", [dict.fromkeys(LIBROSA, value) for value in values])
    assert thresholds.bounds == dict.fromkeys(LIBROSA, (pytest.approx(1.9),))


def test_a_value_on_the_median_is_high_and_on_the_edge_of_a_third_medium():
    halves = Thresholds.fit("librosa", spread(5, "librosa"))
    assert halves.bounds["intensity"] == (3.0,)
    assert [halves.level("intensity", value) for value in (2.999, 3.0, 3.001)] == ["low", "high", "high"]
    thirds = Thresholds(cues="praat", bounds=dict.fromkeys(PRAAT, (2.0, 4.0)))
    assert [thirds.level("jitter", value) for value in (1.999, 2.0, 4.0, 4.001)] == ["low", "medium", "medium", "high"]


def test_a_constant_cue_is_always_medium():
    thresholds = Thresholds.fit("praat", [dict.fromkeys(PRAAT, 4.0)] * 5)
    assert thresholds.level("jitter", 4.0) == "medium"


@pytest.mark.parametrize("name", CUE_SETS)
def test_nan_is_left_out_of_the_cuts_and_of_the_description(name: str):
    blind = dict.fromkeys(CUE_SETS[name].cues, math.nan)
    thresholds = Thresholds.fit(name, [*spread(9, name), blind, blind])
    assert thresholds == Thresholds.fit(name, spread(9, name))
    assert thresholds.level("pitch", math.nan) is None
    assert thresholds.describe(blind | {"pitch": 2.0}) == {"pitch": "low"}
    assert thresholds.describe({"pitch": 2.0}) == {"pitch": "low"}


def test_a_clip_gets_the_levels_of_its_own_set(monkeypatch: pytest.MonkeyPatch):
    heard = []

    def listen(samples: np.ndarray) -> dict[str, float]:
        heard.append(samples)
        return dict.fromkeys(reversed(LIBROSA), 7.0) | {"speech rate": math.nan}

    monkeypatch.setitem(CUE_SETS, "librosa", replace(CUE_SETS["librosa"], measure=listen))
    clip = np.ones(3, np.float32)
    thresholds = Thresholds(cues="librosa", bounds=dict.fromkeys(LIBROSA, (8.0,)) | {"intensity": (6.0,)})
    told = thresholds.levels_of(clip)
    assert told == {"pitch": "low", "intensity": "high", "articulation rate": "low"}
    assert list(told) == [cue for cue in LIBROSA if cue != "speech rate"]
    assert heard[0] is clip


def test_too_few_values_and_unknown_names_are_the_users_to_mend():
    unvoiced = [clip | {"jitter": math.nan} for clip in spread(9)]
    with pytest.raises(UserError, match="'jitter': only 0 of 9 clips have a value, 3 are needed for low, medium, high"):
        Thresholds.fit("praat", unvoiced)
    with pytest.raises(UserError, match="'pitch': only 1 of 1 clips have a value, 2 are needed for low, high"):
        Thresholds.fit("librosa", spread(1, "librosa"))
    with pytest.raises(UserError, match="unknown cue 'tempo': known are loudness"):
        Thresholds.fit("praat", spread(9)).level("tempo", 1.0)
    with pytest.raises(UserError, match="unknown set of cues 'opensmile': known are praat, librosa"):
        Thresholds.fit("opensmile", spread(9))


@pytest.mark.parametrize("name", CUE_SETS)
def test_thresholds_come_back_from_their_file(tmp_path: Path, name: str):
    rng = np.random.default_rng(3)
    thresholds = Thresholds.fit(name, [{cue: rng.normal() for cue in CUE_SETS[name].cues} for _ in range(10)])
    thresholds.save(tmp_path / "cues.json")
    assert Thresholds.load(tmp_path / "cues.json") == thresholds
    assert json.loads((tmp_path / "cues.json").read_text())["cues"] == name
    assert [path.name for path in tmp_path.iterdir()] == ["cues.json"]


def written(cues: object = "praat", cuts: object = (1, 2), **more: object) -> str:
    return json.dumps({"cues": cues, "bounds": dict.fromkeys(PRAAT, cuts)} | more)


@pytest.mark.parametrize(
    ("content", "why"),
    [
        ("{", "not the thresholds"),
        (b"\xff", "not text"),
        (
            '{"cues": "praat", "bounds": {"pitch": [1, 2]}}',
            r"\(needs exactly loudness, pitch, pitch range, jitter, shimmer, has pitch\)",
        ),
        (written("librosa"), "needs exactly pitch, intensity, speech rate, articulation rate, has loudness"),
        (written("mfcc"), "unknown set of cues 'mfcc': known are praat, librosa"),
        (written(version=2), "version: Extra inputs"),
        (json.dumps({"bounds": dict.fromkeys(PRAAT, (1, 2))}), "cues: Field required"),
        (written(cuts=(2, 1)), "loudness: the cuts 2, 1 do not rise"),
        (written(cuts=(1,)), "loudness: 1 cuts, praat has 2"),
        (written(cuts=(1, math.inf)), "finite"),
        (None, "no such file"),
    ],
)
def test_a_file_that_holds_no_thresholds_is_named(tmp_path: Path, content: str | bytes | None, why: str):
    path = tmp_path / "cues.json"
    if content is not None:
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(UserError, match=why) as caught:
        Thresholds.load(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)
