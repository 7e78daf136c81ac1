"""The lesion that is measured: the mask's largest piece at a bounded resolution, and the photo turned onto its axes."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image

from epiluma.errors import EpilumaError
from epiluma.imaging.colour import Lab, lab_of_pixels
from epiluma.imaging.measure.pieces import Mask, largest_piece
from epiluma.imaging.measure.shape import Shape, shape_of

Pixels = npt.NDArray[np.uint8]
"""(H, W, 3) upright RGB."""

LONGEST = 256
"""Longer side of the lesion's box, pixels, at which its shape is measured; a larger one is averaged down."""
GRID = 96
"""Side of the square, pixels, in which the lesion is laid along its axes for colours, symmetry and edge."""
SURROUND = 0.15
"""Skin around the lesion that the square holds, share of the equivalent diameter."""


class NoLesion(EpilumaError):
    """The mask has no pixel of lesion."""


class MaskMismatch(EpilumaError):
    """Photo and mask do not belong together."""


@dataclass(frozen=True)
class Lesion:
    """One piece of lesion."""

    shape: Shape
    """In pixels of `mask`."""
    mask: Mask
    """The piece in its box, holes filled, possibly reduced."""
    factor: int
    """Pixels of the photo along a side of a pixel of `mask`."""
    corner: tuple[int, int]
    """Column and row of the box in the photo."""
    area: float
    """Pixels of the photo."""
    pieces: int
    """How many pieces the given mask has."""
    touches_frame: bool

    @property
    def centroid(self) -> tuple[float, float]:
        """Column and row in the photo, from the photo's corner, so that the first pixel's middle is (0.5, 0.5)."""
        x, y = self.shape.centroid
        return self.corner[0] + (x + 0.5) * self.factor, self.corner[1] + (y + 0.5) * self.factor

    @property
    def equivalent_diameter(self) -> float:
        """Of the circle of the same area, pixels of the photo."""
        return 2 * math.sqrt(self.area / math.pi)


@dataclass(frozen=True)
class Aligned:
    """The lesion laid on a square with its centroid in the middle and its longer principal axis along the columns."""

    lab: Lab
    """(GRID, GRID, 3)."""
    mask: Mask
    """(GRID, GRID)."""
    seen: Mask
    """(GRID, GRID): what lies in the photo."""
    step: float
    """Pixels of the photo along a side of a pixel of the square."""


def check(pixels: Pixels, mask: Mask) -> None:
    """Raises MaskMismatch or NoLesion unless `pixels` (H, W, 3) uint8 and `mask` (H, W) bool fit together."""
    if pixels.ndim != 3 or pixels.shape[2] != 3 or pixels.dtype != np.uint8:
        raise MaskMismatch(f"a photo is (height, width, 3) of 8-bit RGB, not {pixels.shape} of {pixels.dtype}")
    if mask.dtype != np.bool_:
        raise MaskMismatch(f"a mask holds True and False, not {mask.dtype}: say which values are lesion, as `mask > 0`")
    if mask.shape != pixels.shape[:2]:
        found = " x ".join(str(length) for length in mask.shape)
        raise MaskMismatch(f"the mask is {found} and the photo {pixels.shape[0]} x {pixels.shape[1]} (height x width)")
    if not mask.any():
        raise NoLesion("the mask is empty, so there is nothing to measure: no lesion was outlined in this photo")


def find_lesion(mask: Mask) -> Lesion:
    """The largest piece of a mask (H, W) that is not empty, with what it encloses."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    top, left, bottom, right = int(rows[0]), int(columns[0]), int(rows[-1]) + 1, int(columns[-1]) + 1
    box = mask[top:bottom, left:right]
    factor = math.ceil(max(box.shape) / LONGEST)
    reduced = _reduced(box, factor)
    piece, pieces = largest_piece(reduced)
    shape, piece = shape_of(piece)
    share = shape.area / np.count_nonzero(reduced)
    return Lesion(
        shape=shape,
        mask=piece,
        factor=factor,
        corner=(left, top),
        area=float(np.count_nonzero(box) * share),
        pieces=pieces,
        touches_frame=_touches_frame(piece, factor, (top, left), mask.shape),
    )


def _reduced(box: Mask, factor: int) -> Mask:
    """A pixel for each `factor` x `factor` pixels: lesion where at least half of them are."""
    if factor == 1:
        return np.ascontiguousarray(box)
    spare = [(0, -length % factor) for length in box.shape]
    whole = np.pad(box, spare).view(np.uint8) * np.uint8(255)
    shares = np.asarray(Image.fromarray(whole).reduce(factor))
    reduced = shares >= 128
    return reduced if reduced.any() else shares > 0  # a line thinner than half a pixel is still there


def _touches_frame(piece: Mask, factor: int, corner: tuple[int, int], shape: tuple[int, ...]) -> bool:
    ends = ((piece[0], piece[-1]), (piece[:, 0], piece[:, -1]))
    for (first, last), start, length, reduced in zip(ends, corner, shape, piece.shape, strict=True):
        if (start == 0 and first.any()) or (start + reduced * factor >= length and last.any()):
            return True
    return False


def align(lesion: Lesion, pixels: Pixels) -> Aligned:
    """The photo (H, W, 3) around a lesion, turned onto its axes.

    Colours by averaging and bilinear interpolation, the outline by the nearest pixel.
    """
    reach = lesion.shape.radii.max() * lesion.factor + SURROUND * lesion.equivalent_diameter + 1
    step = 2 * reach / GRID
    cosine, sine = math.cos(lesion.shape.angle) * step, math.sin(lesion.shape.angle) * step
    x, y = lesion.centroid
    # From the middle of a grid pixel to a place in the photo.
    x0, y0 = x - GRID / 2 * (cosine - sine), y - GRID / 2 * (sine + cosine)
    place = (cosine, -sine, x0, sine, cosine, y0)
    photo, corner, factor = _around(pixels, (x, y), reach * math.sqrt(2), max(1, int(step)))
    colours = _sampled(Image.fromarray(photo), place, corner, factor, Image.Resampling.BILINEAR)
    outline = Image.fromarray(lesion.mask.view(np.uint8))
    mask = _sampled(outline, place, lesion.corner, lesion.factor, Image.Resampling.NEAREST)
    return Aligned(lab_of_pixels(colours), mask > 0, _inside(place, pixels.shape), step)


def compact(view: Pixels) -> Pixels:
    """A copy of every n-th pixel (h, w, 3) without gaps, channel by channel: numpy takes four times as long at once."""
    copy = np.empty(view.shape, view.dtype)
    for channel in range(view.shape[2]):
        copy[:, :, channel] = view[:, :, channel]
    return copy


Affine = tuple[float, float, float, float, float, float]


def _around(
    pixels: Pixels, centre: tuple[float, float], reach: float, factor: int
) -> tuple[Pixels, tuple[int, int], int]:
    """(part of the photo, its corner, by how much it is reduced)."""
    height, width = pixels.shape[:2]
    left, top = (max(0, math.floor(middle - reach)) for middle in centre)
    right, bottom = min(width, math.ceil(centre[0] + reach)), min(height, math.ceil(centre[1] + reach))
    every = max(1, factor // 2)  # means of four pixels rather than of many, so that large photos cost no more
    part = compact(pixels[top + every // 2 : bottom : every, left + every // 2 : right : every])
    if factor > every:
        part = np.asarray(Image.fromarray(part).reduce(factor // every))
    return part, (left, top), every * (factor // every)


def _sampled(
    image: Image.Image, place: Affine, corner: tuple[int, int], factor: int, how: Image.Resampling
) -> npt.NDArray[np.uint8]:
    a, b, c, d, e, f = place
    inside = (
        a / factor,
        b / factor,
        (c - corner[0]) / factor,
        d / factor,
        e / factor,
        (f - corner[1]) / factor,
    )
    turned = image.transform((GRID, GRID), Image.Transform.AFFINE, inside, how)
    return np.asarray(turned)


def _inside(place: Affine, shape: tuple[int, ...]) -> Mask:
    """Grid pixels whose middle lies in the photo, half a pixel from its edge: further out there is no colour."""
    a, b, c, d, e, f = place
    along = np.arange(GRID) + 0.5
    x, y = a * along + (b * along + c)[:, None], d * along + (e * along + f)[:, None]
    return np.asarray((x > 0.5) & (x < shape[1] - 0.5) & (y > 0.5) & (y < shape[0] - 0.5))
