"""From an upright RGB photo to the network's input; the same code serves training, evaluation and runtime."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from PIL import Image

_RESAMPLING = {"bilinear": Image.Resampling.BILINEAR, "bicubic": Image.Resampling.BICUBIC}

SPECKS = 0.005
"""Share of a mask's pixels beyond each of its four bounds: a few stray ones far from the lesion do not move them."""


class Box(NamedTuple):
    """A square of a photo, in pixels."""

    left: float
    top: float
    side: float

    @property
    def corners(self) -> tuple[float, float, float, float]:
        """Left, top, right, bottom, as Pillow has them."""
        return self.left, self.top, self.left + self.side, self.top + self.side


def centred_box(width: int, height: int) -> Box:
    """The largest centred square of a photo."""
    side = min(width, height)
    return Box((width - side) / 2, (height - side) / 2, side)


def lesion_box(mask: npt.NDArray[np.bool_], *, margin: float, least: float) -> Box:
    """The square around what a mask (height, width) marks, as far as the photo reaches; centred when it marks nothing.

    On each side `margin` of the lesion's longer extent is added. The side is at least `least` of the photo's shorter
    side, and never longer than that one; the square is moved to lie within the photo.
    """
    height, width = mask.shape
    total = int(np.count_nonzero(mask))
    if not total:
        return centred_box(width, height)
    (left, right), (top, bottom) = (_bounds(mask, axis, total) for axis in (0, 1))
    side = max(right - left, bottom - top) * (1 + 2 * margin)
    shorter = min(width, height)
    side = max(least * shorter, min(side, shorter))
    return Box(
        min(max((left + right - side) / 2, 0.0), width - side),
        min(max((top + bottom - side) / 2, 0.0), height - side),
        side,
    )


def _bounds(mask: npt.NDArray[np.bool_], axis: int, total: int) -> tuple[float, float]:
    """First and one past the last column (axis 0) or row (axis 1) of a mask of `total` pixels, without specks."""
    reached = np.cumsum(np.count_nonzero(mask, axis=axis))
    first, last = np.searchsorted(reached, (SPECKS * total, (1 - SPECKS) * total))
    return float(first), float(last + 1)


def to_square(
    photo: Image.Image, size: int, interpolation: str = "bilinear", box: Box | None = None
) -> npt.NDArray[np.uint8]:
    """A square of an RGB photo, the largest centred one unless said, resized with antialiasing to (size, size, 3).

    Of a grey photo, (size, size). The centred one is the same region as "shorter side to `size`, then centre crop", in
    one resampling step.
    """
    shown = box or centred_box(*photo.size)
    return np.asarray(photo.resize((size, size), _RESAMPLING[interpolation], box=shown.corners))


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
    result: npt.NDArray[np.float32] = squares.transpose(0, 3, 1, 2).astype(np.float32, order="C")
    result *= scale[:, None, None]  # in place: the same values as of one expression, without two more copies
    result += shift[:, None, None]
    return result
