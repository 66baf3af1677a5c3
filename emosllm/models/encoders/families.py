"""Families of speech encoders: a table of their differences, and functions that cut an encoder to the layers read.

Families differ in their input (waveform or log-mel), their number of frames, the effect of padding, a fixed or variable
window, the attention mask, and the names of their layers. No other module depends on the kind of encoder.
"""

import copy
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from torch import nn
from transformers import PretrainedConfig, PreTrainedModel

from emosllm.errors import UserError
from emosllm.models.kernels.channels_last import keep_channels_last
from emosllm.models.kernels.wavlm_attention import fuse_attention
from emosllm.prompting.audio_vectors import Convolutions
from emosllm.recipe_parts import Layers, Window


@dataclass(frozen=True)
class Family:
    """The settings of one kind of encoder.

    Attributes:
        audio: the feature extractor's name of the encoder's input.
        width: attribute of the config that holds D.
        convolutions: convolutions and poolings from the extractor's steps to frames; empty where each step is a frame.
        padding_leaks: whether normalisation over time includes padding, so that clips must be encoded one at a time.
        stem: the convolutions before the layers, where poolings follow the layers; by default all of them.
        window: the feature extractor's padding: `longest` clip of the batch, or `max_length` where the window is fixed.
        attends: for a fixed window, whether attention is limited to the clip.
        layers: names of the layer stacks in the model, in order -> names of their lengths in the config.
        behind: modules after the layers; removed where an earlier hidden state is read.
        module: module of this package whose `register` makes the encoder known to transformers, where it is not.
        prepare: changes a model once, so that a batch takes no longer than its clips one at a time.
    """

    audio: str
    width: str = "hidden_size"
    convolutions: Callable[[PretrainedConfig], Convolutions] = lambda config: ()
    padding_leaks: Callable[[PretrainedConfig], bool] = lambda config: False
    stem: Convolutions | None = None
    window: str = "longest"
    attends: bool = False
    layers: Mapping[str, str] = field(default_factory=lambda: {"encoder.layers": "num_hidden_layers"})
    behind: Callable[[PretrainedConfig], tuple[str, ...]] = lambda config: ()
    module: str | None = None
    prepare: Callable[[PreTrainedModel], None] = lambda model: None

    def steps(self, config: PretrainedConfig, layers: Layers) -> Convolutions:
        """The convolutions and poolings from the extractor's steps to the layer that is read."""
        return self.convolutions(config) if layers == "last" or self.stem is None else self.stem


def _group_norm(config: PretrainedConfig) -> bool:
    """Whether an encoder normalises over time, including padding (`feat_extract_norm` "group", wav2vec 2.0 base)."""
    return bool(config.feat_extract_norm == "group")


def _feature_encoder(config: PretrainedConfig) -> Convolutions:
    """The convolutions over samples of the wav2vec 2.0 family, which have no padding."""
    return tuple((kernel, stride, 0) for kernel, stride in zip(config.conv_kernel, config.conv_stride, strict=True))


def _stable_norm(config: PretrainedConfig) -> tuple[str, ...]:
    """The norm of the wav2vec 2.0 family, where it is after the layers and not before the first layer."""
    return ("encoder.layer_norm",) if config.do_stable_layer_norm else ()


def _channels_last(model: PreTrainedModel) -> None:
    """Keep channels last in models of the wav2vec 2.0 family with a layer norm after each convolution.

    A group norm needs channels first.
    """
    if model.config.feat_extract_norm == "layer":
        keep_channels_last(model.feature_extractor.conv_layers)


def _wavlm(model: PreTrainedModel) -> None:
    _channels_last(model)
    fuse_attention(model)


def _subsampling(config: PretrainedConfig) -> Convolutions:
    """The convolutions of FastConformer, each of which halves the number of mel frames."""
    kernel, stride = config.subsampling_conv_kernel_size, config.subsampling_conv_stride
    return ((kernel, stride, (kernel - 1) // 2),) * int(math.log2(config.subsampling_factor))


WHISPER_STEM: Convolutions = ((3, 1, 1), (3, 2, 1))  # over mel frames
QWEN_STEM: Convolutions = (*WHISPER_STEM, (2, 2, 0))  # pairs of frames are pooled after the layers

_WAV2VEC2 = Family(
    "input_values",
    convolutions=_feature_encoder,
    padding_leaks=_group_norm,
    behind=_stable_norm,
    prepare=_channels_last,
)
_WHISPER = Family(
    "input_features",
    "d_model",
    convolutions=lambda config: WHISPER_STEM,
    window="max_length",
    layers={"layers": "encoder_layers"},
    behind=lambda config: ("layer_norm",),
)
_QWEN_AUDIO = Family(
    "input_features",
    "d_model",
    convolutions=lambda config: QWEN_STEM,
    stem=WHISPER_STEM,
    layers={"layers": "encoder_layers"},
    behind=lambda config: ("avg_pooler", "layer_norm"),
)

FAMILIES: dict[str, Family] = {
    "wavlm": replace(_WAV2VEC2, prepare=_wavlm),
    "wav2vec2": _WAV2VEC2,
    "hubert": _WAV2VEC2,
    "emotion2vec": Family(
        "input_values",
        convolutions=_feature_encoder,
        layers={"prenet": "num_prenet_layers", "layers": "num_main_layers"},
        module="emotion2vec",
        prepare=lambda model: keep_channels_last(model.convolutions),
    ),
    "wav2vec2-bert": Family("input_features"),
    "parakeet_encoder": Family("input_features", convolutions=_subsampling, layers={"layers": "num_hidden_layers"}),
    "whisper": _WHISPER,
    "qwen_audio_encoder": replace(_QWEN_AUDIO, module="qwen_audio"),
    "qwen2_audio_encoder": replace(_QWEN_AUDIO, window="max_length", attends=True),
}


def family(config: PretrainedConfig) -> Family:
    """The family of an encoder's config.

    Raises:
        UserError: the kind of encoder is unknown.
    """
    if config.model_type not in FAMILIES:
        raise UserError(f"{config.model_type!r} is not a known speech encoder; known are {', '.join(FAMILIES)}")
    return FAMILIES[config.model_type]


def depth(config: PretrainedConfig) -> int:
    """Number of layers of an encoder."""
    return sum(int(getattr(config, number)) for number in family(config).layers.values())


def states_read(config: PretrainedConfig, layers: Layers) -> tuple[int, ...]:
    """Indices of the hidden states that are read, ascending; 0 is the input of the first layer."""
    if isinstance(layers, tuple):
        return layers
    if isinstance(layers, int):
        return (layers,)
    return tuple(range(depth(config) + 1)) if layers == "weighted" else (depth(config),)


def cut_layers(config: PretrainedConfig, layers: Layers, window: Window = "model") -> PretrainedConfig:
    """The config of an encoder cut after the deepest layer that is read; later modules need not be built or loaded.

    Args:
        config: of the whole encoder or of one that was cut before; it is not changed.
        layers: the layers that are read.
        window: run the encoder on its own window (`model`) or on the clip's length (`clip`).

    Raises:
        UserError: the encoder does not have so many layers, or has no fixed window.
    """
    kind, there = family(config), depth(config)
    if window == "clip" and kind.window != "max_length":
        raise UserError(
            f"encoder.window=clip: {config.model_type} has no fixed window and reads every clip on its own length; "
            "set encoder.window=model"
        )
    if layers == "last":
        return config
    left = states_read(config, layers)[-1]
    if left > there:
        chosen = list(layers) if isinstance(layers, tuple) else layers
        raise UserError(
            f"encoder.layers={chosen}: {config.model_type} has {there} layers here; give 0 to {there}, last or weighted"
        )
    shorter = copy.deepcopy(config)
    for number in kind.layers.values():
        setattr(shorter, number, min(left, getattr(config, number)))
        left -= getattr(shorter, number)
    for adapter in ("add_adapter", "use_intermediate_ffn_before_adapter"):  # wav2vec 2.0 family, after the layers
        if getattr(config, adapter, False):
            setattr(shorter, adapter, False)
    return shorter


def cut_weights(model: PreTrainedModel, layers: Layers) -> None:
    """Remove an encoder's modules after the deepest layer that is read, in place: layers, pooling and norm.

    Raises:
        UserError: the encoder does not have so many layers.
    """
    if layers == "last":
        return
    model.config = cut_layers(model.config, layers)
    for name, number in family(model.config).layers.items():
        stack = model.get_submodule(name)
        del stack[getattr(model.config, number) :]
    for name in family(model.config).behind(model.config):
        model.set_submodule(name, nn.Identity())
