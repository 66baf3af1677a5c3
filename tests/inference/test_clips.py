"""Utterances as clips: in order, bounded in memory, one recording opened once, a fault a clip with its error."""

import threading
import time
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf
import tiny

from emosllm.audio import load_audio, open_recording
from emosllm.errors import UserError
from emosllm.inference import clips as clips_module
from emosllm.inference.clips import Clip, ClipReader, ListedUtterances
from emosllm.utterance import Utterance


class Processor:
    """The limits of a system that processes recordings of up to three seconds."""

    takes_audio, longest = True, 3.0

    def check_length(self, samples, name):
        self.check_seconds(len(samples) / 16_000, name)

    def check_seconds(self, seconds, name):
        if seconds > self.longest:
            raise UserError(f"{name}: too long")


READER = ClipReader(Processor())


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
def test_clips_come_in_order_with_their_samples_or_their_error(files, workers):
    found = list(READER.read(files, workers, ahead=4))
    assert [clip.utterance for clip in found] == files
    for clip in found:
        assert clip.name == str(clip.utterance.audio)
        if clip.utterance.id == "03.wav":
            assert clip.samples is None
            assert "not audio but text" in clip.error
        elif clip.utterance.id == "05.wav":
            assert "does not exist" in clip.error
        else:
            assert np.array_equal(clip.samples, load_audio(clip.utterance.audio))


@pytest.mark.parametrize("workers", [0, 2])
def test_the_segments_of_one_recording_open_it_once(files, workers, monkeypatch):
    opened = []

    def counted(source, **named):
        opened.append(source)
        return open_recording(source, **named)

    monkeypatch.setattr(clips_module, "open_recording", counted)
    path = files[11].audio
    segments = [Utterance(str(n), path, start=0.1 * n, end=0.1 * n + 0.1) for n in range(4)]
    found = list(READER.read([*segments, files[0], segments[0]], workers, ahead=4))
    assert opened == [path, files[0].audio, path]
    assert [len(clip.samples) for clip in found] == [1600] * 4 + [3200, 1600]
    assert np.array_equal(np.concatenate([clip.samples for clip in found[:4]]), load_audio(path)[:6400])


def test_a_long_recording_in_segments_is_not_decoded_at_once(files):
    segments = [Utterance(str(n), files[11].audio, start=0.0, end=0.1) for n in range(40)]
    stream = READER.read(segments, workers=1, ahead=8)
    assert len(list(islice(stream, 3))) == 3
    stream.close()
    parts = list(clips_module._parts(segments, 8 // 2))
    assert [len(part) for part, _ in parts] == [4] * 10
    assert len({id(shared) for _, shared in parts}) == 1


def test_a_recording_that_is_too_long_is_refused_by_its_header(files, monkeypatch):
    processor = Processor()
    processor.longest = 0.05
    monkeypatch.setattr("emosllm.audio.Recording.samples", lambda *_: pytest.fail("decoded"))
    (clip,) = ClipReader(processor).read([files[0]])
    assert clip.error == f"{files[0].audio}: too long"


def test_no_more_is_decoded_than_asked_for_ahead(monkeypatch):
    begun = []

    def slowly(self, utterances, shared):
        begun.extend(utterances)
        return [Clip(utterance, utterance.id) for utterance in utterances]

    monkeypatch.setattr(ClipReader, "_part", slowly)
    endless = (Utterance(str(n)) for n in range(10**9))
    stream = READER.read(endless, 2, ahead=6)
    assert len(list(islice(stream, 10))) == 10
    time.sleep(0.05)
    assert len(begun) <= 10 + 6
    stream.close()
    time.sleep(0.05)
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("decoding")]


def test_samples_and_bytes_are_recordings_and_text_alone_is_not(files):
    held = [Utterance("samples", tiny.clip(0.2)), Utterance("bytes", files[0].audio.read_bytes()), Utterance("text")]
    samples, read, text = READER.read(held, 2)
    assert len(samples.samples) == len(read.samples) == 3200
    assert "no recording" in text.error


def test_a_system_that_reads_text_opens_nothing():
    processor = Processor()
    processor.takes_audio = False
    (clip,) = ClipReader(processor, samples=False).read([Utterance("a", Path("gone.wav"), transcript="Hello.")])
    assert (clip.error, clip.samples, clip.transcript) == (None, None, "Hello.")


def test_a_list_begins_where_an_earlier_run_stopped(files):
    listed = ListedUtterances(files, READER)
    assert (listed.total, [clip.utterance.id for clip in listed.clips(10)]) == (12, ["10.wav", "11.wav"])
