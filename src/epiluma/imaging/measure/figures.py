"""Symmetry, edge and colours of a lesion that is laid along its axes."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from epiluma.imaging.colour import Lab
from epiluma.imaging.measure.lesion import GRID, Aligned, Lesion
from epiluma.imaging.measure.pieces import Mask
from epiluma.imaging.measure.records import Asymmetry, Border, ColourName, ColourShare

CELL = 4
"""Side, pixels of the square, of the cells whose mean colours are compared: finer differences are structure."""
RING = 0.04
"""Width of the rings beside the outline, share of the equivalent diameter."""
SECTORS = 8
MIN_CHANGE = 5.0
"""L* by which skin must be lighter than lesion for its edge to be judged; below, the edge is not abrupt."""
MIN_SHARE = 0.05
"""Of the lesion: from this share on a colour counts as present."""
STRUCTURE = 1.5
"""Standard deviation of L* in a cell, below which it shows no structure."""

SKIN_HUE = (12.0, 18.0)
"""a* and b* that the skin around the lesion is taken to have: about those of light skin under D65. Dermatoscopes tint
whole photos (skin of HAM10000 lies anywhere from pink to yellow), and a rule without this calls pink photos red."""

COLOURS: tuple[ColourName, ...] = ("white", "red", "light brown", "dark brown", "blue-grey", "black")


def asymmetry_of(lesion: Lesion, aligned: Aligned) -> Asymmetry:
    """About both principal axes through the centroid."""
    means, cells = _cell_means(aligned.lab), _whole_cells(aligned)
    longer, shorter = lesion.shape.deviations
    return Asymmetry(
        shape_long_axis=_unlike(aligned.mask, aligned.mask[::-1]),
        shape_short_axis=_unlike(aligned.mask, aligned.mask[:, ::-1]),
        colour_long_axis=_colour_difference(means, cells, axis=0),
        colour_short_axis=_colour_difference(means, cells, axis=1),
        elongation=longer / shorter,
    )


def structureless_share(aligned: Aligned) -> float:
    """Share of the lesion's cells whose lightness hardly varies, 0 to 1; what lies outside the photo is left out."""
    cells = _whole_cells(aligned)
    if not cells.any():
        return 0.0
    lightness = aligned.lab[:, :, 0] - 50  # small numbers, so that float32 suffices for the squares
    variance = _cell_means(lightness**2) - _cell_means(lightness) ** 2
    return float((variance[cells] < STRUCTURE**2).mean())


def _unlike(mask: Mask, mirrored: Mask) -> float:
    """1 - |both| / |one|: 0 when they cover each other."""
    return 1 - int(np.count_nonzero(mask & mirrored)) / max(1, int(np.count_nonzero(mask)))


def _cell_means(values: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """(GRID, GRID, ...) -> (GRID / CELL, GRID / CELL, ...)."""
    rows = np.add.reduce([values[i::CELL] for i in range(CELL)])
    return np.asarray(np.add.reduce([rows[:, i::CELL] for i in range(CELL)]) / CELL**2, np.float32)


def _whole_cells(aligned: Aligned) -> Mask:
    """Cells that lie whole in the lesion and the photo."""
    inside = (aligned.mask & aligned.seen).astype(np.float32)
    return np.asarray(_cell_means(inside) == 1)


def _colour_difference(means: Lab, cells: Mask, axis: int) -> float:
    both = cells & np.flip(cells, axis)
    if not both.any():
        return 0.0
    apart = (means - np.flip(means, axis))[both]
    return float(np.sqrt((apart**2).sum(axis=1)).mean())


def border_of(lesion: Lesion, aligned: Aligned) -> Border:
    """Of the outline, and of the lightness across it."""
    shape = lesion.shape
    return Border(
        compactness=min(1.0, 4 * math.pi * shape.area / shape.perimeter**2),
        solidity=min(1.0, shape.outline_area / shape.hull_area),
        radial_variation=float(shape.radii.std() / shape.radii.mean()),
        abruptness=_abruptness(aligned, max(1, round(RING * lesion.equivalent_diameter / aligned.step))),
    )


def _abruptness(aligned: Aligned, width: int) -> tuple[float | None, ...]:
    """By sector: (skin - lesion just beside the outline) / (skin - lesion two rings away), in L*."""
    inner, outer = [aligned.mask], [aligned.mask]
    for i in range(3 * width):
        inner.append(~_grown(~inner[-1], diagonal=bool(i % 2)))
        outer.append(_grown(outer[-1], diagonal=bool(i % 2)))
    seen, lightness = aligned.seen, aligned.lab[:, :, 0]
    rings = (
        outer[width] & ~outer[0],
        inner[0] & ~inner[width],
        outer[3 * width] & ~outer[2 * width],
        inner[2 * width] & ~inner[3 * width],
    )
    near_skin, near_lesion, skin, within = (_sector_means(lightness, ring & seen) for ring in rings)
    result: list[float | None] = []
    for sector in range(SECTORS):
        whole = skin[sector] - within[sector]
        step = near_skin[sector] - near_lesion[sector]
        if math.isnan(whole) or math.isnan(step):
            result.append(None)
        else:
            result.append(min(1.0, max(0.0, step / whole)) if whole >= MIN_CHANGE else 0.0)
    return tuple(result)


def _grown(mask: Mask, *, diagonal: bool) -> Mask:
    """By one pixel to four sides, or to eight: in turn, these make an octagon, nearly a disc."""
    grown = mask.copy()
    if diagonal:
        grown[1:] |= mask[:-1]
        grown[:-1] |= mask[1:]
        mask = grown.copy()
    else:
        grown[1:] |= mask[:-1]
        grown[:-1] |= mask[1:]
    grown[:, 1:] |= mask[:, :-1]
    grown[:, :-1] |= mask[:, 1:]
    return grown


def _sectors() -> npt.NDArray[np.intp]:
    middle = np.arange(GRID) + 0.5 - GRID / 2
    angle = np.arctan2(middle[:, None], middle[None])
    return np.asarray(np.floor(angle / (2 * math.pi / SECTORS)), np.intp) % SECTORS


_SECTOR = _sectors()


def _sector_means(values: npt.NDArray[np.float32], ring: Mask) -> list[float]:
    """(SECTORS,) means over the ring's pixels; NaN where there is none."""
    sector = _SECTOR[ring]
    count = np.bincount(sector, minlength=SECTORS)
    total = np.bincount(sector, values[ring], SECTORS)
    return [float(value) for value in np.where(count, total, np.nan) / np.maximum(count, 1)]


def colours_of(aligned: Aligned, skin: tuple[float, float, float] | None) -> tuple[ColourShare, ...]:
    """Shares of the six colours among the lesion's pixels in the photo; `skin` is L*, a*, b* of the skin around."""
    lab = aligned.lab[aligned.mask & aligned.seen]
    found = np.bincount(colour_classes(lab, skin), minlength=len(COLOURS) + 1) / max(1, len(lab))
    return tuple(
        ColourShare(name=name, share=float(share), present=bool(share >= MIN_SHARE))
        for name, share in zip(COLOURS, found, strict=False)
    )


def colour_classes(lab: Lab, skin: tuple[float, float, float] | None) -> npt.NDArray[np.intp]:
    """(n, 3) L*a*b* -> (n,) index into `COLOURS`, or their number for a colour like the skin's. The first rule holds.

    black L* < 20; like the skin: within 8 units of it; white L* >= 70, chroma < 15, lighter than the skin;
    blue-grey b* < 3 and a* < 20, or chroma < 10; red: hue below 32 degrees and chroma >= 24; dark brown L* < 42; else
    light brown. Where the skin is known, a* and b* are
    first shifted by what makes the skin `SKIN_HUE`, in proportion to L*, so that black stays black.
    """
    lightness, a, b = np.ascontiguousarray(lab.T)
    alike = np.zeros(len(lab), bool)
    if skin is not None:
        alike = (lightness - skin[0]) ** 2 + (a - skin[1]) ** 2 + (b - skin[2]) ** 2 < 8**2
        share = np.clip(lightness / max(skin[0], 1), 0, 1)
        a, b = a + share * (SKIN_HUE[0] - skin[1]), b + share * (SKIN_HUE[1] - skin[2])
    square = a * a + b * b
    rules = [
        (lightness < 20, 5),
        (alike, 6),
        ((lightness >= 70) & (square < 15**2) & (lightness > (skin[0] if skin else 0)), 0),
        ((b < 3) & (a < 20) | (square < 10**2), 4),
        ((b < math.tan(math.radians(32)) * a) & (square >= 24**2), 1),
        (lightness < 42, 3),
    ]
    classes = np.full(len(lab), 2)
    for rule, index in reversed(rules):
        classes[rule] = index
    return classes
