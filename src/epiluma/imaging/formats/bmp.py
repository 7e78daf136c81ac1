"""BMP: a header, perhaps a palette, and the rows, uncompressed."""

from __future__ import annotations

import struct

from epiluma.imaging.formats.claims import DAMAGED, RARE, Container, PhotoError

_PLAIN = {0, 3, 6}
"""Uncompressed, with or without bit masks. Pillow unpacks the run-length kinds in Python, at 1 MB/s."""
_CORE = 12
"""Bytes of the oldest header, which has 16-bit sizes."""


def read(data: bytes) -> Container:
    """The claims of a BMP. Raises PhotoError."""
    (pixels, header) = struct.unpack_from("<II", data, 10)
    if header == _CORE:
        width, height, _, bits = struct.unpack_from("<HHHH", data, 18)
    else:
        width, height, _, bits, compression = struct.unpack_from("<iiHHI", data, 18)
        if compression not in _PLAIN:
            raise PhotoError(RARE)
    height = abs(height)  # negative means top row first
    row = (width * bits + 31) // 32 * 4
    if pixels + row * height > len(data):
        raise PhotoError(DAMAGED)
    return Container("BMP", width, height, bits, 1, data)
