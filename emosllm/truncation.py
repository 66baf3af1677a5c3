"""Detect truncated WAV, AIFF and Ogg files, which libsndfile reads without an error.

`emosllm.audio` detects truncated FLAC, which fails to decode, and truncated MP3, which ends early. Limitation: the
rarer containers AU, CAF, W64 and RF64 are not checked.
"""

import struct
from collections.abc import Iterator
from io import BytesIO
from typing import BinaryIO

# Tools that write to a pipe do not know the size: ffmpeg writes 0xFFFFFFFF, SoX and espeak-ng 0x7FFFF000, others 0.
_UNKNOWN_SIZE = 0x7FFF_0000
# File type -> byte order of its numbers, and the chunk with the samples.
_CHUNKED = {
    (b"RIFF", b"WAVE"): ("<I", b"data"),
    (b"RIFX", b"WAVE"): (">I", b"data"),
    (b"FORM", b"AIFF"): (">I", b"SSND"),
    (b"FORM", b"AIFC"): (">I", b"SSND"),
}
_OGG_HEADER = 27  # bytes; the last one is the length of the segment table (RFC 3533, section 6)
_OGG_PAGE = _OGG_HEADER + 255 + 255 * 255  # bytes, the longest possible page


def truncation(stream: BinaryIO) -> str | None:
    """Return the sign of truncation as text that follows "truncated: ", or `None` if the file is complete.

    Args:
        stream: a seekable file; its position is changed.
    """
    size = stream.seek(0, 2)
    for at, length, _ in _samples_chunk(stream):
        if size - at < length < _UNKNOWN_SIZE:
            return f"its header states {length} bytes of audio, the file holds {size - at}"
    if _magic(stream) == b"OggS" and _last_ogg_page_breaks_off(stream, size):
        return "its last Ogg page is incomplete"
    return None


def with_true_size(stream: BinaryIO) -> BinaryIO:
    """Return the stream, or a copy with the true size if the header states an audio size of 0, as after a pipe."""
    size = stream.seek(0, 2)
    for at, length, number in _samples_chunk(stream):
        if length == 0 and size > at:
            stream.seek(0)
            whole = stream.read()
            return BytesIO(whole[: at - 4] + struct.pack(number, size - at) + whole[at:])
    return stream


def _magic(stream: BinaryIO) -> bytes:
    stream.seek(0)
    return stream.read(4)


def _samples_chunk(stream: BinaryIO) -> Iterator[tuple[int, int, str]]:
    """Yield where the samples of a WAV or AIFF begin, their size in bytes by the header, and that number's format."""
    stream.seek(0)
    head = stream.read(12)  # `RIFF`, size, `WAVE`
    number, wanted = _CHUNKED.get((head[:4], head[8:]), ("", b""))
    at = 12
    while number and len(header := stream.read(8)) == 8:
        (length,) = struct.unpack(number, header[4:])
        if header[:4] == wanted:
            yield at + 8, length, number
            return
        at += 8 + length + length % 2  # chunks are padded to even length
        stream.seek(at)


def _last_ogg_page_breaks_off(stream: BinaryIO, size: int) -> bool:
    stream.seek(max(0, size - _OGG_PAGE))
    tail = stream.read()
    page = tail[tail.rfind(b"OggS") :]
    if len(page) < _OGG_HEADER:
        return True
    segments = page[_OGG_HEADER : _OGG_HEADER + page[_OGG_HEADER - 1]]
    return len(page) < _OGG_HEADER + page[_OGG_HEADER - 1] + sum(segments)
