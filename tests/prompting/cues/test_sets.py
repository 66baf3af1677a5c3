"""Sets of cues are whole, and many clips measured by several processes are as if measured one by one."""

import numpy as np
import pytest

from emosllm.errors import UserError
from emosllm.prompting.cues import CUE_SETS, cue_set, measure_all
from emosllm.utterance import Utterance

RATE = 16_000


def tone(hertz: float) -> np.ndarray:
    time = np.arange(RATE) / RATE
    return (0.3 * np.sin(2 * np.pi * hertz * time)).astype(np.float32)


def installed(name: str) -> None:
    pytest.importorskip({"praat": "parselmouth"}.get(name, name))


@pytest.mark.parametrize("name", CUE_SETS)
def test_a_set_is_whole(name: str):
    installed(name)
    known = cue_set(name)
    assert known.name == name
    assert len(known.levels) == len(known.cuts) + 1
    assert list(known.cuts) == sorted(known.cuts)
    assert tuple(known.measure(tone(200))) == known.cues


def test_an_unknown_set_is_named():
    with pytest.raises(UserError, match="unknown set of cues 'opensmile': known are praat, librosa"):
        measure_all("opensmile", [])


@pytest.mark.parametrize("name", CUE_SETS)
def test_workers_change_nothing(name: str):
    installed(name)
    clips = [tone(200), Utterance("second", audio=tone(250)), tone(300)]
    alone, shared = measure_all(name, clips), measure_all(name, clips, workers=2)
    assert alone == shared == [CUE_SETS[name].measure(tone(hertz)) for hertz in (200, 250, 300)]


@pytest.mark.parametrize("name", CUE_SETS)
@pytest.mark.parametrize("workers", [0, 2])
def test_an_utterance_without_audio_is_named(name: str, workers: int):
    with pytest.raises(UserError, match="line 7"):
        measure_all(name, [Utterance("line 7"), Utterance("line 8")], workers)
