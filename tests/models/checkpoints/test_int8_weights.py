"""Weights in int8 and in float16 come back within their bounds, in the very model; a damaged file is one line."""

import pytest
import tiny
import torch
from safetensors.torch import load_file, save_file

from emosllm.errors import UserError
from emosllm.models.backbones import load_encoder, load_llm
from emosllm.models.build import build_model, load_model
from emosllm.models.checkpoints.checkpoint import read_weights
from emosllm.models.checkpoints.int8_weights import is_int8, read_int8, save_int8, write_int8
from emosllm.recipe import load_recipe

ENCODERS = ("whisper", "wavlm-large", "parakeet", "emotion2vec")


def assert_within_a_step(found, source):
    assert found.keys() == source.keys()
    for name, tensor in source.items():
        error = (found[name].float() - tensor.float()).abs()
        if tensor.dim() == 2 and tensor.is_floating_point():
            assert (error <= 0.57 * (tensor.abs().amax(1, keepdim=True) / 127) * (1 + 2**-10) + 1e-7).all(), name
        elif tensor.is_floating_point():
            assert (error <= tensor.abs() * 2**-11 + 1e-7).all(), name
        else:
            assert torch.equal(found[name], tensor), name


@pytest.mark.parametrize("name", ENCODERS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_an_encoder_comes_back_within_half_a_step(tmp_path, name, dtype):
    source = tiny.encoder(name)
    save_int8(source, tmp_path)
    assert is_int8(tmp_path / "model.safetensors")
    found = load_encoder(str(tmp_path), dtype)
    assert type(found) is type(source)
    assert {tensor.dtype for tensor in found.state_dict().values() if tensor.is_floating_point()} == {dtype}
    if dtype is torch.float32:
        assert_within_a_step(found.state_dict(), source.state_dict())
        assert any(not torch.equal(found.state_dict()[n], t) for n, t in source.state_dict().items())


@pytest.mark.parametrize("tied", ["llama", "gemma"])
def test_an_llm_comes_back_and_answers_nearly_as_it_did(tmp_path, tied):
    source = tiny.llm(tied)
    save_int8(source, tmp_path)
    found = load_llm(str(tmp_path))
    assert_within_a_step(found.state_dict(), source.state_dict())
    ids = torch.arange(12)[None]
    with torch.no_grad():
        ours, theirs = found(ids).logits.log_softmax(-1), source.eval()(ids).logits.log_softmax(-1)
    assert 0 < (ours - theirs).abs().max() < 0.5
    assert (found.get_output_embeddings().weight is found.get_input_embeddings().weight) is (
        source.get_output_embeddings().weight is source.get_input_embeddings().weight
    )


def test_it_takes_a_quarter_of_the_room(tmp_path):
    source = tiny.llm(hidden_size=128, head_dim=32, intermediate_size=512)
    source.save_pretrained(tmp_path / "plain")
    save_int8(source, tmp_path / "small")
    sizes = [(tmp_path / name / "model.safetensors").stat().st_size for name in ("plain", "small")]
    assert sizes[1] < 0.28 * sizes[0]


def test_only_matrices_are_in_int8(tmp_path):
    save_int8(tiny.encoder("whisper"), tmp_path)
    stored = load_file(tmp_path / "model.safetensors")
    for name, tensor in stored.items():
        matrix = tensor.dim() == 2
        assert tensor.dtype == (torch.int8 if matrix else torch.float16), name
        assert (f"{name}.scale" in stored) is matrix


def test_rows_of_zeros_and_of_almost_nothing_stay_so(tmp_path):
    tensors = {"one": torch.tensor([[0.0, 0.0], [1e-9, -1e-9], [3.0, -1.5], [1e-4, 5e-5]])}
    write_int8(tmp_path / "model.safetensors", tensors)
    torch.testing.assert_close(read_int8(tmp_path / "model.safetensors"), tensors, rtol=0.02, atol=1e-6)


@pytest.mark.parametrize("name", ["whisper", "wavlm-large"])
def test_an_encoder_in_float16_is_computed_in_float32(tmp_path, name):
    """Of Whisper the encoder alone too: transformers' automatic class would look for the whole model."""
    source = tiny.encoder(name)
    source.half().save_pretrained(tmp_path)
    found = load_encoder(str(tmp_path))
    assert type(found) is type(source)
    for key, tensor in source.state_dict().items():
        assert found.state_dict()[key].dtype == torch.float32
        assert torch.equal(found.state_dict()[key], tensor.float()), key


def test_a_system_takes_both_in_and_its_own_weights_may_be_in_int8(tmp_path):
    ears, mouth = tiny.folders(tmp_path / "parts")
    save_int8(tiny.encoder("whisper"), tmp_path / "ears")
    save_int8(tiny.llm(), tmp_path / "mouth")
    for folder, source in (("ears", ears), ("mouth", mouth)):
        for path in source.iterdir():
            if not (tmp_path / folder / path.name).exists():
                (tmp_path / folder / path.name).write_bytes(path.read_bytes())
    parts = (f"encoder.model={tmp_path / 'ears'}", f"llm.model={tmp_path / 'mouth'}", *tiny.TINY)
    model = build_model(load_recipe("emosllm", parts))
    stored = read_int8(tmp_path / "mouth" / "model.safetensors")
    assert torch.equal(model.llm.model.embed_tokens.weight, stored["model.embed_tokens.weight"])
    model.save_pretrained(tmp_path / "model")
    before = read_weights(tmp_path / "model")
    write_int8(tmp_path / "model" / "model.safetensors", before)
    found = load_model(str(tmp_path / "model")).state_dict()
    assert_within_a_step({name: found[name] for name in before}, before)


def damaged(folder, how):
    path = folder / "model.safetensors"
    if how == "cut":
        path.write_bytes(path.read_bytes()[:-10])
    elif how == "header":
        path.write_bytes(b"\xff" * 40)
    else:
        tensors = load_file(path)
        name = "layers.0.fc1.weight"
        if how == "scale":
            del tensors[f"{name}.scale"]
        elif how == "shape":
            tensors[name], tensors[f"{name}.scale"] = tensors[name][:7], tensors[f"{name}.scale"][:7]
        elif how == "missing":
            del tensors[name], tensors[f"{name}.scale"]
        elif how == "surplus":
            tensors["nobody.weight"] = torch.zeros(2, dtype=torch.float16)
        save_file(tensors, path, metadata={"format": "int8-per-channel"})


@pytest.mark.parametrize("how", ["cut", "header", "scale", "shape", "missing", "surplus"])
def test_a_damaged_file_is_one_line(tmp_path, how):
    save_int8(tiny.encoder("whisper"), tmp_path)
    damaged(tmp_path, how)
    with pytest.raises(UserError, match=r"the weights cannot be read \(.*\); fetch or save") as told:
        load_encoder(str(tmp_path))
    assert "\n" not in str(told.value)
