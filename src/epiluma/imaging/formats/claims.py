"""What every reader of a format hands on, and what it says of a file that it refuses."""

from __future__ import annotations

import struct
from dataclasses import dataclass

from epiluma.errors import EpilumaError

MAX_PARTS = 20_000
"""Segments or chunks of one file; a 64 MB PNG in the customary 8 kB chunks has 8,000."""
MAX_PROFILE = 4_000_000
"""Bytes of a colour profile; those of printing presses, the largest, have 2 to 3 million."""

DAMAGED = "The photo is cut off or damaged. Copy or send it again."
UNKNOWN = "This is not a photo that can be read. Use JPEG, PNG, WebP, BMP or TIFF."
RARE = "The photo is stored in a rare way that cannot be read. Save it again as an ordinary JPEG or PNG."

_SHORT, _ORIENTATION = 3, 0x0112


class PhotoError(EpilumaError):
    """A file that cannot be screened; `reason` is one or two plain sentences, without the file's name."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True)
class Container:
    """The claims of a file, and the file without its metadata."""

    format: str
    """Pillow's name: JPEG, PNG, WEBP, BMP or TIFF."""
    width: int
    """Pixels as stored, before orientation."""
    height: int
    bits: int
    """Per pixel, uncompressed."""
    orientation: int
    """EXIF orientation, 1 to 8; 1 is upright."""
    data: bytes
    scans: int = 1
    """Passes over the whole picture (JPEG)."""
    exif: bytes = b""
    """What the camera wrote, a TIFF structure; empty where there is none."""
    buffered: bool = False
    """Whether all coefficients must be in memory before the first pixel (JPEG: progressive, or a scan per colour)."""


def exif_orientation(exif: bytes) -> int:
    """Orientation in the first list of a TIFF structure (EXIF 2.32, section 4.6.4), 1 when it says nothing sensible.

    Follows no other pointer, so a block that points at itself costs nothing.
    """
    order = {b"II": "<", b"MM": ">"}.get(exif[:2])
    if order is None:
        return 1
    try:
        (start,) = struct.unpack_from(f"{order}I", exif, 4)
        (count,) = struct.unpack_from(f"{order}H", exif, start)
        for i in range(count):
            tag, kind, _, value = struct.unpack_from(f"{order}HHIH", exif, start + 2 + 12 * i)
            if tag == _ORIENTATION and kind == _SHORT:
                return value if 1 <= value <= 8 else 1
    except struct.error:
        pass
    return 1
