"""PNG (ISO/IEC 15948): a signature and chunks, each with its length, name and checksum."""

from __future__ import annotations

import struct
from collections.abc import Iterator

from epiluma.imaging.formats.claims import DAMAGED, MAX_PARTS, RARE, Container, PhotoError, exif_orientation

SIGNATURE = b"\x89PNG\r\n\x1a\n"
_PICTURE = {b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND"}
_MOST = {b"IHDR": 13, b"PLTE": 3 * 256, b"tRNS": 256, b"IEND": 0}
"""Bytes of the chunks that may come once."""
_CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}


def read(data: bytes) -> Container:
    """The claims of a PNG; of an animated one, of its still picture. Raises PhotoError."""
    kept, exif, seen = [memoryview(SIGNATURE)], b"", set[bytes]()
    width, height, depth, colour = struct.unpack_from(">IIBB", data, 16)
    for name, chunk in chunks(data):
        if (name == b"IHDR") != (not seen):
            raise PhotoError(DAMAGED)
        if name in _MOST and (name in seen or len(chunk) - 12 > _MOST[name]):
            raise PhotoError(DAMAGED)
        seen.add(name)
        if name in _PICTURE:
            kept.append(chunk)
        elif name == b"eXIf":
            exif = bytes(chunk[8:-4])
    bits = depth * _CHANNELS.get(colour, 4)
    return Container("PNG", width, height, bits, exif_orientation(exif), b"".join(kept), exif=exif)


def chunks(data: bytes) -> Iterator[tuple[bytes, memoryview]]:
    """(name, whole chunk) up to and including IEND. Raises PhotoError."""
    view, position = memoryview(data), len(SIGNATURE)
    for _ in range(MAX_PARTS):
        length, name = struct.unpack_from(">I4s", data, position)
        start, position = position, position + 12 + length
        if position > len(data):
            raise PhotoError(DAMAGED)
        yield name, view[start:position]
        if name == b"IEND":
            return
    raise PhotoError(RARE)
