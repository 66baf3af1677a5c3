"""Batches: padding is marked, the shared prefix is found, and only answers count in the loss."""

from importlib.resources import files

import numpy as np
import pytest
import tiny
import torch

from emosllm.audio import AudioError
from emosllm.prompting.audio_vectors import AudioVectors
from emosllm.prompting.cues import CUES, Thresholds
from emosllm.prompting.processor import IGNORED, Sample, SpeechProcessor
from emosllm.recipe import load_recipe

SAID = ("Put it on the table.", "No, and I never will, whatever you say!", "Well")
QUERIES = 4


def build(encoder="wavlm-large", system_role=True, *overrides, thresholds=None):
    recipe = load_recipe("emosllm", (*tiny.TINY, *overrides))
    return SpeechProcessor.build(
        recipe,
        tiny.feature_extractor(encoder),
        tiny.tokenizer(system_role),
        AudioVectors(fixed=QUERIES),
        thresholds=thresholds,
    )


@pytest.fixture(scope="module", params=[True, False], ids=["system role", "no system role"])
def processor(request):
    return build(system_role=request.param)


def spoken(processor, task="joint", **known):
    return [
        Sample(
            processor.build_conversation(task, transcript=text, emotion="sad", **known),
            tiny.clip(0.3 + 0.2 * seed, seed),
        )
        for seed, text in enumerate(SAID)
    ]


def written(processor):
    return [
        Sample(processor.build_conversation("joint", audio=False, transcript=text, emotion="sad", hint=text))
        for text in SAID
    ]


def read_back(processor, batch, row):
    """All ids that the LLM reads for a row, `None` for an audio vector."""
    ids = [
        None if audio else token
        for token, audio, keep in zip(
            *(batch[name][row].tolist() for name in ("input_ids", "audio_mask", "attention_mask")), strict=True
        )
        if keep
    ]
    return [*batch["prefix_ids"].tolist(), *ids] if "prefix_ids" in batch else ids


def expected(processor, sample, closed=True):
    tokens = processor.chat.encode(sample.conversation, closed)
    return [*tokens.head, *[None] * (QUERIES if tokens.audio else 0), *tokens.tail]


@pytest.mark.parametrize("closed", [True, False])
@pytest.mark.parametrize("mix", [[spoken], [written], [spoken, written]])
def test_every_row_reads_its_own_conversation(processor, mix, closed):
    samples = [sample for make in mix for sample in make(processor)]
    batch = processor(samples, closed)
    for row, sample in enumerate(samples):
        assert read_back(processor, batch, row) == expected(processor, sample, closed)
    assert ("labels" in batch) == closed


def test_the_prefix_is_all_that_the_rows_share(processor):
    batch = processor([*spoken(processor), *spoken(processor, "asr")])
    assert batch["audio_mask"][:, 0].all()  # the clip comes first: nothing before it is left in the rows
    assert processor.tokenizer.decode(batch["prefix_ids"]).endswith("Recording: ")


def test_text_rows_keep_a_token_of_their_own(processor):
    batch = processor(written(processor)[:1])
    assert batch["labels"][0, 0] == IGNORED
    assert batch["attention_mask"].all()


def test_the_prefix_ends_where_the_rows_differ(processor):
    batch = processor([spoken(processor)[0], written(processor)[0]])
    shared, rows = batch["prefix_ids"].tolist(), [read_back(processor, batch, row) for row in range(2)]
    assert rows[0][len(shared)] != rows[1][len(shared)]
    assert len(shared) > 20


def test_labels_are_the_answers_and_padding_counts_for_nothing(processor):
    samples = spoken(processor)
    batch = processor(samples)
    for row, sample in enumerate(samples):
        labels = batch["labels"][row]
        answer = labels[labels != IGNORED]
        assert processor.tokenizer.decode(answer) == sample.conversation.text + "<|end|>"
        assert torch.equal(answer, batch["input_ids"][row][labels != IGNORED])
    padding = batch["attention_mask"] == 0
    assert padding.any()
    assert (batch["labels"][padding] == IGNORED).all()
    assert not batch["audio_mask"][padding].any()
    assert not batch["label_weights"][batch["labels"] == IGNORED].any()


def test_transcripts_have_the_weight_of_their_sample(processor):
    sample = Sample(spoken(processor)[0].conversation, tiny.clip(0.3), transcript_weight=0.25)
    batch = processor([sample])
    light = batch["input_ids"][batch["label_weights"] == 0.25]
    assert processor.tokenizer.decode(light) == " " + SAID[0]
    assert set(batch["label_weights"].unique().tolist()) == {0.0, 0.25, 1.0}


@pytest.mark.parametrize("make", [spoken, written])
def test_candidates_continue_their_rows(processor, make):
    samples = make(processor)
    batch = processor.for_labels(samples)
    assert batch["candidates"].shape[:2] == (3, 9)
    assert "labels" not in batch
    for row, sample in enumerate(samples):
        for letter, ids in zip(processor.labels.letters, batch["candidates"][row], strict=True):
            whole = expected(processor, Sample(sample.conversation.with_emotion(letter), sample.samples))
            begun = [*read_back(processor, batch, row), *ids[ids != IGNORED].tolist()]
            assert begun == whole[: len(begun)]


def test_one_place_for_each_vector_of_each_clip(processor):
    batch = processor([*spoken(processor), *written(processor)])
    assert batch["audio_mask"].sum(-1).tolist() == [QUERIES] * 3 + [0] * 3
    assert len(batch["audio"]) == 3


@pytest.mark.parametrize("encoder", tiny.ENCODERS)
def test_clips_keep_their_length_in_the_mask(encoder):
    batch = build(encoder)(spoken(build(encoder)))
    hop = {"whisper": 160, "parakeet": 160, "wav2vec2-bert": 320, "qwen-audio": 160, "qwen2-audio": 160}.get(encoder, 1)
    lengths = [len(tiny.clip(0.3 + 0.2 * seed)) / hop for seed in range(3)]
    assert batch["audio_attention"].sum(-1).tolist() == pytest.approx(lengths, abs=1 if hop > 1 else 0)
    assert batch["audio_attention"].dtype == torch.long


def test_frames_of_the_cache_are_padded_and_masked(processor):
    frames = [np.full((n, 5), n, np.float32) for n in (3, 7)]
    samples = [Sample(spoken(processor)[0].conversation, frames=clip) for clip in frames]
    batch = processor(samples)
    assert batch["frames"].shape == (2, 7, 5)
    assert batch["frames_mask"].sum(-1).tolist() == [3, 7]
    assert (batch["frames"][0, 3:] == 0).all()
    assert "audio" not in batch


def test_an_overlong_clip_is_refused_with_the_way_out():
    processor = build("wavlm-large", True, "audio.max_seconds=0.4")
    with pytest.raises(AudioError, match=r"0\.5 s, and this system takes at most 0\.4 s .*; cut it, or give start"):
        processor(spoken(processor)[:2])
    processor(spoken(processor)[:1])


def test_whispers_window_is_a_limit_too():
    processor = build("whisper", True, "audio.max_seconds=40")
    with pytest.raises(AudioError, match=r"30\.5 s, and this system takes at most 30 s"):
        processor.features([np.zeros(int(30.5 * 16_000), np.float32)])


@pytest.mark.parametrize("encoder", ["wavlm-large", "whisper", "wav2vec2-bert"])
@pytest.mark.parametrize("system_role", [True, False])
def test_a_saved_processor_makes_the_same_batches(tmp_path, encoder, system_role):
    bounds = dict.fromkeys(CUES, (1.0, 2.0))
    processor = build(
        encoder,
        system_role,
        "prompt.cues=praat",
        "prompt.examples=2",
        thresholds=Thresholds(cues="praat", bounds=bounds),
    )
    processor.save_pretrained(tmp_path)
    loaded = SpeechProcessor.from_pretrained(tmp_path)
    assert loaded.settings == processor.settings
    before, after = processor(spoken(processor)), loaded(spoken(loaded, cues=None))
    assert before.keys() == after.keys()
    for name, tensor in before.items():
        torch.testing.assert_close(after[name], tensor, rtol=0, atol=0, msg=name)
    scored = loaded.for_labels(spoken(loaded))["candidates"]
    assert torch.equal(scored, processor.for_labels(spoken(processor))["candidates"])


def test_a_users_own_prompts_travel_with_the_processor(tmp_path):
    own = tmp_path / "mine.yaml"
    shipped = (files("emosllm.prompting") / "prompts" / "default.yaml").read_text(encoding="utf-8")
    own.write_text(shipped.replace("You listen to recordings", "Thou listenest to recordings"))
    build("wavlm-large", True, f"prompt.templates={own}").save_pretrained(tmp_path / "saved")
    own.unlink()
    loaded = SpeechProcessor.from_pretrained(tmp_path / "saved")
    assert loaded.build_conversation("asr").system.startswith("Thou listenest")
