"""What happens to a picture that is published twice."""

from __future__ import annotations

import io

import numpy as np
import numpy.typing as npt
from PIL import Image

Squares = npt.NDArray[np.uint8]


def symmetry(square: Squares, k: int) -> Squares:
    turned = np.rot90(square, k % 4)
    return turned if k < 4 else turned[:, ::-1]


def as_jpeg(square: Squares, quality: int) -> Squares:
    buffer = io.BytesIO()
    Image.fromarray(square).save(buffer, "JPEG", quality=quality)
    return np.asarray(Image.open(buffer))


def relit(square: Squares, *, gain: float = 1.0, offset: float = 0.0) -> Squares:
    return np.clip(square * gain + offset, 0, 255).astype(np.uint8)
