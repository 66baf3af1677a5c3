"""Is a recording whole? What libsndfile does not say of WAV, AIFF and Ogg files that were cut off.

It plays what is there, without a word. (Truncated FLAC fails to decode, truncated MP3 ends early: `emosllm.audio` sees
both.) Gives up checking the rarer containers: AU, CAF, W64, RF64.
"""

import struct
from collections.abc import Iterator
from io import BytesIO
from typing import BinaryIO

# Tools that write to a pipe cannot know the size: ffmpeg leaves 0xFFFFFFFF, SoX and espeak-ng 0x7FFFF000, others 0.
_UNKNOWN_SIZE = 0x7FFF_0000
# Kind of file -> byte order of its numbers, and the chunk with the samples.
_CHUNKED = {
    (b"RIFF", b"WAVE"): ("<I", b"data"),
    (b"RIFX", b"WAVE"): (">I", b"data"),
    (b"FORM", b"AIFF"): (">I", b"SSND"),
    (b"FORM", b"AIFC"): (">I", b"SSND"),
}
_OGG_HEADER = 27  # bytes, the last of them says how long the segment table is (RFC 3533, section 6)
_OGG_PAGE = _OGG_HEADER + 255 + 255 * 255  # bytes, the longest possible page


def truncation(stream: BinaryIO) -> str | None:
    """What shows that a file was cut off, in words that follow "truncated: ", or `None`.

    Args:
        stream: a seekable file from its beginning; its position is lost.
    """
    size = stream.seek(0, 2)
    for at, length, _ in _samples_chunk(stream):
        if size - at < length < _UNKNOWN_SIZE:
            return f"its header promises {length} bytes of audio, the file holds {size - at}"
    if _magic(stream) == b"OggS" and _last_ogg_page_breaks_off(stream, size):
        return "its last Ogg page breaks off"
    return None


def with_honest_size(stream: BinaryIO) -> BinaryIO:
    """The stream itself, or its content with the true size filled in where a pipe left the size of the audio at 0."""
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
    """Where the samples of a WAV or AIFF begin, how many bytes the header promises, the format of that number."""
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
