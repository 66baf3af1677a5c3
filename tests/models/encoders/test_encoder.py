"""The frames of a clip do not depend on its batch, for every encoder."""

import pytest
import tiny
import torch
from spread import Spread
from transformers import BertConfig

from emosllm.errors import UserError
from emosllm.models.backbones import load_encoder, new_encoder
from emosllm.models.encoders.encoder import FAMILIES, SpeechEncoder

SECONDS = (0.5, 1.3, 0.8)
FULL = ("whisper", "qwen2-audio")  # always a full window, in which the encoder also reads the silence after the clip


@pytest.fixture(scope="module", params=tiny.ENCODERS)
def named(request):
    return request.param, SpeechEncoder(tiny.encoder(request.param)).eval()


def extract(name, clips):
    extractor = tiny.feature_extractor(name)
    features = extractor(
        clips,
        sampling_rate=16_000,
        padding="max_length" if name in FULL else "longest",
        return_attention_mask=True,
        return_tensors="pt",
    )
    return features[extractor.model_input_names[0]], features["attention_mask"].long()


@pytest.fixture(scope="module")
def batch(named):
    return extract(named[0], [tiny.clip(seconds, seed) for seed, seconds in enumerate(SECONDS)])


def test_a_batch_equals_its_clips_alone(named, batch):
    name, encoder = named
    frames, mask = encoder(*batch)
    assert frames.shape == (*mask.shape, encoder.width)
    for row, seconds in enumerate(SECONDS):
        alone, alone_mask = encoder(*extract(name, [tiny.clip(seconds, row)]))
        assert mask[row].sum() == alone_mask.sum()
        torch.testing.assert_close(frames[row, mask[row]], alone[alone_mask], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("named", [name for name in tiny.ENCODERS if name not in FULL], indirect=True)
def test_what_stands_in_the_padding_changes_nothing(named, batch):
    _, encoder = named
    audio, mask = batch
    dirty = audio.clone()
    in_time = dirty if dirty.shape[:2] == mask.shape else dirty.transpose(1, 2)  # some have their bands first
    in_time[mask == 0] = 3.0
    torch.testing.assert_close(encoder(dirty, mask)[0], encoder(audio, mask)[0], rtol=1e-4, atol=1e-5)


def test_no_weight_is_copied_for_every_frame(named, batch):
    _, encoder = named
    with Spread(encoder) as watched:
        encoder(*batch)
    assert not watched.found


def test_padded_frames_are_zero(named, batch):
    frames, mask = named[1](*batch)
    assert not mask.all()
    assert frames[~mask].abs().max() == 0
    assert frames[mask].abs().min(0).values.max() > 0


def test_frames_follow_the_clip_in_length(named, batch):
    counts = named[1](*batch)[1].sum(-1).tolist()
    # Of every real encoder here; the tiny waveform ones hop by 10 * 8 * 4 samples, which is the same.
    per_second = 25 if named[0].startswith("qwen") else 50
    assert counts == pytest.approx([seconds * per_second for seconds in SECONDS], abs=2)


def test_training_mode_leaves_dropout_and_masking_off(named, batch):
    encoder = named[1]
    before = encoder(*batch)[0]
    encoder.train()
    assert not any(module.training for module in encoder.modules())
    torch.testing.assert_close(encoder(*batch)[0], before, rtol=0, atol=0)


def test_nothing_in_an_encoder_learns(named):
    assert not any(parameter.requires_grad for parameter in named[1].parameters())


def test_every_family_is_tried_here():
    assert {kind for kind, _ in tiny.ENCODERS.values()} == set(FAMILIES)


def test_a_model_without_audio_is_refused_with_a_list_of_encoders():
    with pytest.raises(UserError, match=r"'bert' is not a known speech encoder; known are wavlm, .*whisper"):
        new_encoder(BertConfig())


@pytest.mark.parametrize("name", ["whisper", "wavlm-base", "qwen-audio"])
def test_a_saved_encoder_loads_as_the_same_encoder(tmp_path, name):
    ears, _ = tiny.folders(tmp_path, encoder_name=name)
    loaded = SpeechEncoder(load_encoder(str(ears))).eval()
    batch = extract(name, [tiny.clip(0.4)])
    again = SpeechEncoder(load_encoder(str(ears))).eval()
    assert "decoder" not in {part for key in loaded.state_dict() for part in key.split(".")}
    torch.testing.assert_close(loaded(*batch)[0], again(*batch)[0], rtol=0, atol=0)


def test_a_folder_without_an_encoder_says_where_it_looked(tmp_path):
    with pytest.raises(UserError, match=r"nowhere: no Config there .*; give a folder that has one") as error:
        load_encoder(str(tmp_path / "nowhere"))
    assert "\n" not in str(error.value)


def test_an_unknown_builtin_lists_the_known_ones():
    with pytest.raises(UserError, match="no builtin model 'builtin:nope'; known are"):
        load_encoder("builtin:nope")
