"""An LLM from a GGUF file has the same weights, config, tokenizer and training; other files are errors of one line."""

import sys

import pytest
import tiny
import torch

from emosllm.errors import UserError
from emosllm.models.backbones import load_config, load_llm, load_tokenizer
from emosllm.models.build import build_empty, build_model, build_processor, load_model
from emosllm.prompting.processor import Sample

tiny_gguf = pytest.importorskip("tiny_gguf", reason="the package gguf is not installed")
FILE = "tiny.Q8_0.gguf"
WIDE = {"hidden_size": 64, "head_dim": 16}  # Q8_0 has blocks of 32


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with a LLaMA as GGUF twice, quantised and not, and a safetensors LLM of other weights beside it."""
    place = tmp_path_factory.mktemp("gguf")
    torch.manual_seed(0)
    llm = tiny.llm("llama", **WIDE)
    tiny_gguf.write(place / FILE, llm)
    tiny_gguf.write(place / "plain.gguf", llm, quantised=False)
    llm.save_pretrained(place / "same")
    tiny.llm("llama").save_pretrained(place)
    return place


@pytest.fixture
def source(folder):
    return load_llm(str(folder / "same"))


def test_a_file_that_is_not_quantised_holds_the_very_weights(folder, source):
    found = load_llm(str(folder), file="plain.gguf")
    assert type(found) is type(source)
    assert found.state_dict().keys() == source.state_dict().keys()
    for name, tensor in source.state_dict().items():
        assert torch.equal(found.state_dict()[name], tensor), name
    ids = torch.arange(12)[None]
    torch.testing.assert_close(found(ids).logits, source(ids).logits)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_quantised_file_holds_them_within_a_step(folder, source, dtype):
    found = load_llm(str(folder), dtype, FILE)
    differ = 0
    for name, tensor in source.state_dict().items():
        other = found.state_dict()[name]
        assert other.dtype == dtype
        step = tensor.abs().max() / 127 + (tensor.abs().max() * 2**-8 if dtype is torch.bfloat16 else 0)
        assert (other.float() - tensor).abs().max() <= step, name
        differ += not torch.equal(other.float(), tensor)
    assert differ
    assert not hasattr(found.config, "quantization_config")


def test_config_and_tokenizer_are_the_files_own(folder, source):
    config = load_config(str(folder), "llm", FILE)
    assert (config.hidden_size, config.num_hidden_layers) == (64, source.config.num_hidden_layers)
    found, expected = load_tokenizer(str(folder), FILE), tiny.tokenizer()
    talk = [{"role": "system", "content": "Listen."}, {"role": "user", "content": "Who is sad? ü"}]
    assert found.chat_template == expected.chat_template
    assert found.apply_chat_template(talk, add_generation_prompt=True) == expected.apply_chat_template(
        talk, add_generation_prompt=True
    )


def test_a_system_with_it_is_counted_trained_saved_and_loaded(folder, tmp_path):
    recipe = tiny.recipe(tmp_path / "parts", "emosllm", f"llm.model={folder}", f"llm.file={FILE}")
    model, processor = build_model(recipe), build_processor(recipe)
    assert {n: p.shape for n, p in build_empty(recipe).named_parameters()} == {
        n: p.shape for n, p in model.named_parameters()
    }
    batch = processor([Sample(processor.build_conversation("ser", emotion="sad"), tiny.clip(0.5))])
    model(**batch).loss.backward()
    assert model.mapper.output.weight.grad.abs().sum() > 0
    model.eval().save_pretrained(tmp_path / "named")
    model.save_pretrained(tmp_path / "whole", self_contained=True)
    with torch.no_grad():
        expected = model(**batch).loss
        for kind in ("named", "whole"):
            torch.testing.assert_close(load_model(str(tmp_path / kind))(**batch).loss, expected)


def test_what_is_wrong_is_one_line(folder, tmp_path, monkeypatch):
    with pytest.raises(UserError, match=rf"llm\.file no\.gguf: not in .*; GGUF files there: plain\.gguf, {FILE}"):
        load_llm(str(folder), file="no.gguf")
    with pytest.raises(UserError, match=r"config\.json: no LLM can be read from it .*magic.*give an LLM's GGUF"):
        load_llm(str(folder), file="config.json")
    with pytest.raises(
        UserError, match=r"the file some\.gguf is not available; .* `hf download some/where some\.gguf`"
    ):
        load_config("some/where", "llm", "some.gguf")
    with pytest.raises(
        UserError, match=r"/some/where/else: the file some\.gguf is not available; give a folder that has it$"
    ):
        load_tokenizer("/some/where/else", "some.gguf")
    for keep in (3, 100, 5000):
        (tmp_path / "cut.gguf").write_bytes((folder / FILE).read_bytes()[:keep])
        with pytest.raises(UserError, match=r"cut\.gguf: no LLM can be read from it") as told:
            load_llm(str(tmp_path), file="cut.gguf")
        assert "\n" not in str(told.value)
    monkeypatch.setitem(sys.modules, "gguf", None)
    monkeypatch.setattr("emosllm.models.llms.gguf.find_spec", lambda name: None)
    with pytest.raises(UserError, match=r"needs the package gguf; pip install 'emosllm\[gguf\]'"):
        load_llm(str(folder), file=FILE)
