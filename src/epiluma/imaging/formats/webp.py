"""WebP (RFC 9649): a RIFF container with a picture, or with a canvas on which the picture or its frames are put."""

from __future__ import annotations

import struct
from collections.abc import Iterator

from epiluma.imaging.formats.claims import DAMAGED, MAX_PARTS, RARE, Container, PhotoError, exif_orientation

HAS_ICC, HAS_ALPHA, HAS_EXIF, HAS_XMP = 0x20, 0x10, 0x08, 0x04
CANVAS, FRAME = b"VP8X", b"ANMF"
_STILL = {b"VP8 ", b"VP8L", b"ALPH"}


def read(data: bytes) -> Container:
    """The claims of a WebP; of an animation only the first frame is handed on. Raises PhotoError."""
    kept: list[bytes | memoryview] = []
    size, exif, frames = (0, 0), b"", 0
    for position, (name, payload) in enumerate(chunks(data)):
        if position == 0:  # the decoder makes room for what this one says
            size = _size(name, bytes(payload[:10]))
        frames += name == FRAME
        if name == CANVAS:
            kept += (chunk_of(name, bytes([payload[0] & ~(HAS_ICC | HAS_EXIF | HAS_XMP)]) + bytes(payload[1:])),)
        elif name in _STILL or name == b"ANIM" or (name == FRAME and frames == 1):
            kept += struct.pack("<4sI", name, len(payload)), payload, bytes(len(payload) % 2)
        elif name == b"EXIF" and not exif:
            exif = bytes(payload).removeprefix(b"Exif\0\0")
    length = 4 + sum(map(len, kept))
    rewritten = b"".join([struct.pack("<4sI4s", b"RIFF", length, b"WEBP"), *kept])
    return Container("WEBP", *size, 32, exif_orientation(exif), rewritten, exif=exif)


def chunks(data: bytes) -> Iterator[tuple[bytes, memoryview]]:
    """(name, payload) of each chunk. Raises PhotoError."""
    view, position = memoryview(data), 12
    end_of_file = 8 + int.from_bytes(data[4:8], "little")
    if end_of_file > len(data):
        raise PhotoError(DAMAGED)
    for _ in range(MAX_PARTS):
        if position + 8 > end_of_file:
            return
        name, length = struct.unpack_from("<4sI", data, position)
        start, end = position + 8, position + 8 + length
        if end > end_of_file:
            raise PhotoError(DAMAGED)
        yield name, view[start:end]
        position = end + length % 2  # chunks are padded to an even size
    raise PhotoError(RARE)


def chunk_of(name: bytes, payload: bytes) -> bytes:
    """A chunk with its length, padded."""
    return name + struct.pack("<I", len(payload)) + payload + bytes(len(payload) % 2)


def _size(name: bytes, payload: bytes) -> tuple[int, int]:
    """Width and height that the first chunk states."""
    if len(payload) < (5 if name == b"VP8L" else 10):
        raise PhotoError(DAMAGED)
    if name == CANVAS:
        return int.from_bytes(payload[4:7], "little") + 1, int.from_bytes(payload[7:10], "little") + 1
    if name == b"VP8 ":
        width, height = struct.unpack_from("<HH", payload, 6)
        return width & 0x3FFF, height & 0x3FFF
    if name == b"VP8L":
        (packed,) = struct.unpack_from("<I", payload, 1)
        return (packed & 0x3FFF) + 1, (packed >> 14 & 0x3FFF) + 1
    raise PhotoError(DAMAGED)
