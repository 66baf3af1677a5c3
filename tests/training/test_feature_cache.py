"""The cache of the frozen encoder's frames: named by all that they depend on, and written atomically."""

import json
from dataclasses import replace
from multiprocessing import get_context

import numpy as np
import pytest
import tiny
import torch

from emosllm.audio import AudioError
from emosllm.augmentation import Augment
from emosllm.models.encoders.encoder import SpeechEncoder
from emosllm.prompting.audio_vectors import AudioVectors
from emosllm.prompting.processor import SpeechProcessor
from emosllm.training import feature_cache
from emosllm.training.dataset import load_utterance
from emosllm.training.feature_cache import FeatureCache, fingerprint

NOTHING = {name: 0.0 for name in Augment.model_fields if name.endswith("_p")}


@pytest.fixture(scope="module")
def processor(make_recipe):
    return SpeechProcessor.build(make_recipe(), tiny.feature_extractor(), tiny.tokenizer(), AudioVectors(fixed=4))


@pytest.fixture
def encoder():
    return SpeechEncoder(tiny.encoder())


@pytest.mark.parametrize("batch_size", [1, 3, 8])
def test_cached_frames_are_the_encoders_in_half_precision(tmp_path, encoder, processor, utterances, batch_size):
    cache = FeatureCache(tmp_path, encoder, processor)
    cache.fill(utterances[:5], batch_size)
    for utterance in utterances[:5]:
        given = processor.features([load_utterance(utterance)])
        with torch.no_grad():
            hidden, mask = encoder(given["audio"], given["audio_attention"])
        stored = np.load(cache.path(utterance))
        assert stored.dtype == np.float16
        np.testing.assert_allclose(stored, hidden[0][mask[0]].numpy(), atol=2e-3, rtol=2e-3)


def test_nothing_is_computed_twice(tmp_path, encoder, processor, utterances, monkeypatch):
    FeatureCache(tmp_path, encoder, processor).fill(utterances)
    monkeypatch.setattr(FeatureCache, "_compute", lambda *_: pytest.fail("computed again"))
    again = FeatureCache(tmp_path, SpeechEncoder(tiny.encoder()), processor)
    again.fill([replace(utterance, id=utterance.id + "-renamed") for utterance in utterances])
    assert len(list(again.folder.iterdir())) == len(utterances)


def test_the_same_weights_have_the_same_name_wherever_they_lie(tmp_path, processor):
    names = set()
    for place in ("here", "there"):
        tiny.encoder().save_pretrained(tmp_path / place)
        loaded = type(tiny.encoder()).from_pretrained(tmp_path / place)
        names.add(fingerprint(SpeechEncoder(loaded), processor))
    assert len(names) == 1


def _other_weights(encoder, processor, clip):
    next(encoder.parameters()).data[0] += 1e-3


def _other_extractor(encoder, processor, clip):
    processor.feature_extractor.do_normalize = not processor.feature_extractor.do_normalize


def _other_config(encoder, processor, clip):
    encoder.model.config.layer_norm_eps *= 2


def _other_precision(encoder, processor, clip):
    encoder.to(torch.bfloat16)


def _other_audio(encoder, processor, clip):
    clip[-1] += 1e-4


@pytest.mark.parametrize("change", [_other_weights, _other_extractor, _other_config, _other_precision, _other_audio])
def test_what_is_computed_from_something_else_has_another_name(tmp_path, make_recipe, encoder, utterances, change):
    processor = SpeechProcessor.build(make_recipe(), tiny.feature_extractor(), tiny.tokenizer(), AudioVectors(fixed=4))
    clip = tiny.clip(0.5)
    paths = []
    for changed in (False, True):
        if changed:
            change(encoder, processor, clip)
        cache = FeatureCache(tmp_path, encoder, processor)
        if changed and encoder.model.dtype != torch.float32:
            paths.append(cache.folder / paths[0].name)
        else:
            cache.fill([replace(utterances[0], audio=clip)])
            paths.append(cache.path(utterances[0]))
    assert paths[0] != paths[1]


def test_several_processes_fill_one_folder_and_leave_whole_files(tmp_path, encoder, processor, utterances):
    fork = get_context("fork")
    workers = [
        fork.Process(target=lambda: FeatureCache(tmp_path / "many", encoder, processor).fill(utterances, batch_size=1))
        for _ in range(3)
    ]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(60)
    assert [worker.exitcode for worker in workers] == [0, 0, 0]
    alone = FeatureCache(tmp_path / "alone", encoder, processor)
    alone.fill(utterances, batch_size=1)
    shared = FeatureCache(tmp_path / "many", encoder, processor).folder
    assert {path.name for path in shared.iterdir()} == {path.name for path in alone.folder.iterdir()}
    for path in alone.folder.iterdir():
        np.testing.assert_array_equal(np.load(shared / path.name), np.load(path))


def test_what_a_killed_process_left_is_not_read(tmp_path, encoder, processor, utterances, monkeypatch):
    cache = FeatureCache(tmp_path, encoder, processor)

    def killed(file, frames):
        file.write(b"half")
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(feature_cache.np, "save", killed)
        with pytest.raises(KeyboardInterrupt):
            cache.fill(utterances[:1])
    assert [path.suffix for path in cache.folder.iterdir()] == [".tmp"]
    cache.fill(utterances[:1])
    assert np.load(cache.path(utterances[0])).shape[1] == encoder.width


def test_a_recording_longer_than_the_system_takes_is_named(tmp_path, encoder, make_recipe, utterances):
    short = SpeechProcessor.build(
        make_recipe("audio.max_seconds=0.2"), tiny.feature_extractor(), tiny.tokenizer(), AudioVectors(fixed=4)
    )
    with pytest.raises(AudioError, match=rf"{utterances[0].id}.*at most 0.2 s"):
        FeatureCache(tmp_path, encoder, short).fill(utterances[:1])


def test_training_on_cached_frames_is_training_on_the_recordings(tmp_path, make_run):
    cached = make_run(tmp_path / "cached").train()
    whole = make_run(tmp_path / "whole", f"training.augmentation={json.dumps(NOTHING)}").train()
    losses = [
        [phase["loss"] for phase in json.loads((model.parent / "run.json").read_text())["phases"].values()]
        for model in (cached, whole)
    ]
    np.testing.assert_allclose(*losses, rtol=1e-3)


def test_augmented_versions_are_made_once_and_differ(tmp_path, encoder, processor, utterances, monkeypatch):
    chosen, settings = utterances[:3], Augment()
    cache = FeatureCache(tmp_path, encoder, processor)
    cache.fill(chosen)
    for view in (1, 2):
        cache.fill(chosen, augmentation=settings, view=view)
    for utterance in chosen:
        versions = [np.load(cache.path(utterance, view)) for view in (0, 1, 2)]
        assert len({version.tobytes() for version in versions}) == 3
        np.testing.assert_array_equal(cache.load(utterance), versions[0].astype(np.float32))
    monkeypatch.setattr(FeatureCache, "_compute", lambda *_: pytest.fail("computed again"))
    again = FeatureCache(tmp_path, SpeechEncoder(tiny.encoder()), processor)
    again.fill(chosen[::-1], augmentation=settings, view=2)  # another order, the same versions
    assert again.path(chosen[0], 2) == cache.path(chosen[0], 2)


def test_a_clips_level_is_part_of_the_name(encoder, make_recipe):
    parts = (tiny.feature_extractor(), tiny.tokenizer(), AudioVectors(fixed=4))
    plain = SpeechProcessor.build(make_recipe(), *parts)
    levelled = SpeechProcessor.build(make_recipe("audio.level=-20"), *parts)
    assert fingerprint(encoder, plain) != fingerprint(encoder, levelled)
    softer = tiny.clip(0.5) * np.float32(0.01)
    first, second = (levelled.features([clip])["audio"] for clip in (softer, softer * np.float32(50)))
    torch.testing.assert_close(first, second, atol=1e-3, rtol=1e-3)
