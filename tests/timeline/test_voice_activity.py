"""Speech is found where it is, whatever the blocks; silero computed here is silero computed by its own package."""

import sys
from itertools import pairwise

import numpy as np
import pytest
import soundfile as sf
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from recordings import VOICES, voice

from emosllm.audio import SAMPLE_RATE
from emosllm.errors import UserError
from emosllm.timeline.silero_vad import FRAME, STEP, Silero, installed_weights
from emosllm.timeline.voice_activity import DetectionOptions, SpeechDetector


def test_silero_is_what_its_package_computes():
    scripted = torch.jit.load(str(installed_weights()))
    samples = voice(VOICES[0])
    samples = samples[: len(samples) // FRAME * FRAME]
    with torch.inference_mode():
        frames = torch.from_numpy(samples).view(-1, 1, FRAME)
        theirs = np.array([float(scripted(frame, SAMPLE_RATE)) for frame in frames])
    assert np.abs(Silero()(samples) - theirs).max() < 1e-4
    assert theirs.max() > 0.9


def test_silero_remembers_between_calls_and_forgets_when_told():
    model, samples = Silero(), voice(VOICES[1])[: 40 * FRAME]
    whole = model(samples)
    model.reset()
    parts = np.concatenate([model(samples[: 7 * FRAME]), model(samples[7 * FRAME :])])
    assert np.allclose(whole, parts, atol=1e-5)


def test_the_package_is_read_and_not_imported(monkeypatch):
    monkeypatch.delitem(sys.modules, "silero_vad", raising=False)  # another test may have imported it
    threads = torch.get_num_threads()
    Silero()
    assert "silero_vad" not in sys.modules
    assert torch.get_num_threads() == threads


def test_without_the_package_the_way_out_is_named(monkeypatch):
    monkeypatch.setattr("emosllm.timeline.silero_vad.find_spec", lambda name: None)
    with pytest.raises(UserError, match=r"pip install 'emosllm\[timeline\]'"):
        Silero()


@pytest.mark.parametrize("block", [16_000, 333, 100_000])
def test_speech_between_silences_is_found_with_its_times(block):
    said = voice(VOICES[0])
    stream = np.concatenate([np.zeros(16_000, np.float32), said, np.zeros(32_000, np.float32), said])
    detector = SpeechDetector()
    found = [speech for at in range(0, len(stream), block) for speech in detector.push(stream[at : at + block])]
    found += detector.finish()
    seconds = len(said) / SAMPLE_RATE
    inside = lambda speech: 0.7 < speech.start < 1.3 + seconds or 2.7 + seconds < speech.start  # noqa: E731
    assert all(inside(speech) for speech in found)
    assert sum(speech.end - speech.start for speech in found) > seconds  # more than half of the two sentences
    assert all(speech.end <= len(stream) / SAMPLE_RATE for speech in found)


def test_silence_and_noise_are_no_speech():
    detector = SpeechDetector()
    noise = np.random.default_rng(0).standard_normal(5 * SAMPLE_RATE).astype(np.float32) * 0.01
    assert detector.push(np.zeros(5 * SAMPLE_RATE, np.float32)) + detector.push(noise) + detector.finish() == []


def judged(probabilities):
    """A judge that says, frame by frame, what it was told to."""
    remaining = iter(probabilities)
    return lambda samples: np.array([next(remaining) for _ in range(len(samples) // FRAME)])


@settings(deadline=None, max_examples=60)
@given(
    st.lists(st.tuples(st.booleans(), st.integers(1, 300)), min_size=1, max_size=12),
    st.sampled_from([512, 999, 70_000]),
)
def test_stretches_are_in_order_and_hold_all_that_is_long_enough(runs, block):
    probabilities = [float(speech) for speech, length in runs for _ in range(length)]
    detector = SpeechDetector(judge=judged(probabilities))
    stream = np.zeros(len(probabilities) * FRAME, np.float32)
    found = []
    for at in range(0, len(stream), block):
        found += detector.push(stream[at : at + block])
        since = detector.silent_since
        assert all(speech.end <= detector.seconds for speech in found)
    found += detector.finish()
    assert all(one.end <= other.start for one, other in pairwise(found))
    assert all(0 <= speech.start < speech.end for speech in found)
    covered = np.zeros(len(probabilities), bool)
    for speech in found:
        covered[round(speech.start / STEP) : round(speech.end / STEP)] = True
        assert speech.end - speech.start <= 4.5  # pieces: nobody waits for the end of a monologue
    at = 0
    for speech, length in runs:
        if speech and length * STEP >= DetectionOptions().shortest:
            assert covered[at : at + length].all()
        at += length
    assert since >= 0


def test_nothing_that_comes_out_begins_before_what_was_promised():
    detector = SpeechDetector(judge=judged([0.0] * 50 + [1.0] * 400 + [0.0] * 50 + [1.0] * 30 + [0.0] * 50))
    promised = 0.0
    for _ in range(580):
        for speech in detector.push(np.zeros(FRAME, np.float32)):
            assert speech.start >= promised
        assert detector.silent_since >= promised - 0.2  # a margin may reach back before a beginning
        promised = detector.silent_since - 0.1


def test_the_quietest_point_is_where_it_is_quiet():
    loud = np.full(4 * SAMPLE_RATE, 0.3, np.float32) * np.random.default_rng(1).standard_normal(4 * SAMPLE_RATE)
    loud[int(2.4 * SAMPLE_RATE) : int(2.7 * SAMPLE_RATE)] *= 0.01
    detector = SpeechDetector(judge=lambda samples: np.ones(len(samples) // FRAME))
    detector.push(loud.astype(np.float32))
    assert 2.4 < detector.quietest(1.0, 3.5) < 2.7
    assert 1.0 <= detector.quietest(1.0, 2.0) <= 2.0


def test_a_threshold_that_is_no_probability_is_refused():
    with pytest.raises(UserError, match="speech threshold 2"):
        DetectionOptions(threshold=2)


def test_voices_are_there():
    assert all(sf.info(path).samplerate == SAMPLE_RATE for path in VOICES)
