"""Silero's voice activity detector, computed from its package's weights, a block of frames at a time.

The package `silero-vad` (MIT) provides the weights. Its code is not imported, since importing it sets the number of
torch's threads, and its scripted model takes one frame per call. Here one call computes the convolutions of a block and
another one the LSTM. The arithmetic is the same and the computation many times faster; a test compares the two. Not
supported: 8 kHz, since all audio here is 16 kHz, and the GPU, which would not be faster.
"""

from importlib.util import find_spec
from pathlib import Path

import numpy as np
import torch
from torch import nn

from emosllm.audio import SAMPLE_RATE
from emosllm.errors import UserError

FRAME = 512  # samples, 32 ms: one probability per frame
STEP = FRAME / SAMPLE_RATE  # seconds
_CONTEXT = 64  # samples of the frame before that are also an input
_REFLECTED = 64  # samples mirrored at the frame's end
_HOP = 128  # of the short-time Fourier transform, whose window is 256
_BINS = 129
_WIDTH = 128
_STRIDES = (1, 2, 2, 1)
#: Version of the package that these weights and shapes belong to.
VERSION = "6.2.3"


class Silero(nn.Module):
    """Speech probabilities of a stream; the state is kept between calls.

    Raises:
        UserError: silero-vad is not installed, or its weights have other shapes.
    """

    basis: torch.Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("basis", torch.zeros(2 * _BINS, 1, 256))
        sizes = (_BINS, 128, 64, 64, _WIDTH)
        self.convolutions = nn.ModuleList(
            nn.Conv1d(sizes[place], sizes[place + 1], 3, stride, padding=1) for place, stride in enumerate(_STRIDES)
        )
        self.lstm = nn.LSTM(_WIDTH, _WIDTH)
        self.out = nn.Linear(_WIDTH, 1)
        self._load(installed_weights())
        self.requires_grad_(False)
        self.reset()

    def reset(self) -> None:
        """Reset the state before another recording."""
        self._past = torch.zeros(_CONTEXT)
        self._state = (torch.zeros(1, _WIDTH), torch.zeros(1, _WIDTH))

    @torch.inference_mode()
    def forward(self, samples: np.ndarray) -> np.ndarray:
        """The probability of speech in each frame.

        Args:
            samples: the stream's next whole frames, `[F * 512]`, mono at 16 kHz.

        Returns:
            Probabilities `[F]`.
        """
        stream = torch.cat([self._past, torch.from_numpy(np.ascontiguousarray(samples, np.float32))])
        self._past = stream[-_CONTEXT:].clone()
        frames = stream.unfold(0, _CONTEXT + FRAME, FRAME)  # [F, 576]
        frames = nn.functional.pad(frames[:, None], (0, _REFLECTED), mode="reflect")
        waves = nn.functional.conv1d(frames, self.basis, stride=_HOP)  # [F, 2 * 129, 4]
        hidden = (waves[:, :_BINS].square() + waves[:, _BINS:].square()).sqrt()
        for convolution in self.convolutions:
            hidden = convolution(hidden).relu()
        hidden, self._state = self.lstm(hidden[..., 0], self._state)  # [F, 128]: one sequence without a batch
        return self.out(hidden.relu()).sigmoid()[:, 0].numpy()

    def _load(self, path: Path) -> None:
        names = {"stft.forward_basis_buffer": "basis"}
        for place in range(len(_STRIDES)):
            for kind in ("weight", "bias"):
                names[f"encoder.{place}.reparam_conv.{kind}"] = f"convolutions.{place}.{kind}"
        for kind in ("weight_ih", "weight_hh", "bias_ih", "bias_hh"):
            names[f"decoder.rnn.{kind}"] = f"lstm.{kind}_l0"
        try:
            # The scripted file holds the weights that the package's own functions use; those in its safetensors file
            # differ. No other file reaches `torch.jit.load`: a person who can change this one can change the package's
            # code too. The scripted code is not called.
            weights = torch.jit.load(str(path), map_location="cpu").state_dict()
            state = {ours: weights[f"_model.{theirs}"] for theirs, ours in names.items()}
            out = "_model.decoder.decoder.2"
            state |= {"out.weight": weights[f"{out}.weight"][..., 0], "out.bias": weights[f"{out}.bias"]}
            self.load_state_dict(state)
        except (KeyError, RuntimeError):
            raise UserError(
                f"the weights of the installed silero-vad have another shape: pip install silero-vad=={VERSION}"
            ) from None


def installed_weights() -> Path:
    """The path of the package's weights, found without importing the package.

    Raises:
        UserError: the package is not installed, or has no weights at that path.
    """
    found = find_spec("silero_vad")
    if found is None or found.origin is None:
        raise UserError("finding speech needs silero_vad: pip install 'emosllm[timeline]'")
    weights = Path(found.origin).parent / "data" / "silero_vad.jit"
    if not weights.is_file():
        raise UserError(
            f"the installed silero-vad has no weights of the expected file: pip install silero-vad=={VERSION}"
        )
    return weights
