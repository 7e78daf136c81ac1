"""From an upright RGB photo to the network's input; the same code serves training, evaluation and runtime."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from PIL import Image

_RESAMPLING = {"bilinear": Image.Resampling.BILINEAR, "bicubic": Image.Resampling.BICUBIC}


def to_square(photo: Image.Image, size: int, interpolation: str = "bilinear") -> npt.NDArray[np.uint8]:
    """The largest centred square of an RGB photo, resized with antialiasing to (size, size, 3) uint8.

    The same region as "shorter side to `size`, then centre crop", in one resampling step.
    """
    side = min(photo.size)
    left, top = (photo.width - side) / 2, (photo.height - side) / 2
    box = (left, top, left + side, top + side)
    return np.asarray(photo.resize((size, size), _RESAMPLING[interpolation], box=box))


def resize_squares(squares: npt.NDArray[np.uint8], size: int) -> npt.NDArray[np.uint8]:
    """(n, H, H, 3) -> (n, size, size, 3) uint8, each by `to_square`."""
    if squares.shape[1] == size:
        return squares
    return np.stack([to_square(Image.fromarray(square), size) for square in squares])


def normalise(
    squares: npt.NDArray[np.uint8], *, mean: tuple[float, float, float], std: tuple[float, float, float]
) -> npt.NDArray[np.float32]:
    """(n, S, S, 3) uint8 -> (n, 3, S, S) float32: values to [0, 1], minus mean, over standard deviation."""
    offset, spread = np.asarray(mean, np.float32), np.asarray(std, np.float32)
    scale, shift = 1 / (255 * spread), -offset / spread
    channels_first = np.ascontiguousarray(squares.transpose(0, 3, 1, 2), dtype=np.float32)
    result: npt.NDArray[np.float32] = channels_first * scale[:, None, None] + shift[:, None, None]
    return result
