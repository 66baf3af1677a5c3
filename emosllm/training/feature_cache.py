"""Cache of the frozen encoder's frames on disk: half precision, memory-mapped.

A file's name is a hash of everything that its frames depend on: the samples, their augmentation, the encoder's weights,
the layers and the window that are read, and the extractor's settings. So runs and processes can share a cache, and its
files never become outdated. Frames are stored before normalisation, so that statistics can be replaced without running
the encoder again. Cost: about 100 kB of disk per second of speech for each hidden state of a 1024-wide encoder at
50 Hz. Limitation: augmentation cannot change in every epoch.
"""

import hashlib
import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np
import torch

from emosllm.augmentation import Augment, augment
from emosllm.files import write_atomically
from emosllm.models.encoders.encoder import SpeechEncoder
from emosllm.prompting.processor import SpeechProcessor
from emosllm.training.dataset import load_frames, load_utterance
from emosllm.utterance import Utterance


class FeatureCache:
    """The frames of one encoder, in one folder.

    Args:
        folder: the cache's folder; created if it is missing.
        encoder: computes missing frames.
        processor: turns samples into the encoder's input features.
    """

    def __init__(self, folder: Path, encoder: SpeechEncoder, processor: SpeechProcessor) -> None:
        self.encoder = encoder
        self.processor = processor
        self.folder = folder / fingerprint(encoder, processor)
        self.folder.mkdir(parents=True, exist_ok=True)
        held = content_description(encoder) | {"level": processor.settings.audio.level}
        write_atomically(self.folder.with_suffix(".json"), json.dumps(held, indent=2) + "\n")
        self._files: dict[tuple[str, int], Path] = {}

    def fill(
        self,
        utterances: Iterable[Utterance],
        batch_size: int = 8,
        augmentation: Augment | None = None,
        view: int = 0,
    ) -> None:
        """Compute the frames that are not stored yet; other processes may do so at the same time.

        Args:
            utterances: the utterances whose frames are needed.
            batch_size: clips per forward pass.
            augmentation: how the recordings are changed; a change depends only on the samples and on `view`.
            view: number of the augmented version; 0 is the original recording.
        """
        waiting: list[tuple[Path, np.ndarray]] = []
        change = "" if augmentation is None or not view else f"{augmentation.model_dump_json()} {view}"
        for utterance in utterances:
            samples = load_utterance(utterance)
            self.processor.check_length(samples, utterance.id)
            name = _digest(np.ascontiguousarray(samples).tobytes() + change.encode())
            path = self.folder / f"{name}.npy"
            self._files[utterance.id, view] = path
            if not path.exists():
                if augmentation is not None and change:
                    changed = augment(samples, np.random.default_rng(int(name, 16)), augmentation)
                    samples = changed if self.processor.fits_one_utterance(changed) else samples
                waiting.append((path, samples))
            if len(waiting) == batch_size:
                self._compute(waiting)
                waiting = []
        if waiting:
            self._compute(waiting)

    def path(self, utterance: Utterance, view: int = 0) -> Path:
        """Return the file of an utterance passed to `fill` before: frames `[N, D]` or `[N, S, D]`, float16."""
        return self._files[utterance.id, view]

    def load(self, utterance: Utterance) -> np.ndarray:
        """Load the frames of an utterance passed to `fill` before: `[N, D]` or `[N, S, D]`, float32."""
        return load_frames(self.path(utterance)).astype(np.float32)

    @torch.inference_mode()
    def _compute(self, waiting: Sequence[tuple[Path, np.ndarray]]) -> None:
        device = next(self.encoder.parameters()).device
        features = self.processor.features([samples for _, samples in waiting])
        features = {name: tensor.to(device) for name, tensor in features.items()}
        hidden, mask = self.encoder(features["audio"], features["audio_attention"], features.get("windows"))
        for (path, _), clip, keep in zip(waiting, hidden, mask, strict=True):
            _write(path, clip[keep].to(torch.float16).cpu().numpy())


def content_description(encoder: SpeechEncoder) -> dict[str, Any]:
    """Describe the content of a cache's files; the description is stored beside the folder."""
    shape = ["frames", *([encoder.states] if encoder.part.mixes else []), encoder.width]
    return {
        "encoder": encoder.model.config.model_type,
        "layers": encoder.part.layers,
        "window": encoder.part.window,
        "shape": shape,
        "normalised": False,
    }


def fingerprint(encoder: SpeechEncoder, processor: SpeechProcessor) -> str:
    """Hash an encoder's weights, the layers and window that are read, and its extractor's settings: 32 hex digits."""
    digest = hashlib.blake2b(digest_size=16)
    assert processor.feature_extractor is not None
    for settings in (processor.feature_extractor.to_dict(), encoder.model.config.to_dict()):
        settings.pop("_name_or_path", None)  # the path of the weights does not change the frames
        digest.update(json.dumps(settings, sort_keys=True, default=str).encode())
    level = processor.settings.audio.level
    digest.update(f"{encoder.part.layers} {encoder.part.window} {level}".encode())
    for name, tensor in sorted(encoder.model.state_dict().items()):
        digest.update(name.encode())
        digest.update(tensor.detach().cpu().flatten().contiguous().view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


def _digest(content: bytes) -> str:
    return hashlib.blake2b(content, digest_size=16).hexdigest()


def _write(path: Path, frames: np.ndarray) -> None:
    """Write a file atomically, even if other processes write the same file at the same time."""
    temporary = path.with_name(f".{path.stem}.{uuid4().hex}.tmp")
    with temporary.open("wb") as file:
        np.save(file, frames)
    temporary.replace(path)
