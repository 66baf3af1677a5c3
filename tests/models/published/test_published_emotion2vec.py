"""emotion2vec's published folders are loaded into the same encoder and head as in the reference, key by key."""

import golden
import numpy as np
import pytest
import tiny
import torch
from emotion2vec_folder import AUDIO, SETTINGS, fairseq, folder, key_list, load, state
from safetensors.torch import load_file

from emosllm.errors import UserError
from emosllm.labels import label_set
from emosllm.models.backbones import load_config, load_encoder, load_feature_extractor
from emosllm.models.build import build_model, build_processor
from emosllm.models.encoders.emotion2vec import Emotion2VecConfig, Emotion2VecModel
from emosllm.models.heads import ClassHead
from emosllm.models.published.emotion2vec import LAYOUT as EMOTION2VEC
from emosllm.models.published.emotion2vec import class_names
from emosllm.models.speech_llm import SpeechLLM
from emosllm.recipe import load_recipe


@torch.no_grad()
def assert_is_the_reference(encoder, head):
    samples = 11207
    expected = load_file(golden.FOLDER / "emotion2vec_small.safetensors")
    frames = encoder(golden.sound(f"clip of {samples}", samples)[None]).last_hidden_state
    torch.testing.assert_close(frames[0].mean(0), expected[f"{samples}.mean"], rtol=0, atol=1e-4)
    if head is not None:
        scores = head(frames, torch.ones(frames.shape[:2], dtype=torch.bool)).softmax(-1)[0]
        torch.testing.assert_close(scores, expected[f"{samples}.scores"], rtol=0, atol=1e-4)


@pytest.mark.parametrize("prefix", ["", "d2v_model.", "module.d2v_model."])
@pytest.mark.parametrize("file", ["model.pt", "emotion2vec_base.pt", "model.safetensors"])
def test_a_published_folder_is_the_reference_with_its_weights(tmp_path, prefix, file):
    weights = state(prefix) if file.endswith(".safetensors") else fairseq(state(prefix))
    encoder, head = load(folder(tmp_path, weights, file=file))
    assert_is_the_reference(encoder, head)


def test_what_pre_training_left_behind_is_known_and_not_needed(tmp_path):
    weights = golden.weights(key_list("small"))  # with the decoder
    assert any(".decoder." in key for key in weights)
    weights = {**weights, "_ema": {"blocks.0.norm1.weight": torch.zeros(48)}, "recon_proj.weight": torch.zeros(2, 2)}
    weights = {key: value for key, value in weights.items() if not key.startswith("proj.")}
    encoder, _ = load(folder(tmp_path, fairseq(weights), classes=None))
    assert_is_the_reference(encoder, None)


def test_a_file_from_before_torch_had_zip_files(tmp_path):
    folder(tmp_path, None)
    torch.save(state(), tmp_path / "model.pt", _use_new_zipfile_serialization=False)
    assert_is_the_reference(*load(tmp_path))


def test_weights_have_the_requested_precision(tmp_path):
    encoder, head = load(folder(tmp_path, state()), torch.bfloat16)
    assert {weight.dtype for weight in encoder.parameters()} == {torch.bfloat16}
    assert {weight.dtype for weight in head.parameters()} == {torch.float32}
    torch.testing.assert_close(
        encoder.norm.weight.float(), state()[AUDIO + "context_encoder.norm.weight"], atol=1e-2, rtol=0
    )


@pytest.mark.parametrize("name", ["base", "plus_seed", "plus_base", "plus_large"])
def test_every_key_of_the_published_size_has_its_place(name):
    config = load_config(f"emotion2vec/emotion2vec_{name}", "encoder")
    assert isinstance(config, Emotion2VecConfig)
    with torch.device("meta"):
        parts = {"encoder": Emotion2VecModel(config), "head": ClassHead(config.hidden_size, 9, layers=0)}
        expected = {
            (part, key): tensor.shape for part, module in parts.items() for key, tensor in module.state_dict().items()
        }
        keys = key_list("plus_large" if name == "plus_large" else "base")
        places = {key: EMOTION2VEC.place(key) for key in keys}
        shapes = {
            (part, ours): taken_of(torch.empty(keys[key])).shape
            for key, place in places.items()
            for part, ours, taken_of in place
        }
    assert [key for key, place in places.items() if not place] == [key for key in keys if ".decoder." in key]
    assert sum(map(len, places.values())) == 185 == len(expected)
    assert shapes == expected


def test_published_counts():
    """The published model.pt of plus large has 1,945,790,254 bytes: the weights and two moments in float32."""
    with torch.device("meta"):
        counts = {
            name: sum(
                weight.numel()
                for weight in Emotion2VecModel(load_config(f"emotion2vec/{name}", "encoder")).parameters()
            )
            for name in ("emotion2vec_base", "emotion2vec_plus_large")
        }
    assert counts == {"emotion2vec_base": 93_171_212, "emotion2vec_plus_large": 162_130_960}
    assert 3 * 4 * (counts["emotion2vec_plus_large"] + 9 * 1025) == pytest.approx(1_945_790_254, rel=1e-4)


def test_the_references_own_settings_are_the_published_shape(tmp_path):
    settings = {**SETTINGS, "model_conf": {**SETTINGS["model_conf"], "depth": 8, "num_heads": 12, "embed_dim": 768}}
    audio = settings["model_conf"]["modalities"]["audio"]
    spec = "[(512, 10, 5)] + [(512, 3, 2)] * 4 + [(512,2,2)] + [(512,2,2)]"
    audio = {**audio, "prenet_depth": 4, "num_alibi_heads": 12, "conv_pos_groups": 16, "feature_encoder_spec": spec}
    settings["model_conf"]["modalities"] = {"audio": audio}
    configs = EMOTION2VEC.configs(folder(tmp_path, None, settings))
    assert (
        Emotion2VecConfig(**configs["encoder"]).to_dict()
        == load_config("emotion2vec/emotion2vec_base", "encoder").to_dict()
    )
    assert configs["head"] == {"width": 768, "names": ("angry", "disgust", None, "happy", "unknown")}


def test_the_nine_published_classes_are_the_label_set(tmp_path):
    names = ("生气/angry", "厌恶/disgusted", "恐惧/fearful", "happy/开心", "中立/neutral")
    lines = "\n".join((*names, "其他/other", "难过/sad", "吃惊/surprised", "<unk>"))
    assert class_names(folder(tmp_path, None, classes=lines)) == label_set("emotion2vec9").names


def test_a_folder_gives_the_shape_and_the_extractor_too(tmp_path):
    path = str(folder(tmp_path, state()))
    assert load_config(path, "encoder").to_dict() == {**load_encoder(path).config.to_dict(), "dtype": None}
    extractor = load_feature_extractor(path)
    loud = np.array([0.5, -0.25, 0.5], np.float32)
    heard = extractor([loud, loud[:2]], sampling_rate=16_000, padding="longest", return_tensors="np")
    np.testing.assert_array_equal(heard["input_values"], [loud, [0.5, -0.25, 0]])
    np.testing.assert_array_equal(heard["attention_mask"], [[1, 1, 1], [1, 1, 0]])


def test_a_hub_id_is_read_from_the_cache(tmp_path, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(UserError, match="fetch it once with `hf download emotion2vec/emotion2vec_base`") as error:
        load_encoder("emotion2vec/emotion2vec_base")
    assert "\n" not in str(error.value)
    cached = tmp_path / "models--emotion2vec--emotion2vec_base"
    (cached / "snapshots").mkdir(parents=True)
    folder(cached / "snapshots" / "abc", fairseq(state("d2v_model.")))
    (cached / "refs").mkdir()
    (cached / "refs" / "main").write_text("abc")
    assert_is_the_reference(load_encoder("emotion2vec/emotion2vec_base"), None)


def test_our_own_saved_folder_is_left_to_transformers(tmp_path):
    load_encoder(str(folder(tmp_path / "theirs", state()))).save_pretrained(tmp_path / "ours")
    assert not EMOTION2VEC.matches(tmp_path / "ours")
    assert_is_the_reference(load_encoder(str(tmp_path / "ours")).eval(), None)


def test_it_is_an_encoder_of_a_whole_system(tmp_path):
    ears = folder(tmp_path / "ears", fairseq(state("d2v_model.")))
    recipe = load_recipe("emosllm", (f"encoder.model={ears}", f"llm.model={tiny.folders(tmp_path)[1]}", *tiny.TINY))
    model, processor = build_model(recipe).eval(), build_processor(recipe)
    assert_is_the_reference(model.encoder.model, None)
    clips = [tiny.clip(0.4), tiny.clip(0.7, seed=1)]
    frames, mask = model.encoder(**processor_input(processor, clips))
    assert mask.sum(-1).tolist() == [19, 34]
    model.save_pretrained(tmp_path / "saved", self_contained=True)
    loaded = SpeechLLM.from_pretrained(tmp_path / "saved")
    torch.testing.assert_close(loaded.encoder(**processor_input(processor, clips))[0], frames, rtol=0, atol=0)


def processor_input(processor, clips):
    features = processor.features(clips)
    return {"audio": features["audio"], "mask": features["audio_attention"]}
