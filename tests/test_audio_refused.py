"""Recordings that are refused: missing, empty, silent, too short, or no audio, each with one clear line."""

import numpy as np
import pytest
from refusals import audio_refusal
from tones import encoded, tone

from emosllm.audio import MIN_SECONDS, AudioError, duration, load_audio


def test_missing_file(tmp_path):
    message = audio_refusal(tmp_path / "gone.wav")
    assert "gone.wav does not exist" in message
    assert "check the path" in message


def test_folder(tmp_path):
    assert f"{tmp_path} is a folder" in audio_refusal(tmp_path)
    assert "give the files in it" in audio_refusal(str(tmp_path))


def test_empty_file(tmp_path):
    (tmp_path / "none.wav").touch()
    assert "none.wav is empty (0 bytes)" in audio_refusal(tmp_path / "none.wav")
    assert "the given bytes is empty" in audio_refusal(b"")


@pytest.mark.parametrize("source", [encoded(np.zeros(0, np.float32)), np.zeros(0), np.zeros((2, 0), np.int16)])
def test_no_samples(source):
    assert "holds no samples" in audio_refusal(source)


@pytest.mark.parametrize("content", [b"\x89PNG\r\n\x1a\n" + bytes(999), b"RIFF", b"RIFF and so on", bytes(4096)])
def test_not_audio(content, tmp_path):
    (tmp_path / "notes.m4a").write_bytes(content)
    message = audio_refusal(tmp_path / "notes.m4a")
    assert "notes.m4a is not audio" in message
    assert f"ffmpeg -i {tmp_path / 'notes.m4a'} {tmp_path / 'notes.wav'}" in message
    assert "the given bytes is not audio" in audio_refusal(content)


@pytest.mark.parametrize("name", ["notes.txt", "notes.wav", "notes.raw", "notes.csv"])
@pytest.mark.parametrize("text", ["dear diary\n" * 999, "path,emotion\n", "é" * 4096, "x" + "é" * 4096])
def test_text_is_told_that_it_is_text_and_is_not_sent_to_ffmpeg(name, text, tmp_path):
    (tmp_path / name).write_text(text, "utf-8")
    message = audio_refusal(tmp_path / name)
    assert f"{name} is not audio but text: give a recording" in message
    assert "--data" in message
    assert "ffmpeg" not in message
    assert "the given bytes is not audio but text" in audio_refusal(text.encode())


@pytest.mark.parametrize("name", ["notes.wav", "notes.raw"])
def test_not_audio_whatever_its_name_says(name, tmp_path):
    (tmp_path / name).write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(999))
    with pytest.raises(AudioError, match="is not audio"):
        duration(tmp_path / name)
    new = audio_refusal(tmp_path / name).rstrip("`").split()[-1]
    assert new.endswith(".wav")
    assert new != str(tmp_path / name)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_nan_and_infinity_name_the_place(value):
    samples = tone()
    samples[8_000] = value
    for source in (encoded(samples, subtype="FLOAT"), samples):
        message = audio_refusal(source)
        assert "NaN or infinite" in message
        assert "0.500 s" in message
        assert "export it again" in message
    assert len(load_audio(samples, end=0.4)) == 6_400


@pytest.mark.parametrize("rate", [16_000, 48_000])
def test_silent(rate, tmp_path):
    (tmp_path / "hush.wav").write_bytes(encoded(np.zeros((rate, 2), np.float32), rate))
    message = audio_refusal(tmp_path / "hush.wav")
    assert "hush.wav is silent (peak below -90 dBFS)" in message
    assert "microphone" in message


def test_channels_that_cancel_are_told_from_silence():
    message = audio_refusal(np.stack([tone(), -tone()]))
    assert "cancel" in message
    assert "keep one" in message


def test_too_short():
    message = audio_refusal(encoded(tone(seconds=0.05)))
    assert "0.050 s are too short" in message
    assert f"{MIN_SECONDS} s or more" in message
    assert "0.020 s are too short" in audio_refusal(tone(), start=0.5, end=0.52)
    assert len(load_audio(encoded(tone(22_050, MIN_SECONDS), 22_050))) == 1_600


@pytest.mark.parametrize(
    ("start", "end", "words"),
    [
        (-0.5, None, "start -0.5 s is not a time"),
        (float("nan"), None, "start nan s is not a time"),
        (0.8, 0.3, "end 0.3 s is not after start 0.8 s"),
        (0.3, 0.3, "end 0.3 s is not after start 0.3 s"),
        (0.3, float("nan"), "end nan s is not after"),
        (1.0, None, "start 1.0 s lies outside the recording, which has 1.000 s"),
        (0.5, 1.5, "end 1.5 s lies outside the recording, which has 1.000 s"),
    ],
)
def test_times_outside(start, end, words):
    for source in (encoded(tone()), tone()):
        assert words in audio_refusal(source, start=start, end=end)


@pytest.mark.parametrize("dtype", ["int64", "bool", "complex64", "object"])
def test_wrong_numbers(dtype):
    message = audio_refusal(np.ones(16_000, dtype))
    assert f"the given array holds {dtype}" in message
    assert "give float32" in message


def test_wrong_shape_rate_and_type():
    assert "shape [1, 2, 3]" in audio_refusal(np.ones((1, 2, 3), np.float32))
    assert "16 Hz" in audio_refusal(tone(), rate=16)
    assert "a list" in audio_refusal([0.1] * 16_000)
