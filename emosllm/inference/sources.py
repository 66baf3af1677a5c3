"""Sources of recognition as utterances: a file, its bytes, samples, folders of files, or the rows of a manifest."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from emosllm.corpora.manifest import read_manifest
from emosllm.errors import UserError
from emosllm.utterance import Utterance

#: A file, its bytes, mono samples `[T]` at 16 kHz, or an utterance.
Source = str | Path | bytes | np.ndarray | Utterance

AUDIO_SUFFIXES = {".wav", ".flac", ".mp3", ".ogg", ".opus", ".aiff", ".aif", ".au"}


def as_utterance(source: Source) -> Utterance:
    """Convert any accepted input to an utterance."""
    if isinstance(source, Utterance):
        return source
    if isinstance(source, str | Path):
        return Utterance(str(source), Path(source))
    return Utterance("the given bytes" if isinstance(source, bytes) else "the given samples", source)


def utterances_of(files: Sequence[Path], manifest: Path | None) -> list[Utterance]:
    """List what is to be recognised: named files, the recordings in named folders, or the rows of a manifest.

    Raises:
        UserError: both or neither are given, a folder contains no recording, or the manifest cannot be read.
    """
    if files and manifest is not None:
        raise UserError(f"{files[0]} and --data {manifest}: give recordings, or a manifest of them")
    if manifest is not None:
        return read_manifest(manifest)
    if not files:
        raise UserError("nothing to recognise: name recordings, or a manifest with --data")
    return [as_utterance(path) for path in _recordings(files)]


def _recordings(paths: Sequence[Path]) -> list[Path]:
    """The named files, and the recordings in the named folders."""
    recordings: list[Path] = []
    for path in paths:
        inside = sorted(p for p in path.rglob("*") if _is_recording(p)) if _is_folder(path) else [path]
        if not inside:
            raise UserError(
                f"{path}: no recording in that folder; known endings are {' '.join(sorted(AUDIO_SUFFIXES))}"
            )
        recordings += inside
    return recordings


def _is_folder(path: Path) -> bool:
    try:
        return path.is_dir()
    except OSError:  # the name is too long for the file system
        return False


def _is_recording(path: Path) -> bool:
    # macOS adds files whose names begin with a dot to archives.
    return path.suffix.lower() in AUDIO_SUFFIXES and not path.name.startswith(".") and path.is_file()
