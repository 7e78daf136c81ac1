"""How light the skin around a lesion is, from a coarse copy of the photo, without OpenCV.

`epiluma.imaging.skin` does the same more thoroughly over data sets; the angle, its categories and the camera's error
are one code.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
from PIL import Image

from epiluma.imaging.colour import lab_of_pixels, linear_light
from epiluma.imaging.measure.lesion import Pixels, compact
from epiluma.imaging.measure.pieces import Mask
from epiluma.imaging.measure.records import SkinTone
from epiluma.imaging.typology import GLARE, camera_error, category_of, turn, typology_angle

LONGEST = 64
"""Longer side of the coarse copy, cells, about: a cell averages the pixels of a square."""
MARGIN = 0.04
"""Skin this close to the lesion is left out: its edge is pigmented. Share of the shorter side."""
DARK = 48
"""A cell with all channels at or below this is the surround of the tube or a shadow."""
SECTORS = 4
"""The photo is cut into 4 x 4 sectors."""
MIN_SECTOR = 0.25
"""A sector speaks when this share of its cells is skin."""
MIN_SECTORS = 3
"""Fewer sectors give no angle."""


def skin_tone(pixels: Pixels, mask: Mask) -> SkinTone | None:
    """The tone of what is neither lesion, its edge, glare nor dark, in (H, W, 3) and (H, W); None with too little.

    A sector's colour is the median of its cells, channel by channel; the skin's is the median of the sectors.
    """
    every = max(1, max(mask.shape) // (4 * LONGEST))  # 16 pixels of a cell tell its colour as well as all do
    pixels, mask = pixels[::every, ::every], mask[::every, ::every]
    factor = max(1, math.ceil(max(mask.shape) / LONGEST))
    cells = np.asarray(Image.fromarray(compact(pixels)).reduce(factor))
    skin = ~_widened(_any(mask, factor), math.ceil(MARGIN * min(mask.shape) / factor))
    red, green, blue = cells[:, :, 0], cells[:, :, 1], cells[:, :, 2]
    skin &= np.minimum(np.minimum(red, green), blue) < GLARE
    skin &= np.maximum(np.maximum(red, green), blue) > DARK
    colours = _sector_medians(cells, skin)
    if len(colours) < MIN_SECTORS:
        return None
    middle = np.median(colours, axis=0)
    light = linear_light(np.concatenate([middle[None], colours]) / 255)
    angles = typology_angle(light)
    deviations = turn(angles[1:] - angles[0])
    spread = 1.4826 * float(np.median(np.abs(deviations - np.median(deviations))))
    ita = float(angles[0])
    lightness, a, b = (float(value) for value in lab_of_pixels(np.asarray(np.round(middle), np.uint8)))
    return SkinTone(
        ita=ita,
        standard_error=spread / math.sqrt(len(colours)),
        camera_uncertainty=camera_error(middle / 255),
        category=category_of(ita),
        lab=(lightness, a, b),
        sectors=len(colours),
    )


def _any(mask: Mask, factor: int) -> Mask:
    """(H, W) -> cells that hold any lesion."""
    if factor == 1:
        return mask
    whole = Image.fromarray(np.ascontiguousarray(mask).view(np.uint8) * np.uint8(255))
    return np.asarray(whole.reduce(factor)) > 0


def _widened(mask: Mask, cells: int) -> Mask:
    """By a square of `cells` to each side."""
    if not cells:
        return mask
    padded = np.pad(mask, cells)
    across = np.logical_or.reduce([padded[:, i : i + mask.shape[1]] for i in range(2 * cells + 1)])
    return np.asarray(np.logical_or.reduce([across[i : i + mask.shape[0]] for i in range(2 * cells + 1)]))


def _sector_medians(cells: Pixels, skin: Mask) -> npt.NDArray[np.float64]:
    """(k, 3) the middle colour of each sector that shows enough skin."""
    height, width = (-(-length // SECTORS) for length in skin.shape)
    # Sectors of one size: cells beyond the photo, and those that are no skin, sort behind all others.
    levels = np.full((height * SECTORS, width * SECTORS, 3), 256, np.int16)
    levels[: skin.shape[0], : skin.shape[1]] = np.where(skin[:, :, None], cells.astype(np.int16), 256)
    blocks = levels.reshape(SECTORS, height, SECTORS, width, 3).swapaxes(1, 2).reshape(SECTORS**2, -1, 3)
    counts = (blocks[:, :, 0] < 256).sum(axis=1)
    blocks, counts = blocks[counts >= MIN_SECTOR * height * width], counts[counts >= MIN_SECTOR * height * width]
    blocks.sort(axis=1)
    rows = np.arange(len(blocks))
    return np.asarray((blocks[rows, (counts - 1) // 2] + blocks[rows, counts // 2]) / 2.0, np.float64)
