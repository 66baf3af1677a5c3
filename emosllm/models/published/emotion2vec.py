"""The authors' layout of emotion2vec: a folder with config.yaml, model.pt and, for a model with a head, tokens.txt.

It is the layout of `emotion2vec/emotion2vec_base`, `_plus_seed`, `_plus_base` and `_plus_large` on the hub, and of
`iic/...` with the same names on ModelScope. If there is a model.safetensors with the same keys, it is read instead of
model.pt. Settings that no published checkpoint has, such as pre-norm layers, are refused.

Source of keys and settings: FunASR, `funasr/models/emotion2vec` (template.yaml, model.py, base.py).
"""

import re
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch
from safetensors import SafetensorError
from torch import Tensor
from transformers import Wav2Vec2FeatureExtractor

from emosllm.errors import UserError
from emosllm.labels import UNKNOWN, emotion_name
from emosllm.models.encoders.emotion2vec import Emotion2VecConfig
from emosllm.models.published.layout import Layout, Part, Place, Read, identity
from emosllm.models.published.tensors import safetensors
from emosllm.safe_yaml import read_yaml

_WEIGHTS = ("model.safetensors", "model.pt", "emotion2vec_base.pt")
# Settings that change the computation, with the only value that is supported here.
_FIXED = {"layer_norm_first": False, "norm_affine": True, "normalize": True}
_FIXED_AUDIO = {
    "extractor_mode": "layer_norm",
    "use_alibi_encoder": True,
    "learned_alibi": False,
    "learned_alibi_scale_per_head": True,
    "learned_alibi_scale_per_layer": False,
    "conv_pos_pre_ln": False,
}
_CONVOLUTIONS = re.compile(r"\[\s*\(\s*(\d+)\s*,\s*(\d+)\s*,\s*(\d+)\s*\)\s*\](?:\s*\*\s*(\d+))?")

_BLOCK = {
    "attn.qkv": "qkv",
    "attn.proj": "output",
    "mlp.fc1": "up",
    "mlp.fc2": "down",
    "norm1": "norm1",
    "norm2": "norm2",
}
_AUDIO = r"modality_encoders\.AUDIO\."
_IN_BLOCK = rf"blocks\.(\d+)\.({'|'.join(map(re.escape, _BLOCK))})\.(weight|bias)"
# Keys of the encoder, and our names for them. The convolutions of positions are counted from one, because the reference
# has a transposition before them.
_ENCODER: tuple[tuple[str, Callable[[re.Match[str]], str]], ...] = (
    (_AUDIO + r"local_encoder\.conv_layers\.(\d+)\.0\.weight", lambda key: f"convolutions.{key[1]}.conv.weight"),
    (
        _AUDIO + r"local_encoder\.conv_layers\.(\d+)\.2\.1\.(weight|bias)",
        lambda key: f"convolutions.{key[1]}.norm.{key[2]}",
    ),
    (_AUDIO + r"project_features\.1\.(weight|bias)", lambda key: f"frame_norm.{key[1]}"),
    (_AUDIO + r"project_features\.2\.(weight|bias)", lambda key: f"projection.{key[1]}"),
    (
        _AUDIO + r"relative_positional_encoder\.(\d+)\.0\.(weight|bias)",
        lambda key: f"positions.{int(key[1]) - 1}.conv.{key[2]}",
    ),
    (_AUDIO + r"(extra_tokens|alibi_scale)", lambda key: key[1]),
    (_AUDIO + r"context_encoder\.norm\.(weight|bias)", lambda key: f"norm.{key[1]}"),
    (_AUDIO + r"context_encoder\." + _IN_BLOCK, lambda key: f"prenet.{key[1]}.{_BLOCK[key[2]]}.{key[3]}"),
    (_IN_BLOCK, lambda key: f"layers.{key[1]}.{_BLOCK[key[2]]}.{key[3]}"),
)
# The reference stores these two with axes of length one for broadcasting: [1, E, D] and [1, 1, H, 1, 1].
_SHAPED: Mapping[str, Callable[[Tensor], Tensor]] = {
    "extra_tokens": lambda tensor: tensor.squeeze(0),
    "alibi_scale": lambda tensor: tensor.flatten(),
}
# Parts used only in pre-training: the decoder that predicts the teacher's frames, the teacher itself (an average of the
# student), heads of reconstruction and adversarial losses, encoders of other modalities.
_UNUSED = re.compile(
    _AUDIO + r"decoder\..+|_ema(\..+)?|(recon_proj|shared_decoder|cls_proj|discriminator)\..+|"
    r"modality_encoders\.(IMAGE|TEXT)\..+"
)


def is_emotion2vec(folder: Path) -> bool:
    """Whether the config.yaml of a folder is that of a published emotion2vec."""
    return folder.is_dir() and _settings(folder).get("model") == "Emotion2vec"


def configs(folder: Path) -> Mapping[Part, dict[str, Any]]:
    """The shape of the encoder, and of the head where tokens.txt names its classes.

    Raises:
        UserError: config.yaml lacks a setting, or has one that is not supported.
    """
    origin = folder / "config.yaml"
    model = _settings(folder).get("model_conf") or {}
    audio = (model.get("modalities") or {}).get("audio") or {}
    for values, fixed in ((model, _FIXED), (audio, _FIXED_AUDIO)):
        for key, wanted in fixed.items():
            if values.get(key, wanted) != wanted:
                raise UserError(f"{origin}: {key} is {values[key]!r}; emotion2vec is built with {wanted!r} only")
    try:
        encoder = _shape(model, audio)
    except (KeyError, TypeError, ValueError) as error:
        raise UserError(f"{origin}: no emotion2vec can be built of it ({error}); fetch it again") from None
    parts: dict[Part, dict[str, Any]] = {"encoder": encoder}
    if (folder / "tokens.txt").is_file():
        parts["head"] = {"width": encoder["hidden_size"], "names": class_names(folder)}
    return parts


def class_names(folder: Path) -> tuple[str | None, ...]:
    """The names of the head's classes in our vocabulary, including `unknown`; `None` for an unused output.

    Raises:
        UserError: there is no tokens.txt, or a line of it is not an emotion.
    """
    origin = folder / "tokens.txt"
    try:
        lines = origin.read_text(encoding="utf-8").split("\n")
    except (OSError, UnicodeDecodeError):
        raise UserError(f"{origin}: no text file, so the head's classes have no names; fetch it again") from None
    return tuple(_class(line.strip(), origin) for line in lines if line.strip())


def tensors(folder: Path) -> Iterator[tuple[str, Read]]:
    """Yield the keys of the folder's weights, nested keys (the teacher's) as paths, and a function to read each tensor.

    Raises:
        UserError: there is no file of weights, or it has another format.
    """
    path = next((folder / name for name in _WEIGHTS if (folder / name).is_file()), None)
    if path is None:
        raise UserError(f"{folder}: no weights of emotion2vec there; it needs {' or '.join(_WEIGHTS[:2])}")
    if path.suffix == ".safetensors":
        try:
            yield from safetensors(path)
        except SafetensorError as error:
            raise UserError(f"{path}: not a safetensors file, or truncated ({error}); fetch it again") from None
    else:
        for key, tensor in _walk(_unpickle(path)):  # mapped where the file allows it
            yield key, partial(identity, tensor)


def place(key: str) -> list[Place] | None:
    """The place of a key's tensor. Some checkpoints prefix the encoder's keys by `d2v_model.`, or all by `module.`."""
    key = key.removeprefix("module.").removeprefix("d2v_model.")
    if key in ("proj.weight", "proj.bias"):
        return [("head", key.replace("proj", "output"), identity)]
    if _UNUSED.fullmatch(key):
        return []
    for pattern, name in _ENCODER:
        found = re.fullmatch(pattern, key)
        if found is not None:
            ours = name(found)
            return [("encoder", ours, _SHAPED.get(ours, identity))]
    return None


def feature_extractor(folder: Path) -> Wav2Vec2FeatureExtractor:
    """A feature extractor without normalisation, because the encoder normalises the waveform."""
    return Wav2Vec2FeatureExtractor(do_normalize=False, return_attention_mask=True)


LAYOUT = Layout("emotion2vec", is_emotion2vec, configs, tensors, place, feature_extractor=feature_extractor)


def _settings(folder: Path) -> dict[str, Any]:
    try:
        read = read_yaml(folder / "config.yaml", f"{folder / 'config.yaml'} is")
    except UserError:
        return {}
    return read if isinstance(read, dict) else {}


def _shape(model: Mapping[str, Any], audio: Mapping[str, Any]) -> dict[str, Any]:
    """Values of `Emotion2VecConfig` from those of config.yaml."""
    width, layers = int(model["embed_dim"]), int(audio["conv_pos_depth"])
    if audio.get("num_alibi_heads", model["num_heads"]) != model["num_heads"]:
        raise ValueError(f"num_alibi_heads {audio['num_alibi_heads']} and num_heads {model['num_heads']} differ")
    convolutions = _convolutions(str(audio["feature_encoder_spec"]))
    return {
        "model_type": Emotion2VecConfig.model_type,
        "hidden_size": width,
        "num_attention_heads": int(model["num_heads"]),
        "num_prenet_layers": int(audio["prenet_depth"]),
        "num_main_layers": int(model["depth"]),
        "intermediate_size": int(width * float(model["mlp_ratio"])),
        **dict(
            zip(("conv_dim", "conv_kernel", "conv_stride"), map(list, zip(*convolutions, strict=True)), strict=True)
        ),
        "num_extra_tokens": int(audio["num_extra_tokens"]),
        "position_layers": layers,
        "position_kernel": max(3, int(audio["conv_pos_width"]) // layers),
        "position_groups": int(audio["conv_pos_groups"]),
        "layer_norm_eps": float(model["norm_eps"]),  # YAML reads 1e-05 as text
    }


def _convolutions(text: str) -> list[tuple[int, int, int]]:
    """Parse channels, kernel and stride of each convolution from text such as `[(512, 10, 5)] + [(512, 3, 2)] * 4`.

    The text is a Python expression, which is never evaluated.
    """
    layers: list[tuple[int, int, int]] = []
    for term in text.split("+"):
        found = _CONVOLUTIONS.fullmatch(term.strip())
        if found is None:
            raise ValueError(f"feature_encoder_spec {text!r} is not a sum of [(channels, kernel, stride)] * times")
        channels, kernel, stride, times = found.groups(default="1")
        layers += [(int(channels), int(kernel), int(stride))] * int(times)
    return layers


def _class(line: str, origin: Path) -> str | None:
    """Parse one line of tokens.txt: `生气/angry` in either order, `<unk>`, or a name that begins with `unuse`."""
    if line.startswith("unuse"):
        return None
    if line == "<unk>":
        return UNKNOWN
    for word in line.split("/"):
        try:
            name = emotion_name(word)
        except UserError:
            continue
        return name or UNKNOWN
    raise UserError(f"{origin}: {line!r} names no emotion known here; write it as 生气/angry, <unk> or unuse_0")


def _unpickle(path: Path) -> Any:
    """Load a checkpoint in torch's format without running code; tensors are memory-mapped where the file allows it."""
    try:
        try:
            loaded = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
        except RuntimeError:  # written before torch 1.6, or not a torch file
            loaded = torch.load(path, map_location="cpu", weights_only=True)
    except UnpicklingError as error:
        code = re.search(r"GLOBAL ([\w.]+)", str(error))
        if code is not None:
            raise UserError(
                f"{path}: holds {code[1]}, which is code and not a weight; fetch it again, or save the tensors "
                "alone, under the same keys, as model.safetensors beside it"
            ) from None
        raise UserError(f"{path}: not a file of torch; fetch it again") from None
    except (RuntimeError, EOFError, OSError, ValueError):
        raise UserError(f"{path}: not a file of torch, or truncated; fetch it again") from None
    for wrapper in ("state_dict", "model_state_dict", "model"):
        loaded = loaded[wrapper] if isinstance(loaded, dict) and isinstance(loaded.get(wrapper), dict) else loaded
    return loaded


def _walk(values: Any, prefix: str = "") -> Iterator[tuple[str, Tensor]]:
    """Yield the tensors in nested dicts with their paths; other values are skipped."""
    for key, held in values.items() if isinstance(values, dict) else ():
        if isinstance(held, Tensor):
            yield f"{prefix}{key}", held
        else:
            yield from _walk(held, f"{prefix}{key}.")
