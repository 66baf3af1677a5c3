"""A row that exceeds the LLM's positions is reported before training, and the bounds accept no such row."""

from dataclasses import replace

import pytest
import tiny
import torch
from transformers import AutoConfig

from emosllm.errors import UserError
from emosllm.models.build import build_model
from emosllm.models.encoders.encoder import family
from emosllm.prompting.audio_vectors import AudioVectors
from emosllm.prompting.cues import CUES, Thresholds
from emosllm.prompting.processor import SpeechProcessor
from emosllm.training import dataset as dataset_module
from emosllm.training import run as run_module
from emosllm.training.dataset import PhaseDataset
from emosllm.training.phase_plan import plan_phase, plan_phases
from emosllm.training.phase_trainer import PhaseTrainer, collate_of
from emosllm.training.row_lengths import LengthBounds, check_row_lengths, row_tokens

FIXED = AudioVectors(fixed=4)
LONG = "kids are talking by the door " * 400


@pytest.fixture
def untrained(monkeypatch):
    """Fail if anything is trained, built or computed."""
    monkeypatch.setattr(PhaseTrainer, "train", lambda *_, **__: pytest.fail("trained"))
    monkeypatch.setattr(run_module, "build_model", lambda *_: pytest.fail("built"))


def silent(monkeypatch):
    monkeypatch.setattr(dataset_module, "load_utterance", lambda *_: pytest.fail("a recording was read"))


@pytest.fixture(scope="module")
def make(make_recipe, utterances):
    """Datasets of a phase, with vectors of any kind."""

    def dataset(phase, *overrides, vectors=FIXED, data=utterances, thresholds=None, ears="wavlm-large",
                **options):  # fmt: skip
        recipe = make_recipe(*overrides)
        parts = (tiny.feature_extractor(ears), tiny.tokenizer())
        processor = SpeechProcessor.build(recipe, *parts, vectors, thresholds)
        plan = plan_phase(phase, recipe.phases[phase], data, recipe.label_set, (0, 1))
        return PhaseDataset(plan, data, processor, recipe.phases[phase], (0, 1), **options)

    return dataset


def reading_at_most(positions):
    return AutoConfig.for_model("llama", max_position_embeddings=positions)


# ---- a run


@pytest.mark.parametrize(("phase", "emotion"), [("p1", None), ("p3", "angry")])
def test_one_long_row_is_named_before_anything_is_built(
    tmp_path, make_run, utterances, untrained, monkeypatch, phase, emotion
):
    """Transcripts without an emotion are only in the first phase, those of another corpus only in the last."""
    silent(monkeypatch)
    long = replace(utterances[0], id="the long one", transcript=LONG, emotion=emotion, corpus=phase)
    others = [u for u in (f"phases.{name}.corpora=[synthetic]" for name in ("p1", "p2", "p3")) if phase not in u]
    run = make_run(tmp_path / "run", *others, data=[*utterances[1:], long])
    with pytest.raises(UserError) as caught:
        run.train()
    said = str(caught.value)
    assert said.startswith("the long one: a row of ")
    assert f" tokens in phase {phase}, and the llama in use reads at most 2048; shorten its transcript" in said
    assert "\n" not in said
    assert not (tmp_path / "run").exists()  # so that the same command works after the data are corrected


def test_no_row_is_put_into_words_where_all_have_room(make_run, utterances, tmp_path, monkeypatch):
    silent(monkeypatch)
    run = make_run(tmp_path / "run")
    monkeypatch.setattr(PhaseDataset, "sample", lambda *_: pytest.fail("a row was made"))
    monkeypatch.setattr(LengthBounds, "tight_bound", lambda *_: pytest.fail("a transcript was tokenised"))
    run._processor(plan_phases(run.recipe, run.data.train))


def test_with_cues_the_row_is_named_once_they_are_measured(tmp_path, make_run, utterances, untrained):
    pytest.importorskip("parselmouth")
    data = [replace(utterances[0], id="the long one", transcript=LONG), *utterances[1:]]
    with pytest.raises(UserError, match="the long one: a row of"):
        make_run(tmp_path / "run", "prompt.cues=praat", data=data).train()


# ---- the limit


@pytest.mark.parametrize("phase", ["p1", "p2", "p3"])
def test_the_limit_is_the_longest_rows_length(make, phase, utterances):
    dataset = make(phase)
    lengths = [row_tokens(dataset, place) for place in range(len(dataset))]
    for place, length in enumerate(lengths):
        batch = dataset.processor([dataset[place]])
        assert length == batch["input_ids"].shape[1] + len(batch.get("prefix_ids", ()))
    longest = max(lengths)
    check_row_lengths(phase, dataset, reading_at_most(longest))
    with pytest.raises(UserError, match=f"a row of {longest} tokens in phase {phase}.* at most {longest - 1};"):
        check_row_lengths(phase, dataset, reading_at_most(longest - 1))


def test_the_longest_in_tokens_is_found_though_others_have_more_letters_or_seconds(make, utterances):
    """Characters that are not in the vocabulary take a token for each byte."""
    common = "the emotion of the speaker " * 12
    strange = "ждём 你好吗 " * 18
    data = [replace(u, transcript=common, duration=3.0) for u in utterances]
    data[5] = replace(data[5], id="strange", transcript=strange, duration=1.0)
    assert len(strange) < len(common)
    dataset = make("p1", data=data)
    lengths = {dataset.utterances[item.utterance].id: row_tokens(dataset, n) for n, item in enumerate(dataset.plan)}
    assert max(lengths, key=lengths.get) == "strange"
    with pytest.raises(UserError, match="strange: a row of"):
        check_row_lengths("p1", dataset, reading_at_most(lengths["strange"] - 1))


def test_an_llm_without_a_limit_takes_everything(make, utterances):
    config = AutoConfig.for_model("bloom")
    assert check_row_lengths("p1", make("p1", data=[replace(utterances[0], transcript=LONG)]), config) is None


# ---- the bounds


CASES = {
    "plain": {},
    "two examples": {"overrides": ("prompt.examples=2",)},
    "gender and transcript told": {"overrides": ("prompt.gender=true", "prompt.transcript=true")},
    "frame by frame": {"vectors": AudioVectors(convolutions=((10, 10, 0), (8, 8, 0), (4, 4, 0)), extra=2)},
    "augmented": {
        "vectors": AudioVectors(convolutions=((10, 10, 0), (8, 8, 0), (4, 4, 0))),
        "augment": True,
    },
    "cues": {"overrides": ("prompt.cues=praat",), "cues": True},
}


@pytest.mark.parametrize("phase", ["p1", "p2", "p3"])
@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_no_bound_is_below_a_row(make, utterances, case, phase):
    from emosllm.augmentation import Augment

    options = {key: value for key, value in case.items() if key == "vectors"}
    if case.get("augment"):
        options["augmentation"] = Augment()
    if case.get("cues"):
        pytest.importorskip("parselmouth")
        options["thresholds"] = Thresholds(cues="praat", bounds=dict.fromkeys(CUES, (0.0, 1.0)))
    dataset = make(phase, f"phases.{phase}.epochs=3", *case.get("overrides", ()), **options)
    bounds = LengthBounds(dataset)
    for place, item in enumerate(dataset.plan):
        pair = (item.utterance, item.task)
        assert row_tokens(dataset, place) <= bounds.tight_bound(*pair) <= bounds.upper_bound(*pair)


def test_where_vectors_are_fixed_no_recording_is_read(make, monkeypatch):
    silent(monkeypatch)
    dataset = make("p3")
    with pytest.raises(UserError, match="a row of"):
        check_row_lengths("p3", dataset, reading_at_most(50))


def test_a_recording_alone_can_be_too_long(make, utterances):
    """One vector for each frame, 50 a second; the longest recording of the second phase is named."""
    vectors = AudioVectors(convolutions=((320, 320, 0),))
    dataset = make("p2", vectors=vectors, data=utterances)
    places = {dataset.utterances[item.utterance].id: n for n, item in enumerate(dataset.plan)}
    lengths = {name: row_tokens(dataset, place) for name, place in places.items()}
    longest = max(lengths, key=lengths.get)
    unknown = make("p2", vectors=vectors, data=[replace(u, duration=None) for u in utterances])
    for one in (dataset, unknown):
        with pytest.raises(UserError, match=f"a row of {lengths[longest]} tokens"):
            check_row_lengths("p2", one, reading_at_most(lengths[longest] - 1))
        check_row_lengths("p2", one, reading_at_most(max(row_tokens(one, n) for n in range(len(one)))))


@pytest.mark.parametrize("name", ["wavlm-base", "wav2vec2-bert", "parakeet", "whisper", "qwen2-audio", "qwen-audio"])
def test_seconds_bound_the_vectors_of_every_kind_of_encoder(make, utterances, name):
    config = tiny.encoder(name).config
    vectors = AudioVectors(convolutions=family(config).convolutions(config), extra=2)
    dataset = make("p2", vectors=vectors, ears=name)
    bounds = LengthBounds(dataset)
    for place, item in enumerate(dataset.plan):
        length, bound = row_tokens(dataset, place), bounds.tight_bound(item.utterance, item.task)
        assert length <= bound
        assert bound < length + 400  # the difference by a second of audio and the wording


# ---- the error of the model itself


CLASSES = (
    "phases.p3.loss=classes",
    "inference.strategy=ser",
    *(f"phases.{phase}.tasks={{ser: 1, asr: 0, joint: 0}}" for phase in ("p1", "p2", "p3")),
)
WORDS = (*CLASSES, "prompt.templates=speech-words", "prompt.examples=0")


@pytest.mark.parametrize(("overrides", "width"), [((), 0), (CLASSES, 1), (WORDS, 3)])
def test_what_is_refused_is_what_the_model_would_refuse(make, make_recipe, overrides, width):
    """For the loss over tokens, and over labels of one token or several, which follow the row."""
    dataset = make("p3", *overrides)
    model = build_model(make_recipe())
    collate = collate_of(dataset.phase, dataset.processor)
    bounds = LengthBounds(dataset)
    for place, item in enumerate(dataset.plan[:3]):
        length, batch = row_tokens(dataset, place), collate([dataset[place]])
        assert batch.get("candidates", torch.ones(1, 0)).shape[-1] >= width
        assert length <= bounds.tight_bound(item.utterance, item.task)
        model.llm.config.max_position_embeddings = length
        model(**batch)
        model.llm.config.max_position_embeddings = length - 1
        with pytest.raises(UserError, match=f"a row of {length} tokens"):
            model(**batch)
