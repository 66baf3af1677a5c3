"""Load a speech recogniser by name: any pipeline of transformers, or faster-whisper, behind one interface.

`openai/whisper-small` is a hub id or a folder for transformers; `faster-whisper:small` is a model of that package. The
defaults of each package are used: there are no options for timestamps, language or beams.
"""

from collections.abc import Sequence
from pickle import UnpicklingError
from textwrap import shorten
from typing import Any

import numpy as np

from emosllm.audio import SAMPLE_RATE
from emosllm.errors import UserError
from emosllm.inference.transcripts import Transcriber
from emosllm.models.checkpoints.locations import locate
from emosllm.remote_code import refuse_code, refuse_kernels

_FASTER = "faster-whisper:"
_WINDOW = 30 * SAMPLE_RATE  # Whisper's window in samples; longer clips need an option


def load_asr(name: str, device: str | None = None) -> Transcriber:
    """Load a speech recogniser.

    Args:
        name: a hub id or folder of a transformers model for automatic speech recognition, or `faster-whisper:SIZE`.
        device: the device; by default the CPU.

    Raises:
        UserError: there is no such model, it has another task, or its package is not installed.
    """
    if name.startswith(_FASTER):
        return FasterWhisper(name.removeprefix(_FASTER), device)
    return PipelineASR(name, device)


class PipelineASR:
    """Transformers' pipeline `automatic-speech-recognition`.

    Args:
        name: hub id or folder.
        device: the device; by default the CPU.
    """

    def __init__(self, name: str, device: str | None = None) -> None:
        from transformers import AutoConfig, pipeline

        self.name = f"asr {name}"
        place, options = locate(name), {"device": device or "cpu"}
        # `auto` would keep weights in float16, which a CPU multiplies several times slower than float32.
        dtype = "float32" if options["device"] == "cpu" else "auto"
        try:
            refuse_kernels(AutoConfig.from_pretrained(place, trust_remote_code=False), f"--asr {name}")
            self.pipe: Any = pipeline(
                "automatic-speech-recognition", model=place, dtype=dtype, trust_remote_code=False, **options
            )
        except UserError:
            raise
        except UnpicklingError:  # of a pytorch_model.bin, which transformers opens with `weights_only`
            raise UserError(
                f"--asr {name}: its weights are damaged, or hold code, which is never run; fetch the model again, or "
                "give one with safetensors"
            ) from None
        except (OSError, ValueError, KeyError, RuntimeError, TypeError, AttributeError) as error:
            refuse_code(error, f"--asr {name}")
            what = shorten(str(error).split("\n")[0], 140, placeholder=" …")
            raise UserError(
                f"--asr {name}: no speech recogniser of that name can be loaded ({what}); fetch it once with "
                f"`hf download {name}`, or give a folder that holds one"
            ) from None

    def __call__(self, clips: Sequence[np.ndarray]) -> list[str]:
        """Transcribe each clip, `[T]` at 16 kHz."""
        if not clips:
            return []
        whisper = self.pipe.type == "seq2seq_whisper"
        # Whisper transcribes beyond its window of 30 s only with timestamps.
        options = {"return_timestamps": True} if whisper and max(map(len, clips)) > _WINDOW else {}
        inputs = [{"raw": clip, "sampling_rate": SAMPLE_RATE} for clip in clips]
        # Without a padding token, the pipeline takes one clip at a time.
        together = len(inputs) if getattr(self.pipe.tokenizer, "pad_token_id", None) is not None else 1
        return [found["text"].strip() for found in self.pipe(inputs, batch_size=together, **options)]


class FasterWhisper:
    """The package faster-whisper.

    Args:
        size: its name of a model, such as `small`, or a folder.
        device: `cpu` or `cuda`.
    """

    def __init__(self, size: str, device: str | None = None) -> None:
        try:
            from faster_whisper import WhisperModel
        except ImportError:
            raise UserError(f"--asr {_FASTER}{size} needs faster-whisper: pip install faster-whisper") from None
        self.name = f"asr {_FASTER}{size}"
        try:
            self.model: Any = WhisperModel(size, device=(device or "cpu").split(":")[0])
        except (OSError, ValueError, RuntimeError) as error:
            what = shorten(str(error).split("\n")[0], 140, placeholder=" …")
            raise UserError(f"--asr {_FASTER}{size}: that model cannot be loaded ({what})") from None

    def __call__(self, clips: Sequence[np.ndarray]) -> list[str]:
        """Transcribe each clip, `[T]` at 16 kHz."""
        return ["".join(part.text for part in self.model.transcribe(clip)[0]).strip() for clip in clips]
