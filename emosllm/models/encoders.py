"""Speech encoders of transformers behind one call: audio in, frames and their mask out; a batch equals its clips alone.

They differ in what they eat (waveform or log-mel), in how many frames come of it, in whether padding leaks, in whether
their window is fixed, and in what of it they attend to. These facts are the table below; nothing else in the house
knows one encoder from another.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn
from transformers import PretrainedConfig, PreTrainedModel
from transformers.masking_utils import create_bidirectional_mask

from emosllm.errors import UserError
from emosllm.models.convolutions import keep_channels_last
from emosllm.models.hidden_states import HiddenStates, cut_layers, recorded
from emosllm.models.wavlm import fuse_attention
from emosllm.models.whisper import STEM as WHISPER_STEM
from emosllm.models.whisper import encode_own_length
from emosllm.parts import EncoderPart
from emosllm.prompting.vectors import Convolutions, convolved


@dataclass(frozen=True)
class Family:
    """What is particular to one kind of encoder.

    Attributes:
        audio: the feature extractor's name for what the encoder eats.
        width: attribute of the config that holds D.
        convolutions: what makes fewer frames of the extractor's steps; none where each step is a frame.
        padding_leaks: whether normalisation over time sees the padding, so that clips must go one by one.
        window: the feature extractor's padding: `longest` clip of the batch, or `max_length` where the window is fixed.
        attended: of a fixed window, the convolutions before the layers if these attend to the clip alone.
        prepare: what is done to a model once, so that a batch costs no more than its clips.
        blocks: the model's lists of transformer layers in their order.
        final_norm: path of the norm after the last layer; none where there is none.
        pooled: frames that are averaged behind the layers.
        extra: vectors in front of the frames that the layers see and that are dropped behind them.
    """

    audio: str
    width: str = "hidden_size"
    convolutions: Callable[[PretrainedConfig], Convolutions] = lambda config: ()
    padding_leaks: Callable[[PretrainedConfig], bool] = lambda config: False
    window: str = "longest"
    attended: Convolutions | None = None
    prepare: Callable[[PreTrainedModel], None] = lambda model: None
    blocks: Callable[[PreTrainedModel], Sequence[nn.ModuleList]] = lambda model: (model.encoder.layers,)
    final_norm: Callable[[PretrainedConfig], str | None] = lambda config: None
    pooled: int = 1
    extra: Callable[[PretrainedConfig], int] = lambda config: 0


def _group_norm(config: PretrainedConfig) -> bool:
    """The base models of wav2vec 2.0 normalise over time, padding included (feat_extract_norm "group")."""
    return bool(config.feat_extract_norm == "group")


def _feature_encoder(config: PretrainedConfig) -> Convolutions:
    """Of the wav2vec 2.0 kin: over samples, without padding."""
    return tuple((kernel, stride, 0) for kernel, stride in zip(config.conv_kernel, config.conv_stride, strict=True))


def _channels_last(model: PreTrainedModel) -> None:
    """Of wav2vec 2.0's kin, those with a layer norm after each convolution; a group norm wants channels apart."""
    if model.config.feat_extract_norm == "layer":
        keep_channels_last(model.feature_extractor.conv_layers)


def _wavlm(model: PreTrainedModel) -> None:
    _channels_last(model)
    fuse_attention(model)


def _subsampling(config: PretrainedConfig) -> Convolutions:
    """Of FastConformer: each convolution halves the mel frames."""
    kernel, stride = config.subsampling_conv_kernel_size, config.subsampling_conv_stride
    return ((kernel, stride, (kernel - 1) // 2),) * int(math.log2(config.subsampling_factor))


def _stable_norm(config: PretrainedConfig) -> str | None:
    """The large models of wav2vec 2.0's kin have a norm after the last layer, the base models one before the first."""
    return "encoder.layer_norm" if config.do_stable_layer_norm else None


def _own_layers(model: PreTrainedModel) -> tuple[nn.ModuleList]:
    return (model.layers,)


QWEN_STEM: Convolutions = (*WHISPER_STEM, (2, 2, 0))  # and pairs are pooled behind the layers

_WAV2VEC2 = Family(
    "input_values",
    convolutions=_feature_encoder,
    padding_leaks=_group_norm,
    prepare=_channels_last,
    final_norm=_stable_norm,
)

FAMILIES: dict[str, Family] = {
    "wavlm": replace(_WAV2VEC2, prepare=_wavlm),
    "wav2vec2": _WAV2VEC2,
    "hubert": _WAV2VEC2,
    "emotion2vec": Family(
        "input_values",
        convolutions=_feature_encoder,
        prepare=lambda model: keep_channels_last(model.convolutions),
        blocks=lambda model: (model.prenet, model.layers),
        extra=lambda config: int(config.num_extra_tokens),
    ),
    "wav2vec2-bert": Family("input_features"),
    "parakeet_encoder": Family("input_features", convolutions=_subsampling, blocks=_own_layers),
    "whisper": Family(
        "input_features",
        "d_model",
        convolutions=lambda config: WHISPER_STEM,
        window="max_length",
        blocks=_own_layers,
        final_norm=lambda config: "layer_norm",
    ),
    "qwen_audio_encoder": Family(
        "input_features",
        "d_model",
        convolutions=lambda config: QWEN_STEM,
        blocks=_own_layers,
        final_norm=lambda config: "layer_norm",
        pooled=2,
    ),
    "qwen2_audio_encoder": Family(
        "input_features",
        "d_model",
        convolutions=lambda config: QWEN_STEM,
        window="max_length",
        attended=WHISPER_STEM,
        blocks=_own_layers,
        final_norm=lambda config: "layer_norm",
        pooled=2,
    ),
}


def family(config: PretrainedConfig) -> Family:
    """The family of an encoder's config.

    Raises:
        UserError: no encoder of that kind is known.
    """
    if config.model_type not in FAMILIES:
        raise UserError(f"{config.model_type!r} is no speech encoder known here; known are {', '.join(FAMILIES)}")
    return FAMILIES[config.model_type]


class SpeechEncoder(nn.Module):
    """A frozen encoder of transformers, with the one interface that mappers need.

    Args:
        model: a loaded or newly built encoder (for Whisper, the encoder half).
        part: which hidden states are read, and on which window; the last, on the model's own, where not given.

    Raises:
        UserError: the encoder has fewer layers than are to be read.
    """

    def __init__(self, model: PreTrainedModel, part: EncoderPart | None = None) -> None:
        super().__init__()
        self.model = model
        self.family = family(model.config)
        self.layers = part.layers if part is not None else "last"
        self.own_length = part is not None and part.window == "clip" and self.family.window == "max_length"
        cut_layers(model, self.family.blocks(model), self.layers, self.family.final_norm(model.config))
        self.family.prepare(model)
        self.requires_grad_(False)

    @property
    def depth(self) -> int:
        """Transformer layers that are computed."""
        return sum(len(block) for block in self.family.blocks(self.model))

    @property
    def states(self) -> int:
        """S, hidden states that each frame has."""
        return self.depth + 1 if self.layers == "weighted" else 1

    @property
    def width(self) -> int:
        """D of the frames."""
        return int(getattr(self.model.config, self.family.width))

    def train(self, mode: bool = True) -> "SpeechEncoder":
        """Frozen means that dropout and SpecAugment stay off too."""
        return super().train(False)

    @torch.no_grad()
    def forward(self, audio: Tensor, mask: Tensor, windows: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Encode a batch.

        Args:
            audio: `[W, T]` samples at 16 kHz, or `[W, T, F]` / `[W, F, T]` features, as the family's extractor gives.
            mask: `[W, T]`, 1 where there is sound and not padding.
            windows: `[A]`, how many rows each of the A clips has; one each where not given.

        Returns:
            frames `[A, N, D]`, or `[A, N, S, D]` where several hidden states are read, zero where padded, and their
            mask `[A, N]` bool.
        """
        audio = audio.to(self.model.dtype)
        if self.own_length:
            hidden = self._read(lambda: encode_own_length(self.model, audio, mask.sum(-1)))
            frames, keep = self._cut_to_clips(hidden, mask)
        elif self.family.window == "max_length":
            frames, keep = self._fixed_window(audio, mask)
        elif self.family.padding_leaks(self.model.config):
            frames, keep = self._one_by_one(audio, mask)
        else:
            frames = self._run({self.family.audio: audio, "attention_mask": mask})
            keep = _frame_mask(self._frames(mask), frames)
            frames = _silenced(frames, keep)
        return (frames, keep) if windows is None else _joined(frames, keep, windows)

    def _run(self, inputs: dict[str, Tensor]) -> Tensor:
        """The hidden states that are read, `[W, N, D]` or `[W, N, S, D]`."""
        return self._read(lambda: self.model(**inputs).last_hidden_state)

    def _read(self, run: Callable[[], Tensor]) -> Tensor:
        if self.layers == "last":
            return run()
        with recorded([layer for block in self.family.blocks(self.model) for layer in block]) as states:
            run()
        extra, pooled = self.family.extra(self.model.config), self.family.pooled
        chosen = [_pooled(state[:, extra:], pooled) for state in (states if self.layers == "weighted" else states[-1:])]
        return torch.stack(chosen, dim=2) if self.layers == "weighted" else chosen[0]

    def _frames(self, mask: Tensor) -> Tensor:
        """Number of frames of each row, `[W]`."""
        return convolved(mask.sum(-1), self.family.convolutions(self.model.config)).clamp(min=0)

    def _one_by_one(self, audio: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        clips = [
            self._run({self.family.audio: clip[None, : int(length)]})[0]
            for clip, length in zip(audio, mask.sum(-1), strict=True)
        ]
        hidden = nn.utils.rnn.pad_sequence(clips, batch_first=True)
        return hidden, _frame_mask(torch.tensor([len(clip) for clip in clips], device=hidden.device), hidden)

    def _fixed_window(self, audio: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """The window is always full; of its frames, those that hold the clip are kept."""
        inputs = {self.family.audio: audio}
        if self.family.attended is not None:
            inputs["attention_mask"] = self._attention(convolved(mask.sum(-1), self.family.attended))
        return self._cut_to_clips(self._run(inputs), mask)

    def _cut_to_clips(self, hidden: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """The clips' own frames and their mask, as many as the longest clip has."""
        keep = _frame_mask(self._frames(mask), hidden)
        longest = int(keep.sum(-1).max())
        return _silenced(hidden, keep)[:, :longest], keep[:, :longest]

    def _attention(self, lengths: Tensor) -> Tensor:
        """A fixed window's mask in the form that the encoder's attention takes."""
        positions = torch.empty(len(lengths), self.model.config.max_source_positions, 1, dtype=self.model.dtype)
        positions = positions.to(lengths.device)
        seen = _frame_mask(lengths.clamp(min=1), positions)  # attention over nothing is not a number
        return create_bidirectional_mask(config=self.model.config, inputs_embeds=positions, attention_mask=seen.long())


def new_states(encoder: SpeechEncoder, part: EncoderPart) -> HiddenStates:
    """What normalises and mixes the hidden states of an encoder, as its recipe says."""
    return HiddenStates(encoder.states, encoder.width, part.layers, part.normalise)


def _frame_mask(lengths: Tensor, hidden: Tensor) -> Tensor:
    """`[A, N]` bool from the number of frames of each clip."""
    return torch.arange(hidden.shape[1], device=hidden.device)[None] < lengths[:, None]


def _silenced(frames: Tensor, keep: Tensor) -> Tensor:
    """Frames `[A, N, ...]` with zeros where they are padding."""
    return frames * keep.reshape(*keep.shape, *[1] * (frames.dim() - 2))


def _pooled(state: Tensor, by: int) -> Tensor:
    """The mean of each `by` frames that follow one another, `[W, N // by, D]`."""
    if by == 1:
        return state
    length = state.shape[1] // by * by
    return state[:, :length].unflatten(1, (-1, by)).mean(2)


def _joined(frames: Tensor, keep: Tensor, windows: Tensor) -> tuple[Tensor, Tensor]:
    """The frames of each clip's windows, one window after the other: `[A, N, D]` and `[A, N]`."""
    clips = [
        part[mask] for part, mask in zip(frames.split(windows.tolist()), keep.split(windows.tolist()), strict=True)
    ]
    lengths = torch.tensor([len(clip) for clip in clips], device=frames.device)
    padded = nn.utils.rnn.pad_sequence(clips, batch_first=True)
    return padded, _frame_mask(lengths, padded)
