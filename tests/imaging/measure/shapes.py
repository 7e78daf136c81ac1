"""Shapes whose figures are known, drawn in the middle of a photo."""

from __future__ import annotations

import math

import numpy as np

SKIN = (198, 157, 134)
"""L*, a*, b* about (68, 13, 17): light skin."""
BROWN = (120, 76, 46)


def grid(height: int = 225, width: int = 300) -> tuple[np.ndarray, np.ndarray]:
    """Columns and rows from the middle of a photo."""
    y, x = np.mgrid[:height, :width]
    return x + 0.5 - width / 2, y + 0.5 - height / 2


def ellipse(a: float, b: float, degrees: float = 0.0, **size: int) -> np.ndarray:
    x, y = turned(degrees, **size)
    return (x / a) ** 2 + (y / b) ** 2 <= 1


def disc(radius: float, **size: int) -> np.ndarray:
    return ellipse(radius, radius, **size)


def rectangle(a: float, b: float, degrees: float = 0.0, **size: int) -> np.ndarray:
    """Sides 2 a and 2 b."""
    x, y = turned(degrees, **size)
    return (abs(x) <= a) & (abs(y) <= b)


def turned(degrees: float, **size: int) -> tuple[np.ndarray, np.ndarray]:
    x, y = grid(**size)
    cosine, sine = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    return x * cosine + y * sine, y * cosine - x * sine


def photo(mask: np.ndarray, lesion: tuple[int, ...] = BROWN, skin: tuple[int, ...] = SKIN) -> np.ndarray:
    """(H, W, 3) with one colour for the lesion and one for the skin."""
    return np.where(mask[..., None], np.array(lesion, np.uint8), np.array(skin, np.uint8))
