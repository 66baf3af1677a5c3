"""The plain implementation of the cues gives bit-identical values without running code of emosllm."""

import math
import sys
from dataclasses import replace

import numpy as np
import pytest
import soundfile

from bench.cases import CASES
from bench.cases.cues import by_librosa, by_praat
from bench.sizes import Setting
from emosllm.prompting.cues import CUE_SETS, cue_set

WAYS = {"librosa": (by_librosa, "librosa"), "praat": (by_praat, "parselmouth")}


@pytest.fixture(params=WAYS)
def name(request):
    pytest.importorskip(WAYS[request.param][1])
    return request.param


def test_cues_of_the_plain_script_equal_ours(name: str) -> None:
    pair = CASES[f"cues-{name}"].prepare(Setting("small", threads=1))
    compared = pair.compare(pair.plain(), pair.ours())
    assert compared == {"values": pair.samples * len(cue_set(name).cues), "differ_by": 0.0}


def test_the_plain_script_runs_no_code_of_emosllm(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    pair = CASES[f"cues-{name}"].prepare(Setting("small", threads=1))
    monkeypatch.setitem(CUE_SETS, name, replace(CUE_SETS[name], measure=lambda _: pytest.fail("measured by the house")))
    for module in ("librosa", "praat"):
        monkeypatch.setattr(sys.modules[f"emosllm.prompting.cues.{module}"], "measure", None)
    monkeypatch.setattr(sys.modules["emosllm.prompting.cues.sets"], "load_audio", None)
    assert len(pair.plain()) == pair.samples


def test_cues_that_differ_are_noticed(name: str) -> None:
    pair = CASES[f"cues-{name}"].prepare(Setting("small", threads=1))
    given = pair.plain()
    for wrong in (given[0]["pitch"] * (1 + 1e-8), math.nan):
        with pytest.raises(AssertionError, match="the cues differ"):
            pair.compare(given, [given[0] | {"pitch": wrong}, *given[1:]])
    assert pair.compare([{"pitch": math.nan}], [{"pitch": math.nan}])["differ_by"] == 0


def test_what_is_not_voiced_has_a_loudness_alone(tmp_path) -> None:
    pytest.importorskip("parselmouth")
    hiss = np.random.default_rng(0).normal(0, 0.1, 16_000).astype(np.float32)
    soundfile.write(tmp_path / "hiss.wav", hiss, 16_000, subtype="FLOAT")
    np.testing.assert_equal(by_praat(tmp_path / "hiss.wav"), CUE_SETS["praat"].measure(hiss))
