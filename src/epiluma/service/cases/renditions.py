"""Small copies of photos for lists and the start page."""

from __future__ import annotations

import io

from PIL import ImageOps

from epiluma.imaging.decode import decode_photo

SIZE = (320, 240)
"""Pixels: twice what the pages show, for dense screens."""


def thumbnail(data: bytes) -> bytes:
    """A JPEG that fills `SIZE`, without metadata. Raises PhotoError."""
    small = ImageOps.fit(decode_photo(data, shorter_side=min(SIZE)).image, SIZE)
    buffer = io.BytesIO()
    small.save(buffer, "JPEG", quality=78, optimize=True)
    return buffer.getvalue()
