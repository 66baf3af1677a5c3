"""One interface for speech encoders of transformers: audio in, frames and their mask out.

The frames of a clip do not depend on its batch. The table in `families.py` lists how the encoders differ.
"""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel
from transformers.masking_utils import create_bidirectional_mask

from emosllm.models.encoders.families import FAMILIES, cut_layers, cut_weights, family, states_read
from emosllm.models.encoders.hidden_states import HiddenStates
from emosllm.models.encoders.layer_states import collect, register_hooks
from emosllm.models.encoders.whisper import read_clips
from emosllm.prompting.audio_vectors import convolved
from emosllm.recipe_parts import EncoderPart

__all__ = ["FAMILIES", "SpeechEncoder", "family"]


class SpeechEncoder(nn.Module):
    """A frozen encoder of transformers with the interface that mappers need.

    Args:
        model: a loaded or new encoder (for Whisper, the encoder half); it is cut to the layers of `part`.
        part: the layers to read, the window and the normalisation; by default the last layer as published.

    Raises:
        UserError: the encoder does not support the settings of `part`.
    """

    def __init__(self, model: PreTrainedModel, part: EncoderPart | None = None) -> None:
        super().__init__()
        self.part = part or EncoderPart(model="")
        cut_layers(model.config, self.part.layers, self.part.window)
        cut_weights(model, self.part.layers)
        self.model = model
        self.family = family(model.config)
        self.family.prepare(model)
        if self.part.mixes:
            register_hooks([layer for name in self.family.layers for layer in model.get_submodule(name)])
        self.requires_grad_(False)

    @property
    def states(self) -> int:
        """S, the number of hidden states that are read."""
        return len(states_read(self.model.config, self.part.layers)) if self.part.mixes else 1

    def new_reading(self) -> HiddenStates:
        """Create the module that converts hidden states to frames, for a mapper or head, with new weights."""
        return HiddenStates(self.width, self.states, weighted=self.part.mixes, normalise=self.part.normalise)

    @property
    def width(self) -> int:
        """D of the frames."""
        return int(getattr(self.model.config, self.family.width))

    def train(self, mode: bool = True) -> "SpeechEncoder":
        """Stay in evaluation mode: a frozen encoder uses no dropout and no SpecAugment."""
        return super().train(False)

    @torch.no_grad()
    def forward(self, audio: Tensor, mask: Tensor, windows: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Encode a batch.

        Args:
            audio: `[W, T]` samples at 16 kHz, or `[W, T, F]` / `[W, F, T]` features of the family's extractor.
            mask: `[W, T]`, 1 where there is sound and not padding.
            windows: `[A]`, number of rows of each of the A clips; by default one each.

        Returns:
            frames `[A, N, D]`, or `[A, N, S, D]` where several hidden states are read, zero where padded, and their
            mask `[A, N]` bool.
        """
        audio = audio.to(self.model.dtype)
        if self.family.window == "max_length":
            frames, keep = self._window(audio, mask)
        elif self.family.padding_leaks(self.model.config):
            frames, keep = self._one_by_one(audio, mask)
        else:
            frames = self._run(**{self.family.audio: audio}, attention_mask=mask)
            keep = _frame_mask(self._frames(mask), frames)
            frames = _zero_padding(frames, keep)
        return (frames, keep) if windows is None else _join_windows(frames, keep, windows)

    def _run(self, **inputs: Tensor) -> Tensor:
        """The hidden states that are read in one call of the encoder, `[A, N, D]` or `[A, N, S, D]`."""
        return self._read(lambda: self.model(**inputs).last_hidden_state)

    def _read(self, run: Callable[[], Tensor]) -> Tensor:
        return collect(run, states_read(self.model.config, self.part.layers)) if self.part.mixes else run()

    def _frames(self, mask: Tensor) -> Tensor:
        """Number of frames of each row, `[W]`."""
        return convolved(mask.sum(-1), self.family.steps(self.model.config, self.part.layers)).clamp(min=0)

    def _one_by_one(self, audio: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        clips = [
            self._run(**{self.family.audio: clip[None, : int(length)]})[0]
            for clip, length in zip(audio, mask.sum(-1), strict=True)
        ]
        hidden = nn.utils.rnn.pad_sequence(clips, batch_first=True)
        return hidden, _frame_mask(torch.tensor([len(clip) for clip in clips], device=hidden.device), hidden)

    def _window(self, audio: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """Frames of an encoder with a fixed window, run on the full window or on the length of the longest clip.

        Only the frames of the clips themselves are kept.
        """
        if self.part.window == "clip":
            hidden = self._read(lambda: read_clips(self.model, audio, mask.sum(-1)))
        else:
            inputs = {self.family.audio: audio}
            if self.family.attends:
                inputs["attention_mask"] = self._attention(self._before_layers(mask))
            hidden = self._run(**inputs)
        keep = _frame_mask(self._frames(mask), hidden)
        longest = int(keep.sum(-1).max())
        return _zero_padding(hidden, keep)[:, :longest], keep[:, :longest]

    def _before_layers(self, mask: Tensor) -> Tensor:
        """Number of positions of each row at the input of the layers, `[W]`."""
        config = self.model.config
        return convolved(mask.sum(-1), self.family.stem or self.family.convolutions(config))

    def _attention(self, lengths: Tensor) -> Tensor:
        """Attention mask of a fixed window in the format of the encoder's attention."""
        positions = torch.empty(len(lengths), self.model.config.max_source_positions, 1, dtype=self.model.dtype)
        positions = positions.to(lengths.device)
        seen = _frame_mask(lengths.clamp(min=1), positions)  # attention over no position would give NaN
        return create_bidirectional_mask(config=self.model.config, inputs_embeds=positions, attention_mask=seen.long())


def _frame_mask(lengths: Tensor, hidden: Tensor) -> Tensor:
    """`[A, N]` bool from the number of frames of each clip."""
    return torch.arange(hidden.shape[1], device=hidden.device)[None] < lengths[:, None]


def _zero_padding(frames: Tensor, keep: Tensor) -> Tensor:
    """Frames `[A, N, ...]` with zeros where `keep` `[A, N]` is false."""
    return frames * keep.view(*keep.shape, *[1] * (frames.dim() - 2))


def _join_windows(frames: Tensor, keep: Tensor, windows: Tensor) -> tuple[Tensor, Tensor]:
    """Frames of each clip with its windows concatenated, `[A, N, ...]`, and their mask `[A, N]`."""
    clips = [
        part[mask] for part, mask in zip(frames.split(windows.tolist()), keep.split(windows.tolist()), strict=True)
    ]
    lengths = torch.tensor([len(clip) for clip in clips], device=frames.device)
    padded = nn.utils.rnn.pad_sequence(clips, batch_first=True)
    return padded, _frame_mask(lengths, padded)
