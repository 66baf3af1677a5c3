"""Speech in: every format, rate and shape becomes mono float32 at 16 kHz, and every bad recording one clear line."""

import io
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf

from emosllm import audio
from emosllm.audio import MIN_SECONDS, SAMPLE_RATE, AudioError, duration, load_audio
from emosllm.errors import UserError

FIXTURES = Path(__file__).parents[2] / "shared" / "data" / "raw_fixtures"
RAW = sorted(FIXTURES.glob("*")) if FIXTURES.is_dir() else []


def tone(rate: int = SAMPLE_RATE, seconds: float = 1.0, hertz: float = 440.0, level: float = 0.5) -> np.ndarray:
    return (level * np.sin(2 * np.pi * hertz * np.arange(round(rate * seconds)) / rate)).astype(np.float32)


def chirp(rate: int, seconds: float) -> np.ndarray:
    """300 Hz to 2 kHz: unlike a tone, no two stretches of it are alike."""
    t = np.arange(round(rate * seconds)) / rate
    return (0.5 * np.sin(2 * np.pi * (300 * t + 850 * t**2 / seconds))).astype(np.float32)


def encoded(samples: np.ndarray, rate: int = SAMPLE_RATE, **kind: str) -> bytes:
    file = io.BytesIO()
    sf.write(file, samples, rate, **({"format": "WAV", "subtype": "PCM_16"} | kind))
    return file.getvalue()


def frequency(samples: np.ndarray) -> float:
    spectrum = np.abs(np.fft.rfft(samples * np.hanning(len(samples)), 1 << 18))
    return float(spectrum.argmax() * SAMPLE_RATE / (1 << 18))


def refusal(source, **options) -> str:
    with pytest.raises(AudioError) as caught:
        load_audio(source, **options)
    message = str(caught.value)
    assert "\n" not in message
    assert isinstance(caught.value, UserError)
    return message


# What is read


@pytest.mark.parametrize("rate", [8_000, 16_000, 22_050, 44_100, 48_000])
def test_a_tone_keeps_its_frequency_level_and_length(rate):
    samples = load_audio(encoded(tone(rate), rate))
    assert samples.dtype == np.float32
    assert samples.ndim == 1
    assert abs(len(samples) - SAMPLE_RATE) <= 1
    assert frequency(samples) == pytest.approx(440, abs=0.2)
    assert np.abs(samples[800:-800]).max() == pytest.approx(0.5, rel=0.005)


def test_16_khz_is_passed_on_bit_by_bit():
    samples = chirp(SAMPLE_RATE, 30.0)  # longer than one block
    np.testing.assert_array_equal(load_audio(encoded(samples, subtype="FLOAT")), samples)


def test_what_lies_above_8_khz_does_not_fold_down():
    assert np.abs(load_audio(encoded(tone(48_000, hertz=11_000), 48_000))[800:-800]).max() < 1e-3


@pytest.mark.parametrize(
    ("kind", "tolerance"),
    [
        ({"format": "WAV", "subtype": "PCM_24"}, 1e-6),
        ({"format": "FLAC", "subtype": "PCM_16"}, 1e-4),
        ({"format": "AIFF", "subtype": "PCM_16"}, 1e-4),
        ({"format": "MP3", "subtype": "MPEG_LAYER_III"}, 0.1),
        ({"format": "OGG", "subtype": "VORBIS"}, 0.1),
        ({"format": "OGG", "subtype": "OPUS"}, 0.1),
    ],
    ids=lambda value: value["subtype"] if isinstance(value, dict) else "",
)
def test_formats_from_path_and_bytes(kind, tolerance, tmp_path):
    samples = chirp(SAMPLE_RATE, 2.0)
    content = encoded(samples, **kind)
    (tmp_path / "clip").write_bytes(content)
    read = load_audio(content)
    assert np.linalg.norm(read - samples) < tolerance * np.linalg.norm(samples)
    np.testing.assert_array_equal(load_audio(tmp_path / "clip"), read)
    np.testing.assert_array_equal(load_audio(str(tmp_path / "clip")), read)
    assert duration(content) == duration(tmp_path / "clip") == pytest.approx(2.0)


def test_channels_are_averaged():
    left, right = tone(hertz=300), tone(hertz=1000, level=0.2)
    read = load_audio(encoded(np.stack([left, right], axis=1), subtype="FLOAT"))
    np.testing.assert_allclose(read, (left + right) / 2, atol=1e-6)


@pytest.mark.parametrize("shape", ["T", "T1", "1T", "TC", "CT"])
def test_arrays_of_any_shape(shape):
    left, right = tone(hertz=300), tone(hertz=1000)
    array = {
        "T": left,
        "T1": left[:, None],
        "1T": left[None],
        "TC": np.stack([left, right], 1),
        "CT": np.stack([left, right]),
    }[shape]
    expected = (left + right) / 2 if "C" in shape else left
    np.testing.assert_allclose(load_audio(array), expected, atol=1e-7)
    assert duration(array) == 1.0


@pytest.mark.parametrize("dtype", ["int8", "int16", "int32", "uint8", "uint16", "float16", "float64"])
def test_arrays_of_any_number_are_scaled_by_their_range(dtype):
    samples = tone()
    info = np.iinfo(dtype) if np.dtype(dtype).kind in "iu" else None
    array = samples.astype(dtype)
    if info is not None:
        half = (info.max - info.min + 1) / 2
        array = np.round(samples.astype(np.float64) * half + (half if info.min == 0 else 0)).astype(dtype)
    np.testing.assert_allclose(load_audio(array), samples, atol=0.005 if dtype in ("int8", "uint8") else 3e-4)


def test_an_array_is_resampled_from_its_rate():
    assert frequency(load_audio(tone(44_100), rate=44_100)) == pytest.approx(440, abs=0.2)
    assert duration(tone(44_100, 2.0), rate=44_100) == 2.0


@pytest.mark.parametrize("rate", [16_000, 44_100, 48_000])
@pytest.mark.parametrize(("start", "end"), [(0.0, 0.5), (0.75, 1.5), (1.25, None), (0.0, None)])
def test_a_stretch_is_the_same_stretch_of_the_whole(rate, start, end):
    content = encoded(chirp(rate, 2.0), rate, subtype="FLOAT")
    whole, part = load_audio(content), load_audio(content, start=start, end=end)
    expected = whole[round(start * SAMPLE_RATE) : None if end is None else round(end * SAMPLE_RATE)]
    assert abs(len(part) - len(expected)) <= 1
    # The resampler knows nothing of what lies before and after a stretch: its ends differ for a few milliseconds.
    edge = 0 if rate == SAMPLE_RATE else 160
    inner = slice(edge, min(len(part), len(expected)) - edge)
    np.testing.assert_allclose(part[inner], expected[inner], atol=1e-3)


def test_a_stretch_of_an_array_is_the_same_as_of_a_file():
    samples = chirp(SAMPLE_RATE, 2.0)
    part = load_audio(samples, start=0.5, end=1.5)
    np.testing.assert_array_equal(part, load_audio(encoded(samples, subtype="FLOAT"), start=0.5, end=1.5))
    np.testing.assert_array_equal(part, samples[8_000:24_000])


def test_only_the_stretch_of_an_array_is_converted(monkeypatch):
    converted = []
    whole = audio._as_floats
    monkeypatch.setattr(audio, "_as_floats", lambda samples: converted.append(samples.shape) or whole(samples))
    hour = np.zeros((2, 3600 * 16_000), np.int16)
    hour[:, 16_000:24_000] = 100
    assert len(load_audio(hour, start=1.0, end=1.5)) == 8_000
    assert duration(hour) == 3600
    assert converted == [(8_000, 2)]


def test_only_the_stretch_is_decoded():
    content = encoded(chirp(SAMPLE_RATE, 4.0), format="FLAC")
    broken = content[: len(content) * 3 // 4]
    np.testing.assert_array_equal(load_audio(broken, start=0.5, end=1.0), load_audio(content, start=0.5, end=1.0))


def test_an_end_may_be_rounded_past_the_file():
    assert len(load_audio(encoded(tone()), end=1.05)) == SAMPLE_RATE


def test_the_last_bit_of_noise_counts_as_silence_but_a_whisper_does_not():
    assert "silent" in refusal(tone(level=2**-15))
    assert len(load_audio(tone(level=2**-13))) == SAMPLE_RATE


# What is refused


def test_missing_file(tmp_path):
    message = refusal(tmp_path / "gone.wav")
    assert "gone.wav does not exist" in message
    assert "check the path" in message


def test_folder(tmp_path):
    assert f"{tmp_path} is a folder" in refusal(tmp_path)
    assert "give the files in it" in refusal(str(tmp_path))


def test_empty_file(tmp_path):
    (tmp_path / "none.wav").touch()
    assert "none.wav is empty (0 bytes)" in refusal(tmp_path / "none.wav")
    assert "the given bytes is empty" in refusal(b"")


@pytest.mark.parametrize("source", [encoded(np.zeros(0, np.float32)), np.zeros(0), np.zeros((2, 0), np.int16)])
def test_no_samples(source):
    assert "holds no samples" in refusal(source)


@pytest.mark.parametrize("content", [b"\x89PNG\r\n\x1a\n" + bytes(999), b"RIFF", b"RIFF and so on", bytes(4096)])
def test_not_audio(content, tmp_path):
    (tmp_path / "notes.m4a").write_bytes(content)
    message = refusal(tmp_path / "notes.m4a")
    assert "notes.m4a is not audio" in message
    assert f"ffmpeg -i {tmp_path / 'notes.m4a'} {tmp_path / 'notes.wav'}" in message
    assert "the given bytes is not audio" in refusal(content)


@pytest.mark.parametrize("name", ["notes.txt", "notes.wav", "notes.raw", "notes.csv"])
@pytest.mark.parametrize("text", ["dear diary\n" * 999, "path,emotion\n", "é" * 4096, "x" + "é" * 4096])
def test_text_is_told_that_it_is_text_and_is_not_sent_to_ffmpeg(name, text, tmp_path):
    (tmp_path / name).write_text(text, "utf-8")
    message = refusal(tmp_path / name)
    assert f"{name} is not audio but text: give a recording" in message
    assert "--data" in message
    assert "ffmpeg" not in message
    assert "the given bytes is not audio but text" in refusal(text.encode())


@pytest.mark.parametrize("name", ["notes.wav", "notes.raw"])
def test_not_audio_whatever_its_name_says(name, tmp_path):
    (tmp_path / name).write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(999))
    with pytest.raises(AudioError, match="is not audio"):
        duration(tmp_path / name)
    new = refusal(tmp_path / name).rstrip("`").split()[-1]
    assert new.endswith(".wav")
    assert new != str(tmp_path / name)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_nan_and_infinity_name_the_place(value):
    samples = tone()
    samples[8_000] = value
    for source in (encoded(samples, subtype="FLOAT"), samples):
        message = refusal(source)
        assert "NaN or infinite" in message
        assert "0.500 s" in message
        assert "export it again" in message
    assert len(load_audio(samples, end=0.4)) == 6_400


@pytest.mark.parametrize("rate", [16_000, 48_000])
def test_silent(rate, tmp_path):
    (tmp_path / "hush.wav").write_bytes(encoded(np.zeros((rate, 2), np.float32), rate))
    message = refusal(tmp_path / "hush.wav")
    assert "hush.wav is silent (peak below -90 dBFS)" in message
    assert "microphone" in message


def test_channels_that_cancel_are_told_from_silence():
    message = refusal(np.stack([tone(), -tone()]))
    assert "cancel" in message
    assert "keep one" in message


def test_too_short():
    message = refusal(encoded(tone(seconds=0.05)))
    assert "0.050 s are too short" in message
    assert f"{MIN_SECONDS} s or more" in message
    assert "0.020 s are too short" in refusal(tone(), start=0.5, end=0.52)
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
        assert words in refusal(source, start=start, end=end)


@pytest.mark.parametrize("dtype", ["int64", "bool", "complex64", "object"])
def test_wrong_numbers(dtype):
    message = refusal(np.ones(16_000, dtype))
    assert f"the given array holds {dtype}" in message
    assert "give float32" in message


def test_wrong_shape_rate_and_type():
    assert "shape [1, 2, 3]" in refusal(np.ones((1, 2, 3), np.float32))
    assert "16 Hz" in refusal(tone(), rate=16)
    assert "a list" in refusal([0.1] * 16_000)


# Real files


@pytest.mark.skipif(not RAW, reason="the shared recordings are not here")
@pytest.mark.parametrize("path", RAW, ids=lambda path: path.name)
def test_real_recordings(path):
    samples = load_audio(path)
    assert len(samples) / SAMPLE_RATE == pytest.approx(duration(path), abs=1e-3)
    assert 1e-3 < np.abs(samples).max() <= 1.1
    np.testing.assert_array_equal(load_audio(path.read_bytes()), samples)


@pytest.mark.skipif(not RAW, reason="the shared recordings are not here")
@pytest.mark.parametrize("other", ["emodb_16k_mono_03a01Wa.opus", "emodb_16k_mono_03a01Wa.ogg"])
def test_real_recordings_sound_the_same_in_any_format(other):
    wav, lossy = (load_audio(FIXTURES / name) for name in ("emodb_16k_mono_03a01Wa.wav", other))
    assert np.corrcoef(wav, lossy)[0, 1] > 0.95
