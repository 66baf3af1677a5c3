"""Sample number n is always the same, independent of earlier samples and of the process."""

from dataclasses import replace

import numpy as np
import pytest
import tiny
from torch.utils.data import DataLoader

from emosllm.augmentation import Augment
from emosllm.errors import UserError
from emosllm.prompting.audio_vectors import AudioVectors
from emosllm.prompting.cues import CUES, Thresholds, measure
from emosllm.prompting.processor import SpeechProcessor
from emosllm.training.dataset import PhaseDataset, load_utterance
from emosllm.training.phase_plan import plan_phase
from emosllm.utterance import Utterance


@pytest.fixture(scope="module")
def make(make_recipe, utterances):
    def dataset(*overrides, thresholds=None, data=utterances, phase="p3", **options):
        recipe = make_recipe(*overrides)
        processor = SpeechProcessor.build(
            recipe, tiny.feature_extractor(), tiny.tokenizer(), AudioVectors(fixed=4), thresholds
        )
        plan = plan_phase(phase, recipe.phases[phase], data, recipe.label_set, (0, 3))
        return PhaseDataset(plan, data, processor, recipe.phases[phase], (0, 3), **options)

    return dataset


def assert_same(one, other):
    assert one.conversation == other.conversation
    assert one.transcript_weight == other.transcript_weight
    np.testing.assert_array_equal(one.samples, other.samples)


@pytest.mark.parametrize("augmentation", [None, Augment()], ids=["plain", "augmented"])
def test_a_sample_depends_on_its_number_alone(make, augmentation):
    forward, backward = make(augmentation=augmentation), make(augmentation=augmentation)
    read = [forward[index] for index in range(6)]
    for index in reversed(range(6)):
        assert_same(read[index], backward[index])
    shared = DataLoader(forward, batch_size=2, num_workers=2, collate_fn=list, multiprocessing_context="fork")
    batches = iter(shared)
    for index, sample in enumerate([*next(batches), *next(batches)]):
        assert_same(sample, read[index])


def test_every_sample_of_an_utterance_has_its_own_wording(make):
    dataset = make("phases.p3.epochs=20")
    item = dataset.plan[0]
    twins = [index for index, other in enumerate(dataset.plan) if other == item]
    assert len({dataset[index].conversation.user for index in twins}) > len(twins) / 2


def test_another_seed_words_otherwise(make):
    one, other = make(), make()
    other.seed = (1, 3)
    assert [one[i].conversation for i in range(4)] != [other[i].conversation for i in range(4)]


@pytest.mark.parametrize("ends", [(1.0, 0.5), (0.0, 1.0), (0.3, 0.3)])
def test_the_transcripts_weight_goes_in_a_straight_line(make, ends):
    dataset = make(f"phases.p3.transcript_weight=[{ends[0]}, {ends[1]}]")
    weights = [dataset[index].transcript_weight for index in range(len(dataset))]
    np.testing.assert_allclose(weights, np.linspace(*ends, len(dataset)))


def test_augmentation_changes_every_recording_and_each_time_otherwise(make, utterances):
    dataset = make("phases.p3.epochs=2", augmentation=Augment(gain_p=1, noise_p=1))
    seen = {}
    for index, item in enumerate(dataset.plan):
        seen.setdefault(item.utterance, []).append(dataset[index].samples)
    for number, (first, second) in seen.items():
        assert not np.array_equal(first, load_utterance(utterances[number]))
        assert not np.array_equal(first, second)


def test_a_recording_that_augmentation_would_make_too_long_stays_as_it_is(make):
    whole = tiny.clip(2.0)
    data = [Utterance("u", whole, emotion="sad", transcript="kids")]
    slow = Augment(speed_p=1, speed=(0.5, 0.5), gain_p=0, noise_p=0)
    stretched, kept = (make(f"audio.max_seconds={most}", data=data, augmentation=slow)[0] for most in (9, 2))
    assert len(stretched.samples) > 1.8 * len(whole)
    np.testing.assert_array_equal(kept.samples, whole)


def test_the_emotion_and_the_transcript_are_the_utterances_own(make, utterances):
    dataset = make()
    for index, item in enumerate(dataset.plan):
        spoken = utterances[item.utterance]
        letter = {"angry": "A", "happy": "H", "neutral": "N", "sad": "S"}[spoken.emotion]
        assert dataset[index].conversation.text == f"| ASR: {spoken.transcript} | Emotion: {letter} |"


def test_a_merged_emotion_is_answered_by_its_class(make):
    data = [Utterance("u", tiny.clip(0.5), emotion="excited", transcript="kids")]
    assert make(data=data)[0].conversation.text == "| ASR: kids | Emotion: H |"


def test_cues_are_stated_by_the_runs_own_thresholds(make, utterances):
    pytest.importorskip("parselmouth")
    clip = load_utterance(utterances[0])
    measured = measure(clip)
    edges = {"low": 1, "medium": 0, "high": -1}
    for level, shift in edges.items():
        bounds = {cue: (measured[cue] + shift, measured[cue] + shift) for cue in CUES}
        dataset = make("prompt.cues=praat", thresholds=Thresholds(cues="praat", bounds=bounds), data=utterances[:1])
        told = dataset[0].conversation.user
        assert all(f"{level} {cue}" in told or f"{cue}: {level}" in told or f"{cue} {level}" in told for cue in CUES), (
            told
        )


def test_cached_frames_take_the_recordings_place(make, tmp_path):
    frames = np.arange(12, dtype=np.float16).reshape(4, 3)
    np.save(tmp_path / "x.npy", frames)
    sample = make(cached=lambda utterance, view: tmp_path / "x.npy")[0]
    assert sample.samples is None
    assert isinstance(sample.frames, np.memmap)
    np.testing.assert_array_equal(sample.frames, frames)


def test_an_utterance_without_a_recording_is_named(utterances):
    with pytest.raises(UserError, match=r"text-7: no recording"):
        load_utterance(replace(utterances[0], id="text-7", audio=None))
