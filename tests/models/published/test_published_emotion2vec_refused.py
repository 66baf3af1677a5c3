"""Folders that are not a complete published emotion2vec are an error of one line, and no code in them is run."""

import os
import re

import pytest
import torch
from emotion2vec_folder import AUDIO, SETTINGS, folder, load, state

from emosllm.errors import UserError
from emosllm.models.backbones import load_encoder, load_head
from emosllm.models.heads import ClassHead
from emosllm.models.published.emotion2vec import LAYOUT as EMOTION2VEC
from emosllm.models.published.emotion2vec import class_names
from emosllm.models.published.layout import load_part


def test_an_unknown_class_is_named(tmp_path):
    with pytest.raises(UserError, match=r"tokens\.txt: '困/hungry' names no emotion known here; write it as"):
        class_names(folder(tmp_path, None, classes="生气/angry\n困/hungry\n"))
    (tmp_path / "tokens.txt").write_bytes(b"\xff\xfe")
    with pytest.raises(UserError, match=r"tokens\.txt: no text file, so the head's classes have no names"):
        class_names(tmp_path)


def without(key):
    return {name: value for name, value in state().items() if name != key}


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        (without("blocks.2.mlp.fc1.bias"), "for the encoder: it lacks layers.2.up.bias;"),
        (without("proj.bias"), "for the head: it lacks output.bias;"),
        ({**state(), "blocks.3.norm1.bias": torch.zeros(48)}, "it has unknown blocks.3.norm1.bias;"),
        ({**state(), "blocks.0.gate.weight": torch.zeros(48)}, "it has unknown blocks.0.gate.weight;"),
        ({**state(), "classifier.weight": torch.zeros(3, 48)}, "it has unknown classifier.weight;"),
        (
            {**state(), AUDIO + "extra_tokens": torch.zeros(1, 8, 48)},
            rf"misshapen {AUDIO}extra_tokens \(8, 48\) where extra_tokens has \(10, 48\);",
        ),
        ({"encoder.layer.0.weight": torch.zeros(3)}, r"lacks alibi_scale, .* and \d+ more; it has unknown encoder"),
        ({"epoch": 3}, r"it lacks alibi_scale"),
        ([1, 2], r"it lacks alibi_scale"),
    ],
)
def test_another_checkpoint_is_refused_with_what_is_wrong(tmp_path, weights, message):
    with pytest.raises(UserError, match=message) as error:
        load(folder(tmp_path, weights))
    assert "fetch the published files again" in str(error.value)
    assert "\n" not in str(error.value)


class Malice:
    """A pickle that runs a command when it is loaded."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


def test_code_in_a_checkpoint_is_not_run(tmp_path):
    trap = tmp_path / "trap"
    with pytest.raises(
        UserError, match=r"model\.pt: holds \w+\.mkdir, which is code and not a weight; .*model\.safetensors"
    ):
        load(folder(tmp_path / "model", {"model": state(), "args": Malice(trap)}))
    assert not trap.exists()


@pytest.mark.parametrize("file", ["model.pt", "model.safetensors"])
@pytest.mark.parametrize("content", [b"", b"version https://git-lfs.github.com/spec/v1\n", b"PK\x03\x04 half a zip"])
def test_a_file_that_is_no_checkpoint(tmp_path, file, content):
    (folder(tmp_path, None) / file).write_bytes(content)
    with pytest.raises(UserError, match=re.escape(file) + ": .*fetch it again") as error:
        load(tmp_path)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("file", ["model.pt", "model.safetensors"])
def test_a_checkpoint_that_was_cut_short(tmp_path, file):
    path = folder(tmp_path, state(), file=file) / file
    path.write_bytes(path.read_bytes()[:-1000])
    with pytest.raises(UserError, match=re.escape(file) + ": .*fetch it again"):
        load(tmp_path)


def test_a_folder_without_a_head(tmp_path):
    with pytest.raises(UserError, match=r"has no head; it has encoder"):
        load_head(str(folder(tmp_path, state(), classes=None)), ClassHead(48, 1, layers=0), ["angry"])


def test_a_class_that_the_head_has_not(tmp_path):
    with pytest.raises(UserError, match=r"its head has no class sad; it has angry, disgust, happy, unknown; choose"):
        load_head(str(folder(tmp_path, state())), ClassHead(48, 2, layers=0), ["angry", "sad"])


def test_a_folder_without_weights(tmp_path):
    with pytest.raises(UserError, match=r"no weights of emotion2vec there; it needs model.safetensors or model.pt"):
        load(folder(tmp_path, None))


@pytest.mark.parametrize("content", [None, "model: Paraformer", "- a list", "{broken", "model_conf: {}"])
def test_another_models_folder_is_not_recognised(tmp_path, content):
    if content is not None:
        (tmp_path / "config.yaml").write_text(content)
    assert not EMOTION2VEC.matches(tmp_path)
    with pytest.raises(UserError, match=r"no Config there"):
        load_encoder(str(tmp_path))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"layer_norm_first": True}, "layer_norm_first is True; emotion2vec is built with False only"),
        ({"embed_dim": None}, "no emotion2vec can be built of it"),
        ({"num_heads": 8}, "num_alibi_heads 6 and num_heads 8 differ"),
        ({"modalities": {"image": {}}}, "no emotion2vec can be built of it .'conv_pos_depth'."),
    ],
)
def test_settings_that_are_not_built_are_refused(tmp_path, change, message):
    settings = {**SETTINGS, "model_conf": {**SETTINGS["model_conf"], **change}}
    with pytest.raises(UserError, match=message):
        EMOTION2VEC.configs(folder(tmp_path, None, settings))


@pytest.mark.parametrize("spec", ["__import__('os').mkdir('trap')", "[(512, 10)] * 2", ""])
def test_the_convolutions_are_read_and_not_run(tmp_path, monkeypatch, spec):
    monkeypatch.chdir(tmp_path)
    audio = {**SETTINGS["model_conf"]["modalities"]["audio"], "feature_encoder_spec": spec}
    settings = {**SETTINGS, "model_conf": {**SETTINGS["model_conf"], "modalities": {"audio": audio}}}
    with pytest.raises(UserError, match="is not a sum of"):
        EMOTION2VEC.configs(folder(tmp_path / "model", None, settings))
    assert not (tmp_path / "trap").exists()


def test_a_part_is_loaded_into_what_it_fits_only(tmp_path):
    with pytest.raises(UserError, match="no emotion2vec checkpoint of this shape for the head: it has misshapen proj"):
        load_part(folder(tmp_path, state()), EMOTION2VEC, "head", ClassHead(48, 2, layers=0))
