"""Between masks and polygons, in the two conventions there are; both ways back give the very same mask.

Pixel edges (COCO, CVAT): pixel (x, y) is the square from (x, y) to (x+1, y+1). The outline runs along the pixels'
edges, so its corners are whole numbers. Filled as pycocotools does it.

Pixel centres (LabelMe): pixel (x, y) is the point (x, y). The outline runs through the outermost pixels, which belong
to the region, as `cv2.findContours` gives it. Filled as LabelMe does it: each corner falls into the pixel it lies in,
and the line itself is part of the region. A hole is joined to the outline by a cut through the region.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw
from pycocotools import mask as coco_mask

from epiluma.datasets.annotations import runs
from epiluma.datasets.annotations.region import Mask, Region, check_count, region_of
from epiluma.datasets.record import DataError

Points = npt.NDArray[np.float64]
"""(n, 2): x to the right, y down, pixels."""
Pixels = npt.NDArray[np.intp]
"""(n, 2): columns and rows."""

MAX_COORDINATE = 100_000
"""Pixels from the image's corner: further out is a mistake."""
MAX_CORNERS = 50_000
"""Of the polygons that are written for one region; past that a run-length code is the shorter."""
MAX_PERIMETER = 2_000_000
"""Pixels; pycocotools needs some 100 bytes for each."""
_FINE = 5
"""Steps of a pixel to which pycocotools rounds corners (`scale` in its maskApi.c)."""


def points_of(flat: list[float] | list[list[float]], *, least: int) -> Points:
    """(n, 2) of `[x, y, x, y, ...]` or `[[x, y], ...]`. Raises DataError for what is no polygon."""
    check_count(len(flat), "numbers in a polygon")
    try:
        points = np.asarray(flat, np.float64)
        points = points.reshape(-1, 2) if points.ndim == 1 else points
    except ValueError:  # an odd count, or points of different lengths
        points = np.empty((0, 0))
    if points.shape[1] != 2:
        raise DataError("a polygon whose points are no pairs of x and y")
    if len(points) < least:
        raise DataError(f"a polygon of {len(points)} points; it needs {least}")
    if not (np.abs(points) <= MAX_COORDINATE).all():  # False for NaN too
        raise DataError(f"a coordinate that is no number or further out than {MAX_COORDINATE:,} pixels")
    return points


# --- pixel edges ------------------------------------------------------------------------------------------------------


def edge_polygons(region: Region) -> list[Points] | None:
    """Closed outlines along the pixels' edges, in image coordinates: one per part, none crossing itself.

    None when polygons cannot say the region, because it has a hole, or only at a length that nobody wants. Pixels
    that touch at a corner only are parts of their own.
    """
    corners, across, down = _corners(np.pad(region.mask, 1))
    if len(corners) > MAX_CORNERS:
        return None
    height, width = region.mask.shape
    polygons = []
    for loop in _loops(across.tolist(), down.tolist()):
        # The loop's first corner in reading order: an outline has the region right below it, a hole has not.
        x, y = corners[loop[0]]
        if x >= width or y >= height or not region.mask[y, x]:
            return None
        polygons.append((corners[loop] + np.array([region.left, region.top])).astype(np.float64))
    return polygons


def _corners(padded: Mask) -> tuple[Pixels, npt.NDArray[np.intp], npt.NDArray[np.intp]]:
    """Corners (n, 2) of the outlines as x and y in reading order; for each, the other end of its two edges.

    On every grid line the corners pair up as the ends of edges. A corner where two pixels touch counts twice.
    """
    quad = np.stack([padded[:-1, :-1], padded[:-1, 1:], padded[1:, :-1], padded[1:, 1:]])
    count = quad.sum(axis=0, dtype=np.uint8)
    saddle = (count == 2) & (quad[0] == quad[3])
    y, x = np.nonzero((count == 1) | (count == 3) | saddle)
    twice = np.where(saddle[y, x], 2, 1)
    y, x = np.repeat(y, twice), np.repeat(x, twice)
    across = np.arange(len(x)) ^ 1  # neighbours in reading order are the two ends of an edge along the row
    columns = np.lexsort((y, x))  # stable: the two copies of a saddle keep their order
    down = np.empty(len(x), np.intp)
    down[columns] = columns[across]
    # The first copy of a saddle ends the edge from the left and the edge from above, which belong to the upper left
    # pixel. Where the other two pixels are filled, the copies change places for the edges up and down.
    first = np.flatnonzero(saddle[y, x] & ~quad[0][y, x])[::2]
    swap = np.arange(len(x))
    swap[first], swap[first + 1] = first + 1, first
    return np.stack([x, y], axis=1), across, swap[down[swap]]


def _loops(across: list[int], down: list[int]) -> Iterator[list[int]]:
    """Closed walks by turns along an edge across and an edge down, each from its first corner."""
    seen = bytearray(len(across))
    for start in range(len(across)):
        loop: list[int] = []
        at = start
        while not seen[at]:
            other = across[at]
            loop += [at, other]
            seen[at] = seen[other] = 1
            at = down[other]
        if loop:
            yield loop


def fill_edges(label: str, polygons: list[Points], width: int, height: int) -> Region | None:
    """The region inside any of the polygons, as pycocotools fills them; None when that is no pixel.

    Raises DataError for an outline too long to fill.
    """
    everything = np.concatenate(polygons)
    for polygon in polygons:
        steps = np.abs(np.diff(polygon, axis=0, append=polygon[:1])).max(axis=1)
        if steps.sum() > MAX_PERIMETER:
            raise DataError(f"a polygon whose outline is longer than {MAX_PERIMETER:,} pixels")
    # The box alone is filled, so that small regions of large images stay cheap. A shift by whole pixels changes nothing
    # once the corners lie on the grid to which pycocotools rounds them; before, it may change how they round.
    left, top = (max(0, math.floor(low)) for low in everything.min(axis=0))
    right, bottom = (math.ceil(high) + 1 for high in everything.max(axis=0))
    box = min(height, bottom) - top, min(width, right) - left
    if min(box) <= 0:
        return None
    shift = np.array([left, top])
    shifted = [np.where(shift > 0, np.trunc(_FINE * p + 0.5) / _FINE - shift, p) for p in polygons]
    codes = coco_mask.frPyObjects([p.ravel().tolist() for p in shifted], *box)
    filled = runs.unpack(coco_mask.merge(codes)["counts"].decode("ascii"))
    return region_of(label, runs.mask_of(filled, *box, by_column=True), left=left, top=top)


# --- pixel centres ----------------------------------------------------------------------------------------------------


def fill_centres(label: str, points: Points, width: int, height: int, shape: str = "polygon") -> Region | None:
    """The region that LabelMe draws (Pillow's fill and outline); None when that is no pixel of the image.

    `shape` is `polygon`, or `rectangle` or `circle`, of two points: opposite corners; centre and a point on the rim.
    """
    if shape == "rectangle":
        points = np.stack([points.min(axis=0), points.max(axis=0)])
    elif shape == "circle":
        radius = math.dist(points[0], points[1])
        points = np.stack([points[0] - radius, points[0] + radius])
    whole = np.trunc(points).astype(np.intp)  # as Pillow does: the pixel that the point lies in
    left, top = np.maximum(whole.min(axis=0), 0).tolist()
    right, bottom = np.minimum(whole.max(axis=0) + 1, [width, height]).tolist()
    if right <= left or bottom <= top:
        return None
    canvas = Image.new("L", (right, bottom))  # not the box alone: Pillow's slopes round differently when shifted
    xy = [(int(x), int(y)) for x, y in whole]
    draw = ImageDraw.Draw(canvas)
    {"polygon": draw.polygon, "rectangle": draw.rectangle, "circle": draw.ellipse}[shape](xy, fill=1, outline=1)
    return region_of(label, np.asarray(canvas)[top:, left:], left=left, top=top)


def centre_polygons(region: Region) -> list[Pixels]:
    """A closed outline (n, 2) through the outermost pixels for each part, in image coordinates, at least 3 points."""
    found, tree = cv2.findContours(region.mask.astype(np.uint8), cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE)
    contours = [contour[:, 0].astype(np.intp) for contour in found]
    holes: dict[int, list[int]] = {}
    for k, (_, _, _, parent) in enumerate(tree[0]):
        if parent >= 0:
            holes.setdefault(int(parent), []).append(k)
    polygons = []
    for k, (_, _, _, parent) in enumerate(tree[0]):
        if parent < 0:
            inner = [contours[hole] for hole in holes.get(k, [])]
            points = _without_straight(np.array(list(_joined(region.mask, contours[k], inner)), np.intp))
            polygons.append(points + np.array([region.left, region.top]))
    return polygons


def _joined(mask: Mask, outer: Pixels, holes: list[Pixels]) -> Iterator[tuple[int, int]]:
    """The outline's pixels, with an excursion to each hole and around it.

    From a hole's leftmost pixel the cut goes left, within the region, to the first pixel with background on its
    left: that is on the outline, or on a hole further left, which is reached in the same way.
    """
    waiting: dict[tuple[int, int], list[list[tuple[int, int]]]] = {}
    for hole in holes:
        around = np.roll(hole, -int(hole[:, 0].argmin()), axis=0)
        x, y = (int(v) for v in around[0])
        gaps = np.flatnonzero(~mask[y, :x])
        loop = [(int(a), int(b)) for a, b in around] + [(x, y)]
        waiting.setdefault((int(gaps[-1]) + 1 if len(gaps) else 0, y), []).append(loop)
    stack = [iter([(int(x), int(y)) for x, y in outer])]
    while stack:
        point = next(stack[-1], None)
        if point is None:
            stack.pop()
            continue
        yield point
        for loop in waiting.pop(point, []):
            stack.append(iter([*loop, point]))


def _without_straight(points: Pixels) -> Pixels:
    """Without repeated points and those in the middle of a straight run; at least 3 points, as polygons must have."""
    points = points[(points != np.roll(points, 1, axis=0)).any(axis=1)] if len(points) > 1 else points
    if len(points) > 2:
        steps = np.sign(np.diff(points, axis=0, append=points[:1]))  # steps run along rows, columns or diagonals
        points = points[(steps != np.roll(steps, 1, axis=0)).any(axis=1)]
    return np.concatenate([points, np.repeat(points[-1:], max(0, 3 - len(points)), axis=0)])
