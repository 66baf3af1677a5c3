"""Open an audio file, or the bytes of one, with libsndfile; an unusable file is an error of one line."""

import codecs
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import BinaryIO

import soundfile as sf

from emosllm import truncation
from emosllm.errors import UserError

_MAGIC = (b"RIFF", b"RIFX", b"FORM", b"OggS", b"fLaC", b"ID3", b".snd", b"caff")  # the first bytes of audio files


class AudioError(UserError):
    """A recording that cannot be used; the message states its name, the fault and the remedy."""


@contextmanager
def open_sound_file(source: Path | str | bytes, name: str) -> Iterator[sf.SoundFile]:
    """Open a file, or the bytes of one, as a `SoundFile`, after a check that it is not truncated.

    Args:
        source: the file, or its bytes.
        name: the recording's name in errors.

    Raises:
        AudioError: the file is missing, a folder, empty, truncated or not audio.
    """
    with _stream(source) as stream:
        if stream.seek(0, 2) == 0:
            raise AudioError(f"{name} is empty (0 bytes): copy or record it again")
        fault = truncation.truncation(stream)
        if fault:
            raise AudioError(f"{name} is truncated: {fault}; copy or download it again")
        whole = truncation.with_true_size(stream)
        whole.seek(0)
        try:
            sound = sf.SoundFile(whole)
        except (sf.LibsndfileError, TypeError) as error:  # TypeError: a headerless .raw
            if _is_text(whole):
                raise AudioError(
                    f"{name} is not audio but text: give a recording; a table of recordings is a manifest, for --data"
                ) from error
            raise AudioError(
                f"{name} is not audio, or its beginning is damaged (libsndfile reads wav, flac, mp3, ogg, opus): "
                f"convert it, for example with `{_conversion(source)}`"
            ) from error
        with sound:
            yield sound


def _is_text(stream: BinaryIO) -> bool:
    """Whether the first 4096 bytes of a file are UTF-8 text without control characters."""
    stream.seek(0)
    if stream.read(4).startswith(_MAGIC):  # letters, so a file truncated after them looks like text
        return False
    stream.seek(0)
    words = codecs.getincrementaldecoder("utf-8")()
    try:
        page = words.decode(stream.read(4096))  # incremental: a letter cut at the end of the page is no error
    except UnicodeDecodeError:
        return False
    return page != "" and all(letter.isprintable() or letter.isspace() for letter in page)


def _conversion(source: Path | str | bytes) -> str:
    old = Path("clip.m4a" if isinstance(source, bytes) else source)
    new = old.with_suffix(".wav")
    return f"ffmpeg -i {old} {new if new != old else old.with_stem(old.stem + '-converted')}"


def _stream(source: Path | str | bytes) -> BinaryIO:
    if isinstance(source, bytes):
        return BytesIO(source)
    path = Path(source)
    try:
        return path.open("rb")
    except FileNotFoundError:
        raise AudioError(f"{path} does not exist: check the path, or the folder of the manifest") from None
    except IsADirectoryError:
        raise AudioError(f"{path} is a folder, not a recording: give the files in it") from None
    except OSError as error:
        raise AudioError(f"{path} cannot be opened ({error.strerror}): check its name and permissions") from error
    except ValueError:
        raise AudioError(f"{str(path)!r} is not a name that a file can have: check it") from None
