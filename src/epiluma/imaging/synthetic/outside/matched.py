"""One size and one JPEG quality for photos and drawings, so that neither tells them apart."""

from __future__ import annotations

import io

import numpy as np
import numpy.typing as npt
from PIL import Image

from epiluma.imaging.preprocess import to_square

SIDE = 256
"""Pixels a side."""
QUALITY = 75
"""Of JPEG as libjpeg counts it, with halved colour resolution: what HAM10000 at 256 pixels is published with here."""


def as_file(picture: npt.NDArray[np.uint8] | Image.Image, *, side: int = SIDE, quality: int = QUALITY) -> bytes:
    """A JPEG of the centred square of an RGB picture (H, W, 3), at `side` pixels."""
    image = picture if isinstance(picture, Image.Image) else Image.fromarray(picture)
    buffer = io.BytesIO()
    Image.fromarray(to_square(image, side)).save(buffer, "JPEG", quality=quality, subsampling="4:2:0")
    return buffer.getvalue()
