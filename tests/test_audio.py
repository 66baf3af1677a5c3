"""Speech in: every format, rate and shape becomes mono float32 at 16 kHz."""

from pathlib import Path

import numpy as np
import pytest
from refusals import audio_refusal
from tones import encoded, tone

from emosllm import audio
from emosllm.audio import SAMPLE_RATE, duration, load_audio

FIXTURES = Path(__file__).parents[2] / "shared" / "data" / "raw_fixtures"
RAW = sorted(FIXTURES.glob("*")) if FIXTURES.is_dir() else []


def chirp(rate: int, seconds: float) -> np.ndarray:
    """300 Hz to 2 kHz: unlike a tone, no two stretches of it are alike."""
    t = np.arange(round(rate * seconds)) / rate
    return (0.5 * np.sin(2 * np.pi * (300 * t + 850 * t**2 / seconds))).astype(np.float32)


def frequency(samples: np.ndarray) -> float:
    spectrum = np.abs(np.fft.rfft(samples * np.hanning(len(samples)), 1 << 18))
    return float(spectrum.argmax() * SAMPLE_RATE / (1 << 18))


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
    assert "silent" in audio_refusal(tone(level=2**-15))
    assert len(load_audio(tone(level=2**-13))) == SAMPLE_RATE


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
