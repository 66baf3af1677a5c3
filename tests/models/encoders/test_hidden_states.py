"""The hidden states that are read equal those of transformers, and layers after the deepest are removed."""

import logging

import pytest
import tiny
import torch
from test_encoder import FULL, extract

from emosllm.errors import UserError
from emosllm.models.backbones import load_encoder
from emosllm.models.build import build_empty
from emosllm.models.description import describe
from emosllm.models.encoders.encoder import SpeechEncoder
from emosllm.models.encoders.families import FAMILIES, cut_layers, depth, family
from emosllm.models.encoders.hidden_states import HiddenStates
from emosllm.recipe_parts import EncoderPart

SECONDS = (0.5, 1.3)


def heard(name, **part):
    return SpeechEncoder(tiny.encoder(name), EncoderPart(model=name, **part)).eval()


def one(name):
    return extract(name, [tiny.clip(0.7)])


@pytest.fixture(scope="module", params=tiny.ENCODERS)
def name(request):
    return request.param


def plain_states(name, audio, mask):
    """The hidden states `[N, D]` of one clip as transformers gives them, the last one before any final norm."""
    model = tiny.encoder(name)
    for norm in family(model.config).behind(model.config):
        model.set_submodule(norm, torch.nn.Identity())
    inputs = {family(model.config).audio: audio}
    if name == "qwen2-audio":
        inputs["attention_mask"] = SpeechEncoder(tiny.encoder(name))._attention((mask.sum(-1) + 1) // 2)
    elif name not in FULL and not name.endswith("base"):
        inputs["attention_mask"] = mask
    with torch.no_grad():
        found = model(**inputs, output_hidden_states=True)
    return found.hidden_states


@pytest.mark.parametrize("name", [name for name in tiny.ENCODERS if name not in ("emotion2vec", "qwen-audio")])
def test_every_state_is_the_one_that_transformers_gives(name):
    audio, mask = one(name)
    states = plain_states(name, audio, mask)
    mixed, keep = heard(name, layers="weighted")(audio, mask)
    assert mixed.shape[2] == len(states) == depth(tiny.encoder(name).config) + 1
    for number, state in enumerate(states):
        N = int(keep.sum())
        torch.testing.assert_close(mixed[0, :N, number], state[0, :N], rtol=1e-4, atol=1e-5)
        alone, _ = heard(name, layers=number)(audio, mask)
        torch.testing.assert_close(alone[0, :N], state[0, :N], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", ["emotion2vec", "qwen-audio"])
def test_every_state_is_what_the_layers_give(name):
    audio, mask = one(name)
    encoder = heard(name, layers="weighted")
    seen = []
    for stack in encoder.family.layers:
        for layer in encoder.model.get_submodule(stack):
            layer.register_forward_hook(lambda _, given, output: seen.append((given[0], output)))
    mixed, keep = encoder(audio, mask)
    N = int(keep.sum())
    states = [seen[0][0], *(output for _, output in seen)]
    extra = states[0].shape[1] - N if name == "emotion2vec" else 0
    for number, state in enumerate(states):
        torch.testing.assert_close(mixed[0, :, number], state[0, extra : extra + N], rtol=0, atol=0)
        alone, _ = heard(name, layers=number)(audio, mask)
        torch.testing.assert_close(alone[0], state[0, extra : extra + N], rtol=1e-5, atol=1e-6)


def test_the_last_is_the_published_output_to_the_bit(name):
    audio, mask = one(name)
    encoder = heard(name)
    inputs = {encoder.family.audio: audio}
    if encoder.family.attends:
        inputs["attention_mask"] = encoder._attention((mask.sum(-1) + 1) // 2)
    elif encoder.family.window == "longest" and not encoder.family.padding_leaks(encoder.model.config):
        inputs["attention_mask"] = mask
    with torch.no_grad():
        published = encoder.model(**inputs).last_hidden_state
    frames, keep = encoder(audio, mask)
    torch.testing.assert_close(frames[keep], published[0, : int(keep.sum())], rtol=0, atol=0)


def test_a_list_reads_those_states_and_no_deeper(name):
    audio, mask = one(name)
    every, _ = heard(name, layers="weighted")(audio, mask)
    encoder = heard(name, layers=(0, 1))
    frames, _ = encoder(audio, mask)
    assert (encoder.states, depth(encoder.model.config)) == (2, 1)
    torch.testing.assert_close(frames, every[:, :, :2], rtol=1e-4, atol=1e-5)
    ends, _ = heard(name, layers=(0, 2))(audio, mask)
    torch.testing.assert_close(ends, every[:, :, [0, 2]], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("layers", [1, (0, 1), "weighted"])
def test_a_batch_equals_its_clips_alone(name, layers):
    encoder = heard(name, layers=layers)
    clips = [tiny.clip(seconds, seed) for seed, seconds in enumerate(SECONDS)]
    frames, mask = encoder(*extract(name, clips))
    assert frames.shape == (*mask.shape, *([] if layers == 1 else [encoder.states]), encoder.width)
    assert frames[~mask].abs().max() == 0
    for row, clip in enumerate(clips):
        alone, alone_mask = encoder(*extract(name, [clip]))
        torch.testing.assert_close(frames[row, mask[row]], alone[alone_mask], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("layers", [0, 1])
def test_what_lies_behind_is_neither_computed_nor_counted(name, layers):
    whole = tiny.encoder(name)
    encoder = heard(name, layers=layers)
    calls = []
    for module in encoder.modules():
        if type(module).__name__.endswith(("Layer", "Block", "StableLayerNorm")) and hasattr(module, "parameters"):
            stacks = [encoder.model.get_submodule(stack) for stack in encoder.family.layers]
            if any(module in list(stack) for stack in stacks):
                module.register_forward_hook(lambda *_: calls.append(1))
    encoder(*one(name))
    assert len(calls) == layers == depth(encoder.model.config)
    gone = {key for key in whole.state_dict() if key not in encoder.model.state_dict()}
    behind = [f"{norm}." for norm in encoder.family.behind(whole.config)]
    numbered = [f"{stack}.{place}." for stack in encoder.family.layers for place in range(9)]
    places = [stack for stack in numbered if any(key.startswith(stack) for key in whole.state_dict())][layers:]
    assert gone == {key for key in whole.state_dict() if key.startswith((*behind, *places))}
    assert gone


@pytest.mark.parametrize("encoder_name", ["whisper", "wavlm-large", "wavlm-base", "parakeet", "qwen-audio"])
def test_a_cut_encoder_is_loaded_without_a_word_and_alike(tmp_path, encoder_name, caplog):
    ears, _ = tiny.folders(tmp_path, encoder_name=encoder_name)
    whole = load_encoder(str(ears))
    logging.getLogger("transformers").addHandler(caplog.handler)
    try:
        short = load_encoder(str(ears), layers=1)
    finally:
        logging.getLogger("transformers").removeHandler(caplog.handler)
    assert "layers.1." not in caplog.text
    assert "UNEXPECTED" not in caplog.text
    assert depth(short.config) == 1
    assert depth(whole.config) == 2
    for key, tensor in short.state_dict().items():
        torch.testing.assert_close(tensor, whole.state_dict()[key], rtol=0, atol=0)
    kind = type(whole)
    assert not any("layers" in pattern for pattern in kind._keys_to_ignore_on_load_unexpected or ())


def test_too_deep_a_layer_is_refused_with_their_number():
    with pytest.raises(UserError, match=r"encoder.layers=99: wavlm has 2 layers here; give 0 to 2, last or weighted"):
        heard("wavlm-large", layers=99)
    with pytest.raises(UserError, match=r"encoder.layers=\[1, 3\]: wavlm has 2 layers here"):
        heard("wavlm-large", layers=(1, 3))


def test_the_shape_may_be_cut_twice():
    config = tiny.encoder("emotion2vec").config
    short = cut_layers(config, 1)
    assert (short.num_prenet_layers, short.num_main_layers) == (1, 0)
    assert depth(cut_layers(short, 1)) == 1
    assert depth(config) == 2


def test_every_family_has_layers(name):
    model = tiny.encoder(name)
    stacks = [model.get_submodule(stack) for stack in FAMILIES[model.config.model_type].layers]
    assert sum(map(len, stacks)) == depth(model.config)


@pytest.mark.parametrize("layers", ["last", 1, "weighted"])
@pytest.mark.parametrize("name", FULL)
@pytest.mark.parametrize("odd", [0, 1])
def test_on_its_own_length_a_batch_equals_its_clips_alone(name, layers, odd):
    encoder = heard(name, layers=layers, window="clip")
    clips = [tiny.clip(seconds, seed) for seed, seconds in enumerate((0.5 + 0.01 * odd, 1.3, 0.02))]
    frames, mask = encoder(*extract(name, clips))
    assert mask.sum(-1).tolist()[1] == (65 if name == "whisper" or layers != "last" else 32)
    for row, clip in enumerate(clips):
        alone, alone_mask = encoder(*extract(name, [clip]))
        torch.testing.assert_close(frames[row, mask[row]], alone[alone_mask], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", FULL)
def test_on_its_own_length_it_is_the_published_encoder_on_the_cut_input(name):
    audio, mask = one(name)
    N = int((mask.sum() + 1) // 2)
    plain = tiny.encoder(name)
    plain.config.max_source_positions = plain.max_source_positions = N
    plain.embed_positions = torch.nn.Embedding.from_pretrained(plain.embed_positions.weight[:N])
    with torch.no_grad():
        expected = plain(audio[..., : 2 * N]).last_hidden_state
    frames, keep = heard(name, window="clip")(audio, mask)
    torch.testing.assert_close(frames[0], expected[0, : int(keep.sum())], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", FULL)
def test_what_stands_behind_a_clip_changes_nothing(name):
    encoder = heard(name, window="clip")
    audio, mask = extract(name, [tiny.clip(seconds) for seconds in SECONDS])
    dirty = audio.clone()
    for row, heard_frames in enumerate((mask.sum(-1) + 1) // 2 * 2):
        dirty[row, :, int(heard_frames) :] = 3.0
    torch.testing.assert_close(encoder(dirty, mask)[0], encoder(audio, mask)[0], rtol=0, atol=0)


def test_a_window_that_is_not_fixed_is_refused():
    with pytest.raises(UserError, match=r"encoder.window=clip: wavlm has no fixed window .*set encoder.window=model"):
        heard("wavlm-large", window="clip")


@pytest.mark.parametrize("name", ["emosllm", "whisper-gemma", "head-wavlm"])
def test_the_counts_follow(name):
    last = describe_of(name)
    weighted, second = describe_of(name, "encoder.layers=weighted"), describe_of(name, "encoder.layers=2")
    reader = "head" if name.startswith("head") else "mapper"
    S = last.parts["encoder"].shape.split()[0]
    assert weighted.parts[reader].trainable - last.parts[reader].trainable == int(S) + 1
    assert second.parts[reader] == last.parts[reader]
    assert second.parts["encoder"].total < last.parts["encoder"].total / 4
    assert second.parts["encoder"].shape.startswith("2 layers of")
    assert f"{int(S) + 1} hidden states mixed" in weighted.parts["encoder"].shape
    assert "hidden states 1, 2 mixed" in describe_of(name, "encoder.layers=[1, 2]").parts["encoder"].shape
    assert sum(second.memory.values()) < sum(last.memory.values())
    if reader == "mapper":
        assert weighted.memory["activations"] > last.memory["activations"]


def describe_of(name, *overrides):
    from emosllm.recipe import load_recipe

    recipe = load_recipe(name, overrides)
    return describe(recipe, build_empty(recipe))


def test_a_mean_is_where_mixing_starts():
    frames, mask = torch.randn(2, 5, 3, 4), torch.ones(2, 5, dtype=torch.bool)
    torch.testing.assert_close(HiddenStates(4, 3, weighted=True)(frames, mask), frames.mean(2))
