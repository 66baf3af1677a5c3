"""Sets of cues are complete, and measuring in several processes gives the same values as one by one."""

from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from threading import Event, current_thread

import numpy as np
import pytest
import tones

from emosllm.errors import UserError
from emosllm.prompting.cues import CUE_SETS, CueSet, cue_set, librosa, measure_all, praat, sets
from emosllm.utterance import Utterance

RATE = 16_000

tone = partial(tones.tone, seconds=0.25, level=0.3)


def installed(name: str) -> None:
    pytest.importorskip({"praat": "parselmouth"}.get(name, name))


@pytest.mark.parametrize("name", CUE_SETS)
def test_a_set_is_whole(name: str):
    installed(name)
    known = cue_set(name)
    assert known.name == name
    assert len(known.levels) == len(known.cuts) + 1
    assert list(known.cuts) == sorted(known.cuts)
    assert tuple(known.measure(tone(hertz=200))) == known.cues


def test_an_unknown_set_is_named():
    with pytest.raises(UserError, match="unknown set of cues 'opensmile': known are praat, librosa"):
        measure_all("opensmile", [])


def test_workers_change_nothing(monkeypatch: pytest.MonkeyPatch):
    installed("praat")
    monkeypatch.setitem(CUE_SETS, "praat", replace(CUE_SETS["praat"], fair_share=4))
    clips = [tone(hertz=hertz) for hertz in np.linspace(200, 400, 9)]
    spoken = [Utterance(str(i), audio=clip) if i % 2 else clip for i, clip in enumerate(clips)]
    assert measure_all("praat", spoken, workers=2) == measure_all("praat", spoken) == [praat.measure(c) for c in clips]


@pytest.mark.parametrize(("workers", "processes"), [(0, None), (1, None), (2, 1), (3, 2), (16, 2)])
def test_a_process_starts_only_for_a_fair_share(monkeypatch: pytest.MonkeyPatch, workers: int, processes: int | None):
    started = []

    class Pool(ThreadPoolExecutor):
        def __init__(self, count: int, **options: object):
            started.append(count)
            super().__init__(count)

    monkeypatch.setattr(sets, "ProcessPoolExecutor", Pool)
    lengths = CueSet("lengths", ("length",), lambda clip: {"length": len(clip)}, (0.5,), ("low", "high"), 8, False)
    monkeypatch.setitem(CUE_SETS, "lengths", lengths)
    clips = [np.zeros(length, np.float32) for length in range(4 * 8 - 1)]
    assert [clip["length"] for clip in measure_all("lengths", clips, workers)] == list(range(4 * 8 - 1))
    assert started == ([] if processes is None else [processes])


def test_the_caller_measures_from_the_end_what_no_other_process_has_begun(monkeypatch: pytest.MonkeyPatch):
    caller, mine = current_thread(), []
    begun, nearly = Event(), Event()

    class Pool(ThreadPoolExecutor):
        def __init__(self, count: int, **options: object):
            super().__init__(count)

    def measure(clip: np.ndarray) -> dict[str, float]:
        if current_thread() is caller:
            begun.wait()
            mine.append(len(clip))
            if len(clip) == 2:
                nearly.set()
        else:
            begun.set()
            nearly.wait()  # blocked in its first part
        return {"length": len(clip)}

    monkeypatch.setattr(sets, "ProcessPoolExecutor", Pool)
    monkeypatch.setitem(CUE_SETS, "lengths", CueSet("lengths", ("length",), measure, (0.5,), ("low", "high"), 1, False))
    clips = [np.zeros(length, np.float32) for length in range(12)]
    assert [clip["length"] for clip in measure_all("lengths", clips, 2)] == list(range(12))
    assert mine[:10] == list(reversed(range(2, 12)))
    assert 0 not in mine


def test_what_fails_here_is_not_waited_for(monkeypatch: pytest.MonkeyPatch):
    asked: list[int] = []

    class Pool(ThreadPoolExecutor):
        def __init__(self, count: int, **options: object):
            super().__init__(count)

        def submit(self, *call: object) -> Future:
            return Future()  # never started

        def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
            asked.append(cancel_futures)
            super().shutdown(wait, cancel_futures=cancel_futures)

    monkeypatch.setattr(sets, "ProcessPoolExecutor", Pool)
    monkeypatch.setitem(CUE_SETS, "praat", replace(CUE_SETS["praat"], fair_share=1))
    with pytest.raises(UserError, match="line 8"):
        measure_all("praat", [Utterance("line 7"), Utterance("line 8")], 2)
    assert asked[0] is True


def test_threads_measure_what_is_too_little_for_processes():
    installed("librosa")
    clips = [tone(hertz=hertz) for hertz in np.linspace(200, 400, 5)]
    names: set[str] = set()

    def measure(clip: np.ndarray) -> dict[str, float]:
        names.add(current_thread().name)
        return librosa.measure(clip)

    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(CUE_SETS, "librosa", replace(CUE_SETS["librosa"], measure=measure))
        patch.setattr(sets, "ProcessPoolExecutor", None)
        assert measure_all("librosa", clips, workers=2) == [librosa.measure(clip) for clip in clips]
    assert names
    assert current_thread().name not in names


@pytest.mark.parametrize("workers", [0, 2])
def test_an_utterance_without_audio_is_named(monkeypatch: pytest.MonkeyPatch, workers: int):
    monkeypatch.setitem(CUE_SETS, "praat", replace(CUE_SETS["praat"], fair_share=1))
    with pytest.raises(UserError, match=r"line [78]: text cues are measured on audio"):
        measure_all("praat", [Utterance("line 7"), Utterance("line 8")], workers)
