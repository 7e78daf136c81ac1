"""The page's icons as PNG, drawn after the mark of the service: a ring with a lesion in it."""

from __future__ import annotations

import io

from PIL import Image, ImageDraw

_FINE = 4
"""Drawn that much larger, and reduced: Pillow draws without antialiasing."""


def icon(side: int) -> bytes:
    """A PNG of side x side pixels; its middle four fifths hold the mark, so that a phone may round the corners."""
    whole = side * _FINE
    picture = Image.new("RGB", (whole, whole), "#f7f5f1")
    pen = ImageDraw.Draw(picture)
    middle, ring, spot = whole / 2, 0.36 * whole, 0.17 * whole
    pen.ellipse((middle - ring, middle - ring, middle + ring, middle + ring), outline="#1b7f9e", width=whole // 13)
    pen.ellipse((middle - spot, middle - spot, middle + spot, middle + 0.9 * spot), fill="#b5654a")
    buffer = io.BytesIO()
    picture.resize((side, side), Image.Resampling.BOX).save(buffer, "PNG")
    return buffer.getvalue()
