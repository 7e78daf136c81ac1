"""Sizes of one piece of mask, in its own pixels: area, perimeter, hull, diameters, axes.

A pixel is a square of side 1 around its centre. The outline runs through the middles between a pixel of the lesion and
one beside it (as in marching squares at level 0.5), which is right on average for edges in any direction.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from epiluma.imaging.measure.pieces import Mask, filled

Points = npt.NDArray[np.float64]
"""(n, 2): column, row."""

STEPS = ((1, 0), (2, 1), (1, 1), (1, 2), (0, 1), (-1, 2), (-1, 1), (-2, 1))
"""Directions along which crossings of the outline are counted: columns and rows to the next pixel."""


@dataclass(frozen=True)
class Shape:
    """All lengths in pixels of the mask, all areas in their squares."""

    area: int
    """Pixels of the lesion, holes filled."""
    perimeter: float
    hull_area: float
    outline_area: float
    """What the outline through the middles encloses; comparable with `hull_area`, unlike `area`."""
    feret: tuple[float, float]
    """Largest and smallest distance of two parallel lines that hold the lesion between them."""
    centroid: tuple[float, float]
    """Column and row; the middle of the first pixel is (0, 0)."""
    angle: float
    """Direction of the longer principal axis, radians from the columns' direction towards the rows', -pi/2 to pi/2."""
    deviations: tuple[float, float]
    """Standard deviation of the pixels along the longer and the shorter principal axis."""
    radii: npt.NDArray[np.float64]
    """Distances of the outline's points from the centroid, (n,)."""


def shape_of(mask: Mask) -> tuple[Shape, Mask]:
    """(figures of one piece, the piece with its holes filled); the mask is not empty and hangs together."""
    padded = np.pad(mask, 2)
    quads = _quads(padded)
    if quads.corners != 4:
        mask = filled(mask)
        padded = np.pad(mask, 2)
        quads = _quads(padded)
    area = int(np.count_nonzero(mask))
    centroid, angle, deviations = _moments(mask, area)
    points = _outline(padded)
    hull = _hull(points)
    shape = Shape(
        area=area,
        perimeter=_perimeter(padded),
        hull_area=_polygon_area(hull),
        # The whole pixels less the corners that the outline cuts off, an eighth of a pixel each, and those it adds.
        outline_area=area - quads.corners / 8,
        feret=_feret(hull),
        centroid=centroid,
        angle=angle,
        deviations=deviations,
        radii=np.hypot(*(points - centroid).T),
    )
    return shape, mask


@dataclass(frozen=True)
class _Quads:
    """How many windows of 2 x 2 pixels hold one pixel of the lesion, three, and two at opposite corners."""

    one: int
    three: int
    diagonal: int

    @property
    def corners(self) -> int:
        """Convex less concave: four times the Euler number, so 4 for a piece without holes (Gray 1971)."""
        return self.one - self.three - 2 * self.diagonal


def _quads(padded: Mask) -> _Quads:
    pixels = padded.view(np.uint8)
    pairs = pixels[:, 1:] + pixels[:, :-1]
    total = pairs[1:] + pairs[:-1]
    diagonal = (pairs[1:] == 1) & (pairs[:-1] == 1) & (pixels[1:, 1:] == pixels[:-1, :-1])
    return _Quads(*(int(np.count_nonzero(found)) for found in (total == 1, total == 3, diagonal)))


def _perimeter(padded: Mask) -> float:
    """The length of the edge by counting how often lines in eight directions cross it (Cauchy and Crofton).

    Boykov and Kolmogorov 2003, doi:10.1109/ICCV.2003.1238310, section 3: each direction counts by the angle that it
    stands for and by the distance of its lines.
    """
    height, width = padded.shape
    total = 0.0
    for (right, down), weight in zip(STEPS, _WEIGHTS, strict=True):
        here = padded[: height - down, max(0, -right) : width - max(0, right)]
        there = padded[down:, max(0, right) : width - max(0, -right)]
        total += weight * np.count_nonzero(here != there)
    return float(total)


def _weights() -> list[float]:
    angles = [math.atan2(down, right) for right, down in STEPS]
    following = [*angles[1:], angles[0] + math.pi]
    preceding = [angles[-1] - math.pi, *angles[:-1]]
    return [
        (after - before) / 4 / math.hypot(*step)
        for step, before, after in zip(STEPS, preceding, following, strict=True)
    ]


_WEIGHTS = _weights()


def _moments(mask: Mask, area: int) -> tuple[tuple[float, float], float, tuple[float, float]]:
    """Centroid, direction of the longer axis, standard deviations along both. The sums are whole numbers, exact."""
    height, width = mask.shape
    pixels = mask.astype(np.float32)
    x, y = np.arange(width, dtype=np.float64), np.arange(height, dtype=np.float64)
    by_column = (np.ones(height, np.float32) @ pixels).astype(np.float64)
    by_row = pixels @ np.stack([np.ones(width, np.float32), x.astype(np.float32)], axis=1)
    in_row, x_in_row = by_row.astype(np.float64).T
    sx, sy = x @ by_column, y @ in_row
    xx = area * ((x * x) @ by_column) - sx * sx
    yy = area * ((y * y) @ in_row) - sy * sy
    xy = area * (y @ x_in_row) - sx * sy
    middle, spread = (xx + yy) / 2, math.hypot((xx - yy) / 2, xy)
    # A pixel has an extent of its own: the variance of a square of side 1 is 1/12 each way.
    longer, shorter = (math.sqrt(max(value, 0) / area**2 + 1 / 12) for value in (middle + spread, middle - spread))
    return (float(sx / area), float(sy / area)), 0.5 * math.atan2(2 * xy, xx - yy), (longer, shorter)


def _outline(padded: Mask) -> Points:
    """(n, 2) the middles between each pixel of the lesion and each beside it that is none."""
    rows, columns = np.nonzero(padded[:, 1:] != padded[:, :-1])
    across = np.stack([columns + 0.5, rows], axis=1)
    rows, columns = np.nonzero(padded[1:] != padded[:-1])
    down = np.stack([columns, rows + 0.5], axis=1)
    return np.concatenate([across, down]) - 2  # without the padding


def _hull(points: Points) -> Points:
    """The corners of the convex hull, in turn. What a straight line between its neighbours passes is no corner."""
    level = np.asarray(2 * (points[:, 1] - points[:, 1].min()), np.intp)
    height = np.arange(level.max() + 1) / 2 + points[:, 1].min()
    right, left = np.full(len(height), -np.inf), np.full(len(height), np.inf)
    np.maximum.at(right, level, points[:, 0])
    np.minimum.at(left, level, points[:, 0])
    seen = np.isfinite(right)
    sides = [np.stack([side[seen], height[seen]], axis=1) for side in (right, left)]
    return np.concatenate([_bulging(sides[0], 1), _bulging(sides[1], -1)[::-1]])


def _bulging(chain: Points, sign: int) -> Points:
    while len(chain) > 2:
        before, here, after = chain[:-2], chain[1:-1], chain[2:]
        ahead, behind = after - here, here - before
        keep = np.ones(len(chain), bool)
        keep[1:-1] = sign * (behind[:, 0] * ahead[:, 1] - behind[:, 1] * ahead[:, 0]) > 0
        if keep.all():
            break
        chain = chain[keep]
    return chain


def _polygon_area(corners: Points) -> float:
    x, y = corners.T
    return float(abs(x @ np.roll(y, -1) - y @ np.roll(x, -1)) / 2)


def _feret(hull: Points) -> tuple[float, float]:
    """Largest distance of two corners, and smallest width: one of its lines lies along a side (Shamos 1978)."""
    between = hull[:, None] - hull
    largest = math.sqrt(float((between**2).sum(axis=2).max()))
    sides = np.roll(hull, -1, axis=0) - hull
    sides = sides[(sides != 0).any(axis=1)]
    normals = np.stack([-sides[:, 1], sides[:, 0]], axis=1) / np.hypot(*sides.T)[:, None]
    reach = hull @ normals.T
    return largest, float((reach.max(axis=0) - reach.min(axis=0)).min())
