"""The one form that every annotation format is read into and written from: an image's regions, a small mask each.

A mask is exact in every format that can say it at all; polygons are not. So regions are masks, cut to their box, and
each format draws its polygons from them. Regions may overlap and may have holes and several parts.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from epiluma.datasets.record import DataError, Omitted

Mask = npt.NDArray[np.bool_]

MAX_PIXELS = 64_000_000
"""Of an image, as an annotation claims it."""
MAX_SIDE = 32_767
MAX_POINTS = 2_000_000
"""Points of a polygon, or runs of a run-length code."""
MAX_REGIONS = 10_000
"""Per image."""
MAX_AREA = 512_000_000
"""Pixels of all boxes of one image's regions together, a byte each."""


@dataclass(frozen=True, eq=False)
class Region:
    """One thing in an image."""

    label: str
    left: int
    top: int
    """Pixels, of the mask's first column and row in the image."""
    mask: Mask
    """(h, w), touching all four sides of its box: at least one pixel."""

    @property
    def box(self) -> tuple[slice, slice]:
        """Rows and columns of the image that the mask covers."""
        height, width = self.mask.shape
        return slice(self.top, self.top + height), slice(self.left, self.left + width)


@dataclass(frozen=True)
class Annotation:
    """All regions of one image, the later ones on top."""

    where: str
    """The file, and the place in it, that it was read from; for messages."""
    image: str
    """File name, with `/` between folders; PNG masks may not know its suffix."""
    width: int
    height: int
    regions: tuple[Region, ...]
    omitted: tuple[Omitted, ...] = ()
    """Shapes of the file that cover no pixel: points, lines, tags, what lies outside the image."""


def region_of(label: str, mask: npt.NDArray[np.generic], *, left: int = 0, top: int = 0) -> Region | None:
    """The region that is not zero in `mask` (h, w), whose first pixel is at (left, top); None when there is none."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if not len(rows):
        return None
    cut = mask[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    return Region(label, left + int(columns[0]), top + int(rows[0]), np.ascontiguousarray(cut != 0))


def full_mask(region: Region, width: int, height: int) -> Mask:
    """(height, width), the region in its image."""
    mask = np.zeros((height, width), bool)
    mask[region.box] = region.mask
    return mask


def union(regions: list[Region]) -> Region:
    """One region of the pixels of all, with the first one's label."""
    if len(regions) == 1:
        return regions[0]
    left, top = min(r.left for r in regions), min(r.top for r in regions)
    right = max(r.left + r.mask.shape[1] for r in regions)
    bottom = max(r.top + r.mask.shape[0] for r in regions)
    mask = np.zeros((bottom - top, right - left), bool)
    for r in regions:
        mask[r.top - top : r.top - top + r.mask.shape[0], r.left - left : r.left - left + r.mask.shape[1]] |= r.mask
    return Region(regions[0].label, left, top, mask)


def check_size(width: int, height: int) -> None:
    """Raises DataError for an image that cannot be, or is too large to open safely."""
    if not (0 < width <= MAX_SIDE and 0 < height <= MAX_SIDE and width * height <= MAX_PIXELS):
        raise DataError(
            f"an image of {width} x {height} pixels; sides must be 1 to {MAX_SIDE:,} "
            f"and at most {MAX_PIXELS // 1_000_000} million pixels"
        )


def check_count(count: int, what: str) -> None:
    """Raises DataError for more points or runs than any honest outline has."""
    if count > MAX_POINTS:
        raise DataError(f"{count:,} {what}, more than {MAX_POINTS:,}")


def held(regions: Iterable[Region]) -> tuple[Region, ...]:
    """The regions of one image. Raises DataError as soon as they are too many or too large to hold."""
    result: list[Region] = []
    area = 0
    for region in regions:
        result.append(region)
        area += region.mask.size
        if len(result) > MAX_REGIONS:
            raise DataError(f"more than {MAX_REGIONS:,} regions in one image")
        if area > MAX_AREA:
            raise DataError(f"the regions of one image cover more than {MAX_AREA // 1_000_000} million pixels together")
    return tuple(result)
