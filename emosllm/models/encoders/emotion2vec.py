"""emotion2vec, a speech encoder pre-trained for emotion.

It consists of convolutions over the normalised waveform, convolutional position embeddings, ten extra tokens before the
frames, and transformer layers with ALiBi. Padding is masked in convolutions and attention, so the frames of a clip do
not depend on its batch. The encoder is used frozen, so dropout, layer drop and pre-training masks are not implemented.

Source: Ma et al. 2023, "emotion2vec: Self-Supervised Pre-Training for Speech Emotion Representation", section 3; shapes
and order of operations from FunASR, `funasr/models/emotion2vec`.
"""

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers import AutoConfig, AutoModel, PreTrainedConfig, PreTrainedModel
from transformers import initialization as init
from transformers.modeling_outputs import BaseModelOutput

from emosllm.errors import UserError

_WAVEFORM_EPS = 1e-5


class Emotion2VecConfig(PreTrainedConfig):
    """The shape of an emotion2vec model; the defaults are those of base, plus seed and plus base.

    Args:
        hidden_size: D, width of the frames.
        num_attention_heads: heads a layer, each with an ALiBi slope and a learned scale.
        num_prenet_layers: transformer layers of the audio modality.
        num_main_layers: transformer layers after them.
        intermediate_size: width of the feed-forward blocks.
        conv_dim: channels of each convolution over the waveform.
        conv_kernel: kernel of each of these convolutions, in steps of its input.
        conv_stride: stride of each of these convolutions, in steps of its input.
        num_extra_tokens: learned tokens before the frames, removed from the output.
        position_layers: number of convolutions that compute position embeddings.
        position_kernel: kernel of these convolutions, in frames.
        position_groups: groups of these convolutions.
        layer_norm_eps: epsilon of every layer norm.
    """

    model_type = "emotion2vec"

    def __init__(
        self,
        hidden_size: int = 768,
        num_attention_heads: int = 12,
        num_prenet_layers: int = 4,
        num_main_layers: int = 8,
        intermediate_size: int = 3072,
        conv_dim: Sequence[int] = (512,) * 7,
        conv_kernel: Sequence[int] = (10, 3, 3, 3, 3, 2, 2),
        conv_stride: Sequence[int] = (5, 2, 2, 2, 2, 2, 2),
        num_extra_tokens: int = 10,
        position_layers: int = 5,
        position_kernel: int = 19,
        position_groups: int = 16,
        layer_norm_eps: float = 1e-5,
        **kwargs: Any,
    ) -> None:
        self.hidden_size = hidden_size
        self.num_attention_heads = num_attention_heads
        self.num_prenet_layers = num_prenet_layers
        self.num_main_layers = num_main_layers
        self.intermediate_size = intermediate_size
        self.conv_dim = list(conv_dim)
        self.conv_kernel = list(conv_kernel)
        self.conv_stride = list(conv_stride)
        self.num_extra_tokens = num_extra_tokens
        self.position_layers = position_layers
        self.position_kernel = position_kernel
        self.position_groups = position_groups
        self.layer_norm_eps = layer_norm_eps
        super().__init__(**kwargs)

    @property
    def num_hidden_layers(self) -> int:
        """Total number of transformer layers."""
        return self.num_prenet_layers + self.num_main_layers


class ConvLayer(nn.Module):
    """A convolution over the waveform, layer norm over the channels, GELU: `[B, C, T]` to `[B, C', T']`."""

    def __init__(self, channels_in: int, channels: int, kernel: int, stride: int, eps: float) -> None:
        super().__init__()
        self.conv = nn.Conv1d(channels_in, channels, kernel, stride, bias=False)
        self.norm = nn.LayerNorm(channels, eps)

    def forward(self, signal: Tensor) -> Tensor:
        """`[B, C, T]` to `[B, C', T']`."""
        return F.gelu(self.norm(self.conv(signal).transpose(1, 2)).transpose(1, 2))


class PositionLayer(nn.Module):
    """A grouped convolution over neighbouring frames, layer norm without weights, GELU: `[B, N, D]` to `[B, N, D]`."""

    def __init__(self, config: Emotion2VecConfig) -> None:
        super().__init__()
        D, kernel = config.hidden_size, config.position_kernel
        self.conv = nn.Conv1d(D, D, kernel, padding=kernel // 2, groups=config.position_groups)
        self.eps = config.layer_norm_eps

    def forward(self, frames: Tensor, keep: Tensor) -> Tensor:
        """Zero the frames after a clip's end before the convolution, which gives the result of a single clip."""
        N = frames.shape[1]
        frames = frames.masked_fill(~keep[..., None], 0)
        mixed = self.conv(frames.transpose(1, 2))[..., :N].transpose(1, 2)  # an even kernel adds one frame
        return F.gelu(F.layer_norm(mixed, mixed.shape[-1:], eps=self.eps))


class Layer(nn.Module):
    """A post-norm transformer layer whose attention takes a bias."""

    def __init__(self, config: Emotion2VecConfig) -> None:
        super().__init__()
        D = config.hidden_size
        self.heads = config.num_attention_heads
        self.qkv = nn.Linear(D, 3 * D)
        self.output = nn.Linear(D, D)
        self.norm1 = nn.LayerNorm(D, config.layer_norm_eps)
        self.up = nn.Linear(D, config.intermediate_size)
        self.down = nn.Linear(config.intermediate_size, D)
        self.norm2 = nn.LayerNorm(D, config.layer_norm_eps)

    def forward(self, x: Tensor, bias: Tensor) -> Tensor:
        """`[B, N, D]` to `[B, N, D]`; `bias` is added to the scores, `[B or 1, H, N, N]`, float32."""
        x = self.norm1(x + self._attend(x, bias))
        return self.norm2(x + self.down(F.gelu(self.up(x))))

    def _attend(self, x: Tensor, bias: Tensor) -> Tensor:
        B, N, D = x.shape
        q, k, v = self.qkv(x).view(B, N, 3, self.heads, -1).permute(2, 0, 3, 1, 4)  # each [B, H, N, D / H]
        scores = (q * (D // self.heads) ** -0.5) @ k.transpose(-2, -1)
        weights = (scores.float() + bias).softmax(-1).to(x.dtype)
        return self.output((weights @ v).transpose(1, 2).reshape(B, N, D))


class Emotion2VecModel(PreTrainedModel):
    """Waveform to frames at 50 Hz.

    The model normalises the waveform over each clip's own samples. Its input is the original recording, in -1..1.
    """

    config: Emotion2VecConfig
    config_class = Emotion2VecConfig
    main_input_name = "input_values"
    base_model_prefix = "emotion2vec"

    def __init__(self, config: Emotion2VecConfig) -> None:
        super().__init__(config)
        D, eps = config.hidden_size, config.layer_norm_eps
        channels = [1, *config.conv_dim]
        shapes = zip(channels, config.conv_dim, config.conv_kernel, config.conv_stride, strict=False)
        self.convolutions = nn.ModuleList(ConvLayer(*shape, eps) for shape in shapes)
        self.frame_norm = nn.LayerNorm(channels[-1], eps)
        self.projection = nn.Linear(channels[-1], D)
        self.positions = nn.ModuleList(PositionLayer(config) for _ in range(config.position_layers))
        self.extra_tokens = nn.Parameter(torch.empty(config.num_extra_tokens, D))
        self.alibi_scale = nn.Parameter(torch.empty(config.num_attention_heads))
        self.norm = nn.LayerNorm(D, eps)
        self.prenet = nn.ModuleList(Layer(config) for _ in range(config.num_prenet_layers))
        self.layers = nn.ModuleList(Layer(config) for _ in range(config.num_main_layers))
        self.post_init()

    @torch.no_grad()
    def _init_weights(self, module: nn.Module) -> None:
        super()._init_weights(module)
        if module is self:
            init.normal_(self.extra_tokens)
            init.ones_(self.alibi_scale)

    def forward(self, input_values: Tensor, attention_mask: Tensor | None = None, **_unused: Any) -> BaseModelOutput:
        """Encode a batch.

        Args:
            input_values: `[B, T]` samples at 16 kHz, one channel, as recorded.
            attention_mask: `[B, T]`, 1 where there is sound; padding is at the end. By default all ones.

        Returns:
            `last_hidden_state` `[B, N, D]`; frames after a clip's own frames are not valid.

        Raises:
            UserError: a clip is too short for a single frame.
        """
        sound = torch.ones_like(input_values, dtype=torch.bool) if attention_mask is None else attention_mask.bool()
        lengths = self._get_feat_extract_output_lengths(sound.sum(-1))
        if lengths.numel() and int(lengths.min()) < 1:
            raise UserError(
                f"a clip of {int(sound.sum(-1).min())} samples is too short for emotion2vec: it needs {self._reach()}"
            )
        signal = _normalise(input_values, sound)[:, None].to(self.extra_tokens.dtype)
        for convolution in self.convolutions:
            signal = convolution(signal)
        frames = self.projection(self.frame_norm(signal.transpose(1, 2)))
        keep = torch.arange(frames.shape[1], device=frames.device)[None] < lengths[:, None]
        frames = frames + self._position(frames, keep)
        x = torch.cat([self.extra_tokens.expand(len(frames), -1, -1), frames], dim=1)
        bias = self._bias(keep)
        x = self.norm(x)
        for layer in (*self.prenet, *self.layers):
            x = layer(x, bias)
        return BaseModelOutput(last_hidden_state=x[:, len(self.extra_tokens) :])

    def _position(self, frames: Tensor, keep: Tensor) -> Tensor:
        for layer in self.positions:
            frames = layer(frames, keep)
        return frames

    def _bias(self, keep: Tensor) -> Tensor:
        """Attention bias: ALiBi between frames, 0 to and from extra tokens, -inf towards padding.

        Args:
            keep: `[B, N]` bool, true where a frame is not padding.

        Returns:
            `[B, H, E + N, E + N]`, or `[1, H, E + N, E + N]` without padding; float32.
        """
        N, E = keep.shape[1], len(self.extra_tokens)
        place = torch.arange(N, device=keep.device, dtype=torch.float32)
        slopes = alibi_slopes(self.config.num_attention_heads).to(keep.device) * self.alibi_scale.float().clamp_min(0)
        bias = F.pad(-(place[None] - place[:, None]).abs() * slopes[:, None, None], (E, 0, E, 0))[None]
        padding = F.pad(~keep, (E, 0))
        return bias.masked_fill(padding[:, None, None], float("-inf")) if padding.any() else bias

    def _get_feat_extract_output_lengths(self, lengths: Tensor) -> Tensor:
        """Number of frames `[B]` for the given numbers of samples; named as in the encoders of transformers."""
        for kernel, stride in zip(self.config.conv_kernel, self.config.conv_stride, strict=True):
            lengths = torch.div(lengths - kernel, stride, rounding_mode="floor") + 1
        return lengths

    def _reach(self) -> int:
        """Receptive field of one frame, in samples."""
        reach = 1
        for kernel, stride in zip(reversed(self.config.conv_kernel), reversed(self.config.conv_stride), strict=True):
            reach = (reach - 1) * stride + kernel
        return reach


def alibi_slopes(heads: int) -> Tensor:
    """ALiBi slopes `[H]` (Press et al. 2022), a geometric sequence.

    Where H is not a power of two, heads beyond the largest power of two P take every other slope of the sequence of 2P.

    Args:
        heads: H.
    """
    whole = 1 << (heads.bit_length() - 1)  # P, the largest power of two up to H
    slopes = [2.0 ** (-8 * place / whole) for place in range(1, whole + 1)]
    slopes += [2.0 ** (-4 * place / whole) for place in range(1, 2 * (heads - whole), 2)]
    return torch.tensor(slopes)


def _normalise(samples: Tensor, sound: Tensor) -> Tensor:
    """Normalise to zero mean and unit variance over each clip's own samples, zero in the padding; `[B, T]`, float32."""
    count = sound.sum(-1, keepdim=True)
    samples = samples.float().masked_fill(~sound, 0)
    centred = (samples - samples.sum(-1, keepdim=True) / count).masked_fill(~sound, 0)
    return centred / (centred.square().sum(-1, keepdim=True) / count + _WAVEFORM_EPS).sqrt()


def register() -> None:
    """Register emotion2vec with transformers' Auto classes."""
    AutoConfig.register(Emotion2VecConfig.model_type, Emotion2VecConfig, exist_ok=True)
    AutoModel.register(Emotion2VecConfig, Emotion2VecModel, exist_ok=True)
