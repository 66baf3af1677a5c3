"""Whisper's published weights: transformers' decoder reads the speech from our encoder's frames."""

import re

import pytest
import torch
from transformers import AutoTokenizer, WhisperForConditionalGeneration
from transformers.modeling_outputs import BaseModelOutput

from emosllm.inference.asr import load_asr
from emosllm.models.backbones import load_encoder, load_feature_extractor
from emosllm.models.checkpoints.int8_weights import save_int8
from emosllm.models.checkpoints.locations import locate
from emosllm.models.encoders.encoder import SpeechEncoder
from emosllm.training.dataset import load_utterance

NAME = "openai/whisper-base"


@pytest.fixture(scope="module")
def jfk(recordings):
    utterance = next(u for u in recordings if u.audio.name == "jfk.flac")
    return load_utterance(utterance), utterance.transcript


@pytest.fixture(scope="module")
def heard(jfk):
    """The clip's features, and transformers' own model."""
    extractor = load_feature_extractor(NAME)
    features = extractor(jfk[0], sampling_rate=16_000, return_tensors="pt", return_attention_mask=True)
    return features, WhisperForConditionalGeneration.from_pretrained(locate(NAME), dtype=torch.float32).eval()


def words(text):
    return re.sub(r"[^a-z ]", "", text.lower()).split()


def written(model, frames):
    ids = model.generate(encoder_outputs=BaseModelOutput(frames), language="en", task="transcribe", max_new_tokens=60)
    return AutoTokenizer.from_pretrained(locate(NAME)).decode(ids[0], skip_special_tokens=True)


def test_frames_of_our_encoder_are_written_down_word_for_word(jfk, heard):
    features, model = heard
    encoder = SpeechEncoder(load_encoder(NAME)).eval()
    frames, keep = encoder(features.input_features, torch.ones_like(features.attention_mask))
    assert bool(keep.all())
    expected = model.model.encoder(features.input_features).last_hidden_state
    torch.testing.assert_close(frames, expected, rtol=1e-4, atol=1e-4)
    assert words(written(model, frames)) == words(jfk[1])


def test_of_the_window_the_clips_own_frames_are_kept(jfk, heard):
    features, model = heard
    frames, keep = SpeechEncoder(load_encoder(NAME)).eval()(features.input_features, features.attention_mask)
    assert frames.shape[1] == int(keep.sum()) == round(len(jfk[0]) / 16_000 * 50)
    whole = model.model.encoder(features.input_features).last_hidden_state
    torch.testing.assert_close(frames, whole[:, : frames.shape[1]], rtol=1e-4, atol=1e-4)
    assert words(jfk[1])[:9] == words(written(model, frames))[:9]


def test_int8_weights_preserve_every_word(jfk, heard, tmp_path):
    features, model = heard
    save_int8(load_encoder(NAME), tmp_path)
    assert (tmp_path / "model.safetensors").stat().st_size < 24_000_000
    frames, _ = SpeechEncoder(load_encoder(str(tmp_path))).eval()(
        features.input_features, torch.ones_like(features.attention_mask)
    )
    assert words(written(model, frames)) == words(jfk[1])


def test_a_recogniser_of_speech_is_found_in_the_folder_of_models(jfk):
    (text,) = load_asr(NAME)([jfk[0]])
    assert words(text) == words(jfk[1])
