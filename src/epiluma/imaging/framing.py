"""Where the lesion lies in a photo, and what lies on it: measured on small frames, with numpy and Pillow alone.

`epiluma.imaging.artefacts` finds more and finds it better, but takes longer and needs OpenCV, which the base install
does not have. What is measured here is quick enough to be looked at on every photo that is screened.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image

from epiluma.imaging.measure.pieces import Mask, piece_sizes
from epiluma.imaging.preprocess import centred_box

Frame = npt.NDArray[np.uint8]
"""(SIDE, SIDE, 3) RGB."""

SIDE = 128
"""Side of the frame on which colour, ink and hair are looked at, pixels."""
GRID = 64
"""Side of the grid on which the parts of a mask are counted."""
ISLAND = 0.002
"""A part of the mask smaller than this share of the square is a speck and no lesion."""
MOST = 9
"""Parts are counted up to here."""
HAIR_REACH, HAIR_DEPTH = 2, 16
"""Dark lines of at most 2 x reach pixels are hair when they are that many grey levels darker than both sides."""
INK_DISTANCE = 45
"""How much bluer or greener than the middle colour of the frame, levels."""
DARK, GLARE = 40, 245
"""Pixels at or below the one, or at or above the other, in all channels are surround or reflection."""


@dataclass(frozen=True)
class Framing:
    """The lesion in the centred square that the network sees."""

    area: float
    """Share of the square that is lesion."""
    outside: float
    """Share of the lesion that lies outside the square; 0 when there is no lesion."""
    contact: float
    """Share of the square's edge that lies on the lesion."""
    lesions: int
    """Separate parts of at least ISLAND of the square."""


@dataclass(frozen=True)
class Cover:
    """What the frame shows, as shares of its pixels; surround and reflections are not counted as skin or not."""

    skin: float
    """Of what is lit: how much has a colour that skin and its marks can have."""
    ink: float
    hair: float
    """Of the lesion, or of the middle half of the frame where there is no mask."""


def measure_framing(mask: Mask) -> Framing:
    """Measure a mask (h, w), true on the lesion, of a photo of any shape."""
    square = _square(mask)
    inside, total = int(np.count_nonzero(square)), int(np.count_nonzero(mask))
    edge = np.concatenate([square[0], square[-1], square[1:-1, 0], square[1:-1, -1]])
    return Framing(
        area=inside / square.size,
        outside=1 - inside / total if total else 0.0,
        contact=float(edge.mean()),
        lesions=_count(_shrunk(square, GRID)),
    )


def measure_cover(photo: Image.Image, mask: Mask | None = None) -> Cover:
    """Measure an upright RGB photo; `mask` (h, w) has its size."""
    frame = np.asarray(photo.resize((SIDE, SIDE), Image.Resampling.BOX, box=centred_box(*photo.size).corners))
    if mask is None:
        where = np.zeros((SIDE, SIDE), bool)
        where[SIDE // 4 : -SIDE // 4, SIDE // 4 : -SIDE // 4] = True
    else:
        where = _shrunk(_square(mask), SIDE)
    red, green, blue = (np.ascontiguousarray(frame[..., c]).astype(np.int16) for c in range(3))
    hairs = _dark_lines(_grey(red, green, blue))
    return Cover(
        skin=_skin_share(red, green, blue),
        ink=float(_ink(red, green, blue).mean()),
        hair=float(hairs[where].mean()) if where.any() else 0.0,
    )


Plane = npt.NDArray[np.int16]


def _grey(red: Plane, green: Plane, blue: Plane) -> npt.NDArray[np.uint8]:
    """ITU-R BT.601 in eighths."""
    return ((2 * red + 5 * green + blue) >> 3).astype(np.uint8)


def _skin_share(red: Plane, green: Plane, blue: Plane) -> float:
    """Skin filters green and blue more than red (Anderson and Parrish 1981), so what is greener or bluer than it is
    red, by more than a white balance that is off explains, is no skin. Grey passes: pale skin and veils are nearly so.
    """
    strongest, weakest = np.maximum(np.maximum(red, green), blue), np.minimum(np.minimum(red, green), blue)
    lit = (strongest > DARK) & (weakest < GLARE)
    count = int(np.count_nonzero(lit))
    if not count:
        return 0.0
    possible = (10 * red >= 9 * green) & (5 * red >= 4 * blue)
    return np.count_nonzero(possible & lit) / count


def _ink(red: Plane, green: Plane, blue: Plane) -> Mask:
    """Saturated, and far bluer or greener than the photo's middle colour: photos are tinted as a whole."""
    strongest, weakest = np.maximum(np.maximum(red, green), blue), np.minimum(np.minimum(red, green), blue)
    saturated = (strongest >= 80) & (10 * (strongest - weakest) >= 3 * strongest) & (red < strongest)
    if not saturated.any():
        return saturated
    bluer, greener = blue - red, green - red
    far = bluer - int(np.median(bluer[::4, ::4])) >= INK_DISTANCE
    return saturated & (far | (greener - int(np.median(greener[::4, ::4])) >= INK_DISTANCE))


def _dark_lines(grey: npt.NDArray[np.uint8]) -> Mask:
    """Filled by a closing along a line that crosses them, after DullRazor (Lee et al. 1997)."""
    padded = np.pad(grey, 2 * HAIR_REACH, mode="edge")
    highest = grey
    for down, along in ((0, 1), (1, 0), (1, 1), (1, -1)):
        closed = _along(_along(padded, down, along, np.maximum), down, along, np.minimum)
        highest = np.maximum(highest, closed)
    lines: Mask = (highest - grey) >= HAIR_DEPTH
    return lines


def _along(image: npt.NDArray[np.uint8], down: int, along: int, extreme: np.ufunc) -> npt.NDArray[np.uint8]:
    """The extreme over 2 x HAIR_REACH + 1 pixels in one direction, of all but the outermost HAIR_REACH pixels."""
    rows, columns = (length - 2 * HAIR_REACH for length in image.shape)
    result: npt.NDArray[np.uint8] | None = None
    for step in range(-HAIR_REACH, HAIR_REACH + 1):
        top, left = HAIR_REACH + step * down, HAIR_REACH + step * along
        view = image[top : top + rows, left : left + columns]
        result = view.copy() if result is None else extreme(result, view, out=result)
    assert result is not None
    return result


def _square(mask: Mask) -> Mask:
    """The largest centred square."""
    side = min(mask.shape)
    top, left = ((length - side) // 2 for length in mask.shape)
    return mask[top : top + side, left : left + side]


def _shrunk(mask: Mask, side: int) -> Mask:
    """(side, side) of a square mask, the nearest pixels: a tenth of the time that averaging takes."""
    at = ((np.arange(side) + 0.5) * (len(mask) / side)).astype(np.intp)
    small: Mask = mask[at[:, None], at]
    return small


def _count(mask: Mask) -> int:
    """Parts of at least ISLAND of the grid, at most MOST."""
    return min(MOST, int(np.count_nonzero(piece_sizes(mask) >= ISLAND * mask.size)))
