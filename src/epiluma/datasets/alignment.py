"""Lay one picture over another and say how well they agree: as a whole, and in fine detail.

Many pairs at a time: an affine map with a gain and an offset in brightness, by Gauss-Newton least squares
(Lucas and Kanade 1981). Positions are shares of the frame, (row, column) from -0.5 to 0.5, so that one map serves
at every resolution and frames that were squashed differently still fit.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]
Indices = npt.NDArray[np.int64]

_NOISE = 2.0
"""Grey levels of detail that compression leaves or takes."""
_BATCH = 1 << 16
"""Pixels worked on at a time: few enough for the processor's cache."""


class Agreement(NamedTuple):
    """How k pairs agree once aligned."""

    maps: Floats
    """(k, 2, 3) from positions in the fixed picture to positions in the moving one."""
    correlation: Floats
    """(k,) of the grey levels where both frames have content."""
    overlap: Floats
    """(k,) share of the fixed frame that lies in the moving one."""


def align(fixed: Floats, moving: Floats, start: Floats, *, steps: int) -> Agreement:
    """Improve the maps `start` (k, 2, 3) between pictures (k, S, S); every pair ends with its best step's map."""
    k, side = len(fixed), fixed.shape[1]
    batch = max(1, _BATCH // side**2)
    parts = [slice(i, i + batch) for i in range(0, k, batch)]
    done = [_align(fixed[part], moving[part], start[part], steps) for part in parts]
    if not done:
        return Agreement(start, np.empty(0, np.float32), np.empty(0, np.float32))
    return Agreement(*(np.concatenate(column) for column in zip(*done, strict=True)))


def correlation(fixed: Floats, moving: Floats, maps: Floats) -> Floats:
    """(k,) correlation of (k, S, S) pictures under given maps."""
    return align(fixed, moving, maps, steps=0).correlation


def detail(pictures: Floats, *, fine: float, coarse: float) -> Floats:
    """(k, S, S) what lies between two Gaussian blurs (standard deviations in pixels): texture, hairs, bubbles."""
    side = pictures.shape[1]
    narrow, wide = _blur(side, fine), _blur(side, coarse)
    between: Floats = (narrow @ pictures @ narrow.T - wide @ pictures @ wide.T).astype(np.float32)
    return between


def texture(pictures: Floats) -> Floats:
    """(k, S, S) the detail of grey levels, evened out: a hair on bare skin weighs as much as a lesion's edge."""
    fine = detail(pictures, fine=1.0, coarse=4.0)
    wide = _blur(pictures.shape[1], 6.0)
    even: Floats = (fine / np.sqrt(wide @ fine**2 @ wide.T + _NOISE**2)).astype(np.float32)
    return even


def halved(pictures: Floats) -> Floats:
    """(k, S, S) -> (k, S/2, S/2) means of 2 x 2 pixels."""
    half = pictures.shape[1] // 2
    means: Floats = pictures.reshape(-1, half, 2, half, 2).mean(axis=(2, 4), dtype=np.float32)
    return means


def through(rows: tuple[float, float], columns: tuple[float, float]) -> Floats:
    """(2, 3) the map of a whole frame onto the window rows x columns (shares from 0 to 1) of another."""
    (top, bottom), (left, right) = rows, columns
    return np.array(
        [[bottom - top, 0, (top + bottom - 1) / 2], [0, right - left, (left + right - 1) / 2]], dtype=np.float32
    )


def _align(fixed: Floats, moving: Floats, maps: Floats, steps: int) -> Agreement:
    side = fixed.shape[1]
    centres = ((np.arange(side) + 0.5) / side - 0.5).astype(np.float32)
    grid = np.stack([np.repeat(centres, side), np.tile(centres, side), np.ones(side**2, np.float32)])
    target, maps = fixed.reshape(len(fixed), -1), maps.copy()
    best = Agreement(maps.copy(), np.full(len(maps), -1, np.float32), np.zeros(len(maps), np.float32))
    for step in range(steps + 1):
        value, down, right, inside = _sample(moving, maps @ grid)
        agreed, overlap = _correlation(target, value, inside), inside.mean(axis=1)
        better = agreed > best.correlation
        best.maps[better], best.correlation[better], best.overlap[better] = (
            maps[better],
            agreed[better],
            overlap[better],
        )
        if step < steps:
            maps = maps + _improvement(target, value, (down, right), inside, grid)
    return best


def _sample(pictures: Floats, at: Floats) -> tuple[Floats, Floats, Floats, Floats]:
    """Values, slopes down and right (per frame), and whether inside (1 or 0), of (k, S, S) at (k, 2, p); bilinear."""
    k, side = len(pictures), pictures.shape[1]
    spot = (at + 0.5) * side - 0.5
    within = np.abs(at) <= 0.5
    inside: Floats = (within[:, 0] & within[:, 1]).astype(np.float32)
    corner = np.clip(np.floor(spot), 0, side - 2)
    y, x = np.moveaxis(np.clip(spot - corner, 0, 1), 1, 0)
    first = (corner[:, 0] * side + corner[:, 1]).astype(np.int64) + side**2 * np.arange(k)[:, None]
    flat = pictures.reshape(-1)
    a, b, c, d = (flat.take(first + step) for step in (0, 1, side, side + 1))
    top, bottom = a + x * (b - a), c + x * (d - c)
    value: Floats = top + y * (bottom - top)
    down: Floats = (bottom - top) * np.float32(side)
    right: Floats = ((1 - y) * (b - a) + y * (d - c)) * np.float32(side)
    return value, down, right, inside


def _improvement(target: Floats, value: Floats, slopes: tuple[Floats, Floats], inside: Floats, grid: Floats) -> Floats:
    """(k, 2, 3) to add to the maps: least squares of target = gain * moved picture + offset."""
    shifts = [slope * axis for slope in slopes for axis in grid]
    columns = np.stack([value, np.ones_like(value), *shifts], axis=1) * inside[:, None]  # (k, 8, p)
    normal = columns @ columns.transpose(0, 2, 1)
    size = np.maximum(np.einsum("kii->ki", normal), 1e-6)
    normal += 1e-4 * np.eye(8, dtype=np.float32) * size[:, None]  # flat content leaves the map as it is
    solved = np.linalg.solve(normal, columns @ target[:, :, None])[..., 0]
    gain = np.maximum(solved[:, :1], 0.3)  # at a poor fit the gain is near zero, and the step would be wild
    return np.clip(solved[:, 2:] / gain, -0.05, 0.05).reshape(-1, 2, 3).astype(np.float32)


def _correlation(one: Floats, other: Floats, weight: Floats) -> Floats:
    total = np.maximum(weight.sum(axis=1, keepdims=True), 1)
    one = (one - (one * weight).sum(axis=1, keepdims=True) / total) * weight
    other = (other - (other * weight).sum(axis=1, keepdims=True) / total) * weight
    size = np.sqrt((one**2).sum(axis=1) * (other**2).sum(axis=1))
    result: Floats = (one * other).sum(axis=1) / np.maximum(size, 1e-3)
    return result


def _blur(side: int, sigma: float) -> Floats:
    """(S, S) matrix of a Gaussian blur along one axis, renormalised at the ends."""
    apart = np.subtract.outer(np.arange(side), np.arange(side))
    weights = np.exp(-0.5 * (apart / sigma) ** 2)
    result: Floats = (weights / weights.sum(axis=1, keepdims=True)).astype(np.float32)
    return result
