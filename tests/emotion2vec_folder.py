"""Folders as emotion2vec's authors publish them, with the weights of the small golden model."""

import json

import golden
import torch
import yaml
from safetensors.torch import save_file

from emosllm.models.backbones import load_encoder, load_head
from emosllm.models.heads import ClassHead

NAMES = ("angry", "disgust", "happy", "unknown")

AUDIO = "modality_encoders.AUDIO."
CLASSES = "生气/angry\n厌恶/disgusted\nunuse_0\n开心/happy\n<unk>\n"
# As config.yaml of the published folders, with the sizes of the small golden model, and settings that do not matter.
SETTINGS = {
    "model": "Emotion2vec",
    "model_conf": {
        "depth": 3,
        "num_heads": 6,
        "norm_eps": "1e-05",
        "norm_affine": True,
        "embed_dim": 48,
        "mlp_ratio": 4.0,
        "layer_norm_first": False,
        "normalize": True,
        "ema_decay": 0.999,
        "modalities": {
            "audio": {
                "type": "AUDIO",
                "prenet_depth": 2,
                "num_extra_tokens": 10,
                "use_alibi_encoder": True,
                "learned_alibi": False,
                "learned_alibi_scale_per_head": True,
                "num_alibi_heads": 6,
                "extractor_mode": "layer_norm",
                "feature_encoder_spec": "[(24, 10, 5)] + [(24, 3, 2)] * 4 + [(24,2,2)] + [(24,2,2)]",
                "conv_pos_width": 95,
                "conv_pos_groups": 4,
                "conv_pos_depth": 5,
            }
        },
    },
}


def key_list(name):
    return json.loads((golden.FOLDER / f"emotion2vec_{name}.keys.json").read_text())


def state(prefix=""):
    """The encoder's keys without the decoder's, as in the published model.pt, and the head's."""
    weights = {key: value for key, value in golden.weights(key_list("small")).items() if "decoder" not in key}
    return {key if key.startswith("proj.") else prefix + key: value for key, value in weights.items()}


def folder(path, weights, settings=SETTINGS, classes=CLASSES, file="model.pt"):
    path.mkdir(exist_ok=True)
    (path / "config.yaml").write_text(yaml.safe_dump(settings, allow_unicode=True), encoding="utf-8")
    if classes is not None:
        (path / "tokens.txt").write_text(classes, encoding="utf-8")
    if file.endswith(".safetensors"):
        save_file(weights, path / file)
    elif weights is not None:
        torch.save(weights, path / file)
    return path


def fairseq(weights):
    """Put weights into the dict of a training checkpoint of fairseq, with an optimiser's state."""
    extra = {"cfg": {"model": {"depth": 8}}, "args": None, "extra_state": {"epoch": 3}, "task_state": {}}
    return {**extra, "model": weights, "last_optimizer_state": {"state": {0: {"exp_avg": torch.ones(3)}}}}


def load(path, dtype=torch.float32):
    """Load the encoder, and the head if there is one, as emosllm does."""
    encoder, head = load_encoder(str(path), dtype), ClassHead(48, len(NAMES), layers=0)
    if (path / "tokens.txt").exists():
        load_head(str(path), head, NAMES)
    return encoder, head
