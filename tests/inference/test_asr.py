"""Recognisers of speech by name: transformers' pipelines and faster-whisper, and what is said when there is none."""

import sys
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest
import tiny
import tiny_whisper
from transformers import pipeline

from emosllm.errors import UserError
from emosllm.inference.asr import load_asr


@pytest.fixture(scope="module")
def whisper(tmp_path_factory):
    return tiny_whisper.save(tmp_path_factory.mktemp("whisper"))


def test_a_pipeline_answers_each_clip_as_it_does_alone(whisper):
    asr = load_asr(str(whisper))
    clips = [tiny.clip(seconds, seed) for seconds, seed in ((0.5, 1), (1.2, 2), (0.3, 3))]
    texts = asr(clips)
    assert texts == [asr([clip])[0] for clip in clips]
    assert all(texts)
    plain = pipeline("automatic-speech-recognition", model=str(whisper), device="cpu")
    assert texts[1] == plain({"raw": clips[1], "sampling_rate": 16_000})["text"].strip()
    assert asr.name == f"asr {whisper}"
    assert asr([]) == []


def test_more_than_whispers_window_is_heard_to_its_end(tmp_path):
    asr = load_asr(str(tiny_whisper.save(tmp_path / "w", timestamps=True)))
    assert isinstance(asr([np.tile(tiny.clip(1.0), 31)])[0], str)


def test_a_tokenizer_that_cannot_pad_takes_one_at_a_time(whisper, monkeypatch):
    asr = load_asr(str(whisper))
    clips = [tiny.clip(0.5, 1), tiny.clip(0.5, 2)]
    together = asr(clips)
    asr.pipe.tokenizer.pad_token = None
    assert asr(clips) == together


@pytest.mark.parametrize("name", ["no/such-model", "nowhere at all"])
def test_a_name_that_is_no_model_is_one_line_with_the_way_out(name):
    with pytest.raises(UserError) as told:
        load_asr(name)
    assert str(told.value).startswith(f"--asr {name}: no speech recogniser")
    assert "\n" not in str(told.value)


def test_a_model_of_another_kind_is_refused(tmp_path):
    _, mouth = tiny.folders(tmp_path)
    with pytest.raises(UserError, match="no speech recogniser of that name can be loaded"):
        load_asr(str(mouth))


def test_faster_whisper_is_asked_where_it_is_installed(monkeypatch):
    class WhisperModel:
        def __init__(self, size, device):
            if size == "nope":
                raise ValueError("Invalid model size 'nope'")
            self.size, self.device = size, device

        def transcribe(self, clip):
            return iter([SimpleNamespace(text=" Hello"), SimpleNamespace(text=f" {len(clip)}.")]), None

    module = ModuleType("faster_whisper")
    module.WhisperModel = WhisperModel
    monkeypatch.setitem(sys.modules, "faster_whisper", module)
    asr = load_asr("faster-whisper:small", "cuda:1")
    assert asr([np.zeros(5, np.float32)]) == ["Hello 5."]
    assert (asr.name, asr.model.size, asr.model.device) == ("asr faster-whisper:small", "small", "cuda")
    with pytest.raises(UserError, match="Invalid model size"):
        load_asr("faster-whisper:nope")


def test_faster_whisper_that_is_not_installed_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "faster_whisper", None)
    with pytest.raises(UserError, match="pip install faster-whisper"):
        load_asr("faster-whisper:small")
