"""emotion2vec equals FunASR's, number by number, and a batch equals single clips.

The golden files hold what FunASR's `Emotion2vec` (commit 3c58cb5, torch 2.13.0) gives: tests/models/golden/README.md.
"""

import json

import golden
import pytest
import torch
from safetensors.torch import load_file
from torch import nn
from transformers import AutoConfig, AutoModel

from emosllm.errors import UserError
from emosllm.models.backbones import new_encoder
from emosllm.models.encoders.emotion2vec import Emotion2VecConfig, Emotion2VecModel, alibi_slopes
from emosllm.models.heads import ClassHead
from emosllm.models.published.emotion2vec import place

SMALL = Emotion2VecConfig(
    hidden_size=48,
    num_attention_heads=6,
    num_prenet_layers=2,
    num_main_layers=3,
    intermediate_size=192,
    conv_dim=[24] * 7,
    position_groups=4,
)
CLIPS = (4807, 11207, 30407, 64007, 160007)


def filled(name, config, names):
    """Encoder and head with the weights of the reference."""
    shapes = json.loads((golden.FOLDER / f"emotion2vec_{name}.keys.json").read_text())
    state = {"encoder": {}, "head": {}}
    for key, value in golden.weights(shapes).items():
        for part, ours, taken_of in place(key):
            state[part][ours] = taken_of(value)
    encoder = Emotion2VecModel(config).eval()
    encoder.load_state_dict(state["encoder"])
    rows = [index for index, name in enumerate(names) if name is not None]  # the others are "unuse" in the reference
    head = ClassHead(config.hidden_size, len(rows), layers=0)
    head.load_state_dict({key: tensor[rows] for key, tensor in state["head"].items()})
    return encoder, head


@pytest.fixture(scope="module")
def small():
    return filled("small", SMALL, ("angry", "disgust", None, "happy", "unknown"))


@pytest.fixture(scope="module")
def reference():
    return load_file(golden.FOLDER / "emotion2vec_small.safetensors")


def clip(samples):
    return golden.sound(f"clip of {samples}", samples)


@torch.no_grad()
def check(frames, head, reference, samples, step=1):
    rows = [round(i * (len(frames) - 1) / 7) for i in range(8)]
    close = {"rtol": 0, "atol": 1e-4}
    torch.testing.assert_close(frames[rows][:, ::step], reference[f"{samples}.frames"], **close)
    torch.testing.assert_close(frames.mean(0)[::step], reference[f"{samples}.mean"], **close)
    logits = head(frames[None], torch.ones(1, len(frames), dtype=torch.bool))
    torch.testing.assert_close(logits.softmax(-1)[0], reference[f"{samples}.scores"], **close)


@torch.no_grad()
def batch(encoder, lengths, padding=0.0):
    """Frames of each clip, cut to its own length, from one batch."""
    audio = torch.full((len(lengths), max(lengths)), padding)
    mask = torch.zeros(audio.shape, dtype=torch.long)
    for row, samples in enumerate(lengths):
        audio[row, :samples], mask[row, :samples] = clip(samples), 1
    hidden = encoder(audio, attention_mask=mask).last_hidden_state
    counts = encoder._get_feat_extract_output_lengths(torch.tensor(lengths))
    return [frames[:count] for frames, count in zip(hidden, counts, strict=True)]


@pytest.mark.parametrize("samples", CLIPS)
def test_frames_and_scores_are_the_references(small, reference, samples):
    encoder, head = small
    (frames,) = batch(encoder, [samples])
    check(frames, head, reference, samples)


@pytest.mark.parametrize("lengths", [CLIPS, CLIPS[::-1], CLIPS[:3], (CLIPS[0], CLIPS[4])])
@pytest.mark.parametrize("padding", [0.0, 3.0])
def test_they_are_in_a_padded_batch_too(small, reference, lengths, padding):
    encoder, head = small
    for frames, samples in zip(batch(encoder, lengths, padding), lengths, strict=True):
        check(frames, head, reference, samples)
        (alone,) = batch(encoder, [samples])
        torch.testing.assert_close(frames, alone, rtol=0, atol=1e-5)


def test_so_they_are_at_the_published_size():
    names = ("angry", "disgust", "fear", "happy", "neutral", "other", "sad", "surprise", "unknown")
    encoder, head = filled("base", Emotion2VecConfig(), names)
    (frames,) = batch(encoder, [32000])
    check(frames, head, load_file(golden.FOLDER / "emotion2vec_base.safetensors"), 32000, step=12)


def test_every_part_of_it_matters_to_that(small, reference):
    """Each single change to the encoder changes the frames, so the comparison would detect it."""
    encoder, head = small
    samples = CLIPS[1]
    for change in (
        lambda: encoder.alibi_scale.data.zero_(),
        lambda: encoder.alibi_scale.data.abs_(),  # the reference clamps at zero
        lambda: encoder.extra_tokens.data.zero_(),
        lambda: encoder.positions[4].conv.bias.data.mul_(2),
        lambda: encoder.convolutions[6].norm.bias.data.mul_(2),
        lambda: setattr(encoder.layers[2].norm2, "eps", 1e-2),
        lambda: setattr(encoder.positions[0], "eps", 1e-2),
    ):
        before = {name: tensor.clone() for name, tensor in encoder.state_dict().items()}
        change()
        with pytest.raises(AssertionError):
            check(batch(encoder, [samples])[0], head, reference, samples)
        encoder.load_state_dict(before)
        encoder.layers[2].norm2.eps = encoder.positions[0].eps = SMALL.layer_norm_eps
    check(batch(encoder, [samples])[0], head, reference, samples)


@pytest.mark.parametrize("samples", [400, 719, 720, 5000])
def test_frames_are_counted_as_they_come(small, samples):
    (frames,) = batch(small[0], [samples])
    with torch.no_grad():
        assert len(small[0](clip(samples)[None]).last_hidden_state[0]) == len(frames) == (samples - 400) // 320 + 1


@pytest.mark.parametrize("lengths", [[399], [16000, 399]])
def test_a_clip_without_a_frame_is_refused(small, lengths):
    with pytest.raises(UserError, match="a clip of 399 samples is too short for emotion2vec: it needs 400"):
        batch(small[0], lengths)


def test_level_and_offset_are_removed_from_the_input(small):
    with torch.no_grad():
        plain, changed = (small[0](x[None]).last_hidden_state for x in (clip(8000), 0.5 * clip(8000) + 0.2))
    torch.testing.assert_close(changed, plain, rtol=0, atol=2e-3)  # not equal: 1e-5 is added to the variance


def test_even_kernels_keep_the_number_of_frames():
    config = Emotion2VecConfig(**{**SMALL.to_dict(), "position_kernel": 6})
    assert new_encoder(config)(clip(8000)[None]).last_hidden_state.shape == (1, 24, 48)


def test_slopes_of_alibi():
    assert alibi_slopes(4).tolist() == [2**-2, 2**-4, 2**-6, 2**-8]
    torch.testing.assert_close(alibi_slopes(12)[8:], torch.tensor([2**-0.5, 2**-1.5, 2**-2.5, 2**-3.5]))
    torch.testing.assert_close(alibi_slopes(16), 2.0 ** (-0.5 * torch.arange(1.0, 17)))


def test_half_precision_gives_nearly_the_same_frames(small):
    encoder = Emotion2VecModel(SMALL).eval()
    encoder.load_state_dict(small[0].state_dict())
    encoder.to(torch.bfloat16)
    (rough,) = batch(encoder, [8000])
    assert rough.dtype == torch.bfloat16
    assert nn.functional.cosine_similarity(rough.float(), batch(small[0], [8000])[0]).min() > 0.995


def test_it_is_an_encoder_of_transformers(tmp_path, small):
    small[0].save_pretrained(tmp_path)
    assert AutoConfig.from_pretrained(tmp_path).num_hidden_layers == 5
    loaded = AutoModel.from_pretrained(tmp_path).eval()
    assert type(loaded) is Emotion2VecModel
    torch.testing.assert_close(batch(loaded, [8000])[0], batch(small[0], [8000])[0], rtol=0, atol=0)


def test_a_new_encoder_gives_frames_that_vary():
    torch.manual_seed(0)
    encoder = new_encoder(SMALL).eval()
    assert encoder.alibi_scale.tolist() == [1.0] * 6
    frames = torch.cat(batch(encoder, [16000, 16001]))
    assert frames.isfinite().all()
    assert frames.std(0).min() > 0.01
