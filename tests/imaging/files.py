"""Photo files for the tests of reading them: ordinary ones, and large ones for little work."""

from __future__ import annotations

import io
import re
import struct
import zlib

import numpy as np
from PIL import Image

SIZE = (90, 60)
SIDEWAYS = Image.Exif()
SIDEWAYS[0x0112] = 6


def picture(size: tuple[int, int] = SIZE) -> Image.Image:
    """Smooth colours, different in every corner, so that a wrong turn or channel shows."""
    x, y = np.meshgrid(np.linspace(0, 1, size[0]), np.linspace(0, 1, size[1]))
    return Image.fromarray((np.stack([x, y, 1 - (x + y) / 2], axis=2) * 255).astype(np.uint8))


def encoded(image: Image.Image, file_format: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, file_format, **options)
    return buffer.getvalue()


def chunk(name: bytes, payload: bytes) -> bytes:
    return struct.pack(">I", len(payload)) + name + payload + struct.pack(">I", zlib.crc32(name + payload))


def png(width: int, height: int, *, depth: int = 8, colour: int = 2, extra: bytes = b"", interlaced: int = 0) -> bytes:
    """A grey PNG of any size for little work: one row is compressed, and its block repeated."""
    bits = depth * {0: 1, 2: 3, 6: 4}[colour]
    packed, check = [b"\x78\x01"], 1
    for x, y, step_x, step_y in _ADAM7 if interlaced else ((0, 0, 1, 1),):
        row, rows = b"\0" + b"\x80" * -(-(-(-(width - x) // step_x) * bits) // 8), -(-(height - y) // step_y)
        packer = zlib.compressobj(1, zlib.DEFLATED, -15)
        packed.append((packer.compress(row) + packer.flush(zlib.Z_FULL_FLUSH)) * rows)
        for _ in range(rows):
            check = zlib.adler32(row, check)
    data = b"".join([*packed, b"\x03\0", struct.pack(">I", check)])
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, interlaced)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + extra + chunk(b"IDAT", data) + chunk(b"IEND", b"")


_ADAM7 = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))
"""First column and row of each pass of an interlaced PNG, and its steps."""


def many_scans(size: tuple[int, int], scan: int, copies: int) -> bytes:
    """A progressive JPEG whose scan number `scan` comes again and again."""
    data = encoded(Image.new("RGB", size, "grey"), "JPEG", progressive=True, subsampling=0)
    starts = [found.start() for found in re.finditer(rb"\xff\xda", data)] + [len(data) - 2]
    return data[: starts[scan]] + data[starts[scan] : starts[scan + 1]] * copies + b"\xff\xd9"
