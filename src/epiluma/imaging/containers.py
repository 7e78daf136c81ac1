"""What a photo file claims to be, read from its container before any pixel is decoded.

Decoders trust containers: a few bytes can make them allocate gigabytes, loop for minutes or follow pointers in
circles. Each reader (`imaging.formats`) walks its container once, within fixed bounds, and hands on a copy with only
the parts that hold the picture, so that no metadata parser ever runs. Only the first bytes say which format a file
is: what else it may be, and what follows the picture's end, is never looked at.
"""

from __future__ import annotations

import struct
from collections.abc import Callable

from epiluma.imaging.formats import bmp, jpeg, png, tiff, webp
from epiluma.imaging.formats.claims import (
    DAMAGED,
    MAX_PARTS,
    RARE,
    UNKNOWN,
    Container,
    PhotoError,
    exif_orientation,
)

__all__ = ["DAMAGED", "MAX_PARTS", "RARE", "UNKNOWN", "Container", "PhotoError", "exif_orientation", "read_container"]


def read_container(data: bytes) -> Container:
    """Walk the container. Raises PhotoError when it is none of the five formats, damaged, or stored in a rare way."""
    for accepts, reader in _READERS:
        if accepts(data):
            try:
                found = reader(data)
            except (struct.error, IndexError) as error:  # a header that ends early
                raise PhotoError(DAMAGED) from error
            if found.width < 1 or found.height < 1:
                raise PhotoError(DAMAGED)
            return found
    if data[4:8] == b"ftyp":
        raise PhotoError("HEIC, AVIF and video files cannot be read. Save the photo as JPEG.")
    raise PhotoError(UNKNOWN)


_READERS: tuple[tuple[Callable[[bytes], bool], Callable[[bytes], Container]], ...] = (
    (lambda data: data.startswith(b"\xff\xd8\xff"), jpeg.read),
    (lambda data: data.startswith(png.SIGNATURE), png.read),
    (lambda data: data.startswith(b"RIFF") and data[8:12] == b"WEBP", webp.read),
    (lambda data: data.startswith(b"BM"), bmp.read),
    (lambda data: data.startswith((b"II*\0", b"MM\0*")), tiff.read),
)
