"""Recordings are decoded ahead, in order, a bounded number at a time; bad ones go on as they are."""

import threading
import time
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf
import tiny

from emosllm.audio import load_audio
from emosllm.bulk import prefetch
from emosllm.bulk.prefetch import decode_ahead
from emosllm.utterance import Utterance


@pytest.fixture
def files(tmp_path):
    """Twelve clips of different length; the fourth is no audio, the sixth is missing."""
    paths = [tmp_path / f"{n:02}.wav" for n in range(12)]
    for n, path in enumerate(paths):
        sf.write(path, tiny.clip(0.2 + 0.02 * n, n), 16_000)
    paths[3].write_text("no audio" * 20)
    paths[5].unlink()
    return [Utterance(path.name, path) for path in paths]


@pytest.mark.parametrize("workers", [0, 1, 3])
def test_samples_take_the_files_place_in_order(files, workers):
    found = list(decode_ahead(files, workers, ahead=4))
    assert [utterance.id for utterance in found] == [utterance.id for utterance in files]
    for before, after in zip(files, found, strict=True):
        if before.id in ("03.wav", "05.wav"):
            assert after is before
        else:
            assert np.array_equal(after.audio, load_audio(before.audio))


def test_a_stretch_is_decoded_as_that_stretch(files):
    (found,) = decode_ahead([Utterance("x", files[0].audio, start=0.05, end=0.15)], 1, 1)
    assert (len(found.audio), found.start, found.end) == (1600, 0.0, None)


def test_what_is_too_long_is_not_decoded(files, monkeypatch):
    monkeypatch.setattr(prefetch, "load_audio", None)
    (found,) = decode_ahead([files[0]], 1, 1, longest=0.05)
    assert found is files[0]


def test_no_more_is_decoded_than_asked_for_ahead(files, monkeypatch):
    begun = []

    def slowly(utterance, longest):
        begun.append(utterance.id)
        return utterance

    monkeypatch.setattr(prefetch, "_decode", slowly)
    endless = (Utterance(str(n)) for n in range(10**9))
    stream = decode_ahead(endless, 2, ahead=6)
    assert len(list(islice(stream, 10))) == 10
    time.sleep(0.05)
    assert len(begun) <= 10 + 6
    stream.close()
    time.sleep(0.05)
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("decoding")]


def test_what_is_no_file_passes():
    utterances = [Utterance("text", transcript="words"), Utterance("samples", np.ones(9)), Utterance("p", Path("gone"))]
    assert all(a is b for a, b in zip(decode_ahead(utterances, 2, 2), utterances, strict=True))
