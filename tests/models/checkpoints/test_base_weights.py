"""A checkpoint recognises the base weights that it was trained on, in any precision, and no other weights."""

import json
import warnings

import pytest
import tiny
import torch

from emosllm import cli
from emosllm.errors import Caution
from emosllm.models.build import build_model, build_processor, load_model
from emosllm.models.checkpoints.base_weights import distance, fingerprint
from emosllm.models.checkpoints.checkpoint import read_config
from emosllm.recipe import load_recipe


def noisy(model, amount, seed=1):
    """The same model with added noise of so many deviations, as fine-tuning would change it."""
    torch.manual_seed(seed)
    for weight in model.parameters():
        if weight.dim() > 1:
            weight.data += amount * weight.data.std() * torch.randn_like(weight)
    return model


@pytest.fixture
def trained(tmp_path):
    """A saved system with its processor, and the folders of its encoder and its LLM."""
    ears, mouth = tiny.folders(tmp_path / "parts")
    recipe = load_recipe("emosllm", (f"encoder.model={ears}", f"llm.model={mouth}", *tiny.TINY))
    build_model(recipe).save_pretrained(tmp_path / "model")
    build_processor(recipe).save_pretrained(tmp_path / "model")
    return tmp_path / "model", ears, mouth


@pytest.mark.parametrize(("dtype", "most"), [(torch.float16, 0.0005), (torch.bfloat16, 0.003), (torch.float32, 0.0)])
def test_precision_makes_no_other_model(dtype, most):
    for model in (tiny.llm(), tiny.encoder()):
        assert distance(fingerprint(model), fingerprint(model.to(dtype))) <= most


@pytest.mark.parametrize("amount", [0.01, 0.1, 1.0])
def test_the_distance_is_that_of_the_weights(amount):
    before = fingerprint(tiny.llm())
    found = [distance(before, fingerprint(noisy(tiny.llm(), amount, seed))) for seed in range(5)]
    assert all(0.6 * amount < one < 1.5 * amount for one in found)


def test_large_tensors_are_sampled_over_their_whole_length():
    layer = torch.nn.Linear(1000, 500, bias=False)
    before = fingerprint(layer)
    layer.weight.data[-1] += 1.0  # only the last row
    assert distance(before, fingerprint(layer)) > 0.02


def test_a_model_that_lacks_a_tensor_is_another():
    one = fingerprint(torch.nn.Linear(4, 4))
    assert distance(one, {}) == float("inf")
    assert distance(one, one) == 0.0


def test_the_same_weights_load_in_silence(trained):
    folder, _, _ = trained
    kept = read_config(folder).base_weights
    assert set(kept) == {"encoder", "llm"}
    assert len(json.dumps(kept)) < 6000
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        load_model(str(folder))


@pytest.mark.parametrize("part", ["encoder", "llm"])
@pytest.mark.parametrize("amount", [0.01, 1.0])
def test_other_weights_of_the_same_name_give_a_warning(trained, part, amount):
    folder, ears, mouth = trained
    place, model = {"encoder": (ears, tiny.encoder()), "llm": (mouth, tiny.llm())}[part]
    noisy(model, amount).save_pretrained(place)
    with pytest.warns(Caution, match=rf"^{folder}: trained on other weights of its {part} {place} .*found \({place}\)"):
        model = load_model(str(folder))
    model.save_pretrained(folder.parent / "again")  # what it was trained on does not change by loading
    assert read_config(folder.parent / "again").base_weights == read_config(folder).base_weights


def test_a_start_on_other_weights_gives_a_warning(trained):
    folder, ears, mouth = trained
    parts = (f"encoder.model={ears}", f"llm.model={mouth}", *tiny.TINY, f"start={folder}")
    with warnings.catch_warnings():
        warnings.simplefilter("error", Caution)
        build_model(load_recipe("emosllm", parts))
    noisy(tiny.llm(), 0.1).save_pretrained(mouth)
    with pytest.warns(Caution, match="other weights of its llm"):
        build_model(load_recipe("emosllm", parts))


def test_a_checkpoint_from_before_loads_in_silence(trained):
    folder, _, mouth = trained
    config = json.loads((folder / "config.json").read_text())
    del config["base_weights"]
    (folder / "config.json").write_text(json.dumps(config))
    noisy(tiny.llm(), 0.1).save_pretrained(mouth)
    with warnings.catch_warnings():
        warnings.simplefilter("error", Caution)
        assert load_model(str(folder)).config.base_weights is None


def test_the_command_line_prints_the_warning_in_one_line(trained, tmp_path, monkeypatch, capfd):
    import soundfile

    folder, _, mouth = trained
    noisy(tiny.llm(), 0.1).save_pretrained(mouth)
    soundfile.write(tmp_path / "clip.wav", tiny.clip(0.5), 16_000)
    monkeypatch.setattr(
        "sys.argv", ["emosllm", "predict", str(folder), str(tmp_path / "clip.wav"), "--strategy", "ser"]
    )
    with warnings.catch_warnings(), pytest.raises(SystemExit) as stop:
        cli.main()
    assert not stop.value.code
    told = [line for line in capfd.readouterr().err.splitlines() if "warning" in line]
    assert len(told) == 1
    assert told[0].startswith(f"emosllm: warning: {folder}: trained on other weights of its llm {mouth}")
