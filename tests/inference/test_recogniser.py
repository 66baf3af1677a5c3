"""Recordings in, predictions out: in order, the same in any batch, a bad recording a row with its error."""

import itertools
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
import tiny
import torch

from emosllm.errors import UserError
from emosllm.inference import recogniser as recogniser_module
from emosllm.inference.loader import load
from emosllm.inference.recogniser import Recogniser
from emosllm.models.build import build_model, build_processor
from emosllm.models.llms.lora import lora_layers
from emosllm.utterance import Utterance

STRATEGIES = ("ser", "transcript-in-prompt", "transcript-first")


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run's folder with a trained system in it; one of its adapters learned."""
    root = tmp_path_factory.mktemp("run")
    recipe = tiny.recipe(root, "emosllm", "inference.max_new_tokens=6")
    torch.manual_seed(0)
    model = build_model(recipe)
    for layer in lora_layers(model.llm):
        torch.nn.init.normal_(layer.lora_B["default"].weight, std=0.1)
    model.save_pretrained(root / "model")
    build_processor(recipe).save_pretrained(root / "model")
    return root


@pytest.fixture(scope="module")
def system(run):
    return load(run)


@pytest.fixture(scope="module")
def clips(tmp_path_factory):
    """Five recordings of different length."""
    folder = tmp_path_factory.mktemp("clips")
    paths = [folder / f"{seed}.wav" for seed in range(5)]
    for seed, path in enumerate(paths):
        soundfile.write(path, tiny.clip(0.4 + 0.3 * seed, seed), 16_000)
    return paths


def spoken(clips, **known):
    return [Utterance(path.name, path, **known) for path in clips]


def assert_alike(one, other):
    for ours, theirs in zip(one, other, strict=True):
        assert (ours.path, ours.label, ours.transcript, ours.error) == (
            theirs.path,
            theirs.label,
            theirs.transcript,
            theirs.error,
        )
        assert ours.probabilities == pytest.approx(theirs.probabilities, abs=1e-4)


@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize("transcripts", ["own", "given"])
def test_probabilities_sum_to_one_and_the_label_is_the_likeliest(system, clips, strategy, transcripts):
    asked = Recogniser(system.model, system.processor, strategy)
    for prediction in asked.predict(spoken(clips, transcript="Well, no."), transcripts=transcripts):
        assert list(prediction.probabilities) == list(system.labels.names)
        assert sum(prediction.probabilities.values()) == pytest.approx(1, abs=1e-5)
        assert prediction.confidence == max(prediction.probabilities.values())
        assert prediction.error is None


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_the_batch_does_not_change_the_answers(system, clips, strategy):
    asked = Recogniser(system.model, system.processor, strategy)
    alone = list(asked.predict(spoken(clips), batch_size=1))
    for size in (2, 3, 16):
        assert_alike(asked.predict(spoken(clips), batch_size=size), alone)


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_given_transcripts_are_taken_and_missing_ones_heard(system, clips, strategy):
    asked = Recogniser(system.model, system.processor, strategy)
    mixed = [replace(u, transcript=text) for u, text in zip(spoken(clips[:3]), ("One.", None, "Three."), strict=True)]
    given = [p.transcript for p in asked.predict(mixed, transcripts="given")]
    own = [p.transcript for p in asked.predict(mixed)]
    heard = None if strategy == "ser" else own[1]
    assert given == ["One.", heard, "Three."]
    assert own == [None] * 3 if strategy == "ser" else all(isinstance(text, str) for text in own)


def test_a_given_transcript_changes_the_answer(system, clips):
    one, other = (
        next(system.predict(spoken(clips[:1], transcript=text), transcripts="given")) for text in ("Yes!", "I weep.")
    )
    assert one.probabilities != pytest.approx(other.probabilities, rel=1e-3)


def test_only_transcripts_that_are_needed_are_generated(system, clips, monkeypatch):
    monkeypatch.setattr(recogniser_module, "transcribe", lambda *_: pytest.fail("generated"))
    alone = list(Recogniser(system.model, system.processor, "ser").predict(spoken(clips)))
    assert [(prediction.transcript, prediction.error) for prediction in alone] == [(None, None)] * len(clips)
    told = list(system.predict(spoken(clips, transcript="Given."), transcripts="given"))
    assert [(prediction.transcript, prediction.error) for prediction in told] == [("Given.", None)] * len(clips)


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_a_system_that_hears_nothing_still_answers(system, clips, strategy, monkeypatch):
    monkeypatch.setattr(recogniser_module, "transcribe", lambda model, processor, samples, most: [""] * len(samples))
    for prediction in Recogniser(system.model, system.processor, strategy).predict(spoken(clips[:2])):
        assert prediction.transcript == (None if strategy == "ser" else "")
        assert sum(prediction.probabilities.values()) == pytest.approx(1, abs=1e-5)


# ---- bad recordings


BAD = {
    "missing": (Path("nowhere.wav"), "nowhere.wav does not exist"),
    "text alone": (None, "no recording"),
    "silent": (np.zeros(16_000, np.float32), "silent"),
    "not a number": (np.full(16_000, np.nan, np.float32), "NaN"),
    "too short": (tiny.clip(0.05), "0.05"),
    "too long": (np.tile(tiny.clip(1.0), 41), "at most 40 s"),
    "not audio": (b"not audio at all, but text", "not audio"),
    "empty": (b"", "empty"),
}


@pytest.mark.parametrize("size", [1, 4, 16])
def test_a_bad_recording_is_a_row_and_the_others_go_on(system, clips, size):
    good = spoken(clips[:2])
    mixed = [good[0], *(Utterance(name, audio) for name, (audio, _) in BAD.items()), good[1]]
    first, *bad, last = list(system.predict(mixed, batch_size=size))
    assert_alike([first, last], list(system.predict(good)))
    for prediction, (audio, words) in zip(bad, BAD.values(), strict=True):
        assert words in prediction.error, prediction.error
        assert "\n" not in prediction.error
        assert (prediction.label, prediction.confidence, dict(prediction.probabilities)) == (None, None, {})
        assert prediction.path == "nowhere.wav" if isinstance(audio, Path) else prediction.path in BAD


@pytest.mark.parametrize(("audio", "words"), BAD.values(), ids=BAD)
def test_asked_for_one_bad_recording_it_raises(system, audio, words):
    with pytest.raises(UserError, match=words):
        system(Utterance("bad", audio))


def test_nothing_to_recognise_is_no_prediction(system):
    assert list(system.predict([])) == []


def test_recordings_are_read_as_they_are_needed(system, clips):
    endless = (utterance for _ in itertools.count() for utterance in spoken(clips))
    assert len(list(itertools.islice(system.predict(endless, batch_size=2), 5))) == 5


def test_a_batch_of_none_is_refused(system, clips):
    with pytest.raises(UserError, match="batch_size 0"):
        list(system.predict(spoken(clips), batch_size=0))


# ---- what may be held in hand


def test_a_file_its_bytes_and_its_samples_are_one_recording(system, clips):
    samples, _ = soundfile.read(clips[1], dtype="float32")
    held = (clips[1], str(clips[1]), clips[1].read_bytes(), samples, Utterance("u", clips[1]))
    answers = [system(source) for source in held]
    for answer in answers:
        assert answer.probabilities == pytest.approx(answers[0].probabilities, abs=1e-5)
    names = [str(clips[1])] * 2 + ["the given bytes", "the given samples", str(clips[1])]
    assert [answer.path for answer in answers] == names


def test_a_stretch_of_a_recording_is_that_stretch(system, clips):
    samples, _ = soundfile.read(clips[4], dtype="float32")
    stretch = system(Utterance("part", clips[4], start=0.25, end=1.0))
    assert stretch.probabilities == pytest.approx(system(samples[4_000:16_000]).probabilities, abs=1e-5)


# ---- loading


def test_a_run_and_its_model_are_the_same_system_as_the_one_saved(run, system, clips):
    from emosllm.models.speech_llm import SpeechLLM
    from emosllm.prompting.processor import SpeechProcessor

    unmerged = SpeechLLM.from_pretrained(run / "model")
    plain = Recogniser(unmerged, SpeechProcessor.from_pretrained(run / "model"))
    answers = list(plain.predict(spoken(clips)))
    assert_alike(system.predict(spoken(clips)), answers)
    assert_alike(load(str(run / "model")).predict(spoken(clips)), answers)
    assert all(layer.merged for layer in lora_layers(system.model.llm))
    assert not system.model.training


def test_labels_are_narrowed_in_the_systems_order(run, clips):
    narrow = load(run, labels=["Sadness", "angry", "happy"], strategy="ser")
    assert list(narrow(clips[0]).probabilities) == ["angry", "sad", "happy"]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"labels": ["angry", "calm"]}, "has no calm; it can answer angry"),
        ({"labels": ["angry", "spleen"]}, "unknown emotion 'spleen'|has no spleen"),
        ({"strategy": "guess"}, "unknown strategy 'guess': known are ser, transcript-in-prompt, transcript-first"),
    ],
)
def test_what_a_system_was_not_trained_for_is_refused(run, options, words):
    with pytest.raises(UserError, match=words):
        load(run, **options)


def test_a_folder_without_a_system_is_refused(tmp_path, run):
    for place, words in (
        (tmp_path, "no config.json in that folder"),
        (tmp_path / "none", "no such folder, system or hub id"),
        (run / "llm-llama", "not one of emosllm"),
    ):
        with pytest.raises(UserError, match=words):
            load(place)


@pytest.mark.parametrize("lost", ["model.safetensors", "tokenizer.json", "processor_config.json"])
def test_a_system_that_lacks_a_file_is_refused_by_name(tmp_path, run, lost):
    for path in (run / "model").iterdir():
        if path.name != lost:
            (tmp_path / path.name).write_bytes(path.read_bytes())
    assert (run / "model" / lost).is_file()
    with pytest.raises(UserError) as error:
        load(tmp_path)
    assert str(tmp_path) in str(error.value)
    assert "\n" not in str(error.value)
