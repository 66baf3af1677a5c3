"""Truncated files of every container are refused, and unusual complete ones are accepted."""

import io
import struct

import numpy as np
import pytest
import soundfile as sf
from refusals import audio_refusal

from emosllm.audio import SAMPLE_RATE, AudioError, duration, load_audio

NOISE = np.random.default_rng(0).uniform(-0.5, 0.5, 5 * SAMPLE_RATE).astype(np.float32)
SECOND = NOISE[:SAMPLE_RATE]


def encoded(samples: np.ndarray, kind: str = "WAV", subtype: str = "PCM_16") -> bytes:
    file = io.BytesIO()
    sf.write(file, samples, SAMPLE_RATE, format=kind, subtype=subtype)
    return file.getvalue()


@pytest.mark.parametrize("size", [0, 0x7FFF_F000, 0xFFFF_FFFF])
def test_wavs_from_a_pipe_do_not_know_their_size_and_are_whole(size, tmp_path):
    content = bytearray(encoded(SECOND))
    at = content.index(b"data")
    content[at + 4 : at + 8] = struct.pack("<I", size)
    content[4:8] = struct.pack("<I", min(size + at, 0xFFFF_FFFF))
    (tmp_path / "piped.wav").write_bytes(content)
    for source in (bytes(content), tmp_path / "piped.wav"):
        np.testing.assert_array_equal(load_audio(source), load_audio(encoded(SECOND)))
        assert duration(source) == 1.0


def test_chunks_around_the_samples_do_no_harm():
    content = encoded(SECOND)
    at = content.index(b"data")
    odd = b"LIST" + struct.pack("<I", 5) + b"INFOx\0"
    np.testing.assert_array_equal(load_audio(content[:at] + odd + content[at:] + odd), load_audio(content))
    # A cut after the samples loses no audio.
    np.testing.assert_array_equal(load_audio(content + odd[:7]), load_audio(content))
    # A chunk of odd length does not hide a cut in the samples.
    assert "truncated" in audio_refusal((content[:at] + odd + content[at:])[:-500])


@pytest.mark.parametrize("share", [0.4, 0.9])
@pytest.mark.parametrize(
    ("kind", "subtype"),
    [
        ("WAV", "PCM_16"),
        ("AIFF", "PCM_16"),
        ("FLAC", "PCM_16"),
        ("MP3", "MPEG_LAYER_III"),
        ("OGG", "VORBIS"),
        ("OGG", "OPUS"),
    ],
)
def test_truncated(kind, subtype, share, tmp_path):
    content = encoded(NOISE, kind, subtype)
    cut = tmp_path / "cut"
    cut.write_bytes(content)
    assert len(load_audio(cut)) == len(NOISE)
    cut.write_bytes(content[: int(len(content) * share)])
    message = audio_refusal(cut)
    assert f"{cut} is truncated" in message
    assert "copy or download it again" in message


@pytest.mark.parametrize("subtype", ["VORBIS", "OPUS"])
def test_any_cut_of_an_ogg_is_seen(subtype):
    content = encoded(NOISE, "OGG", subtype)
    for lost in (1, 30, 300, 3000):
        assert "its last Ogg page is incomplete" in audio_refusal(content[:-lost])


def test_a_truncated_wav_states_the_size_of_its_header():
    content = encoded(SECOND)
    message = audio_refusal(content[:-2000])
    assert message.startswith("the given bytes is truncated: its header states 32000 bytes of audio, ")
    assert "the file holds 30000" in message
    with pytest.raises(AudioError, match="truncated"):
        duration(content[:-1])
