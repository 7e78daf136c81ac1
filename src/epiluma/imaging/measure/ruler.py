"""The spacing of a ruler's ticks in a photo, or None when there is no ruler beyond doubt.

Narrow dark marks are looked for along lines in 36 directions. A row of marks is a ruler when at least eight follow one
another at one spacing, alike and with nothing between them, on several neighbouring lines, and end after a while.
`epiluma.imaging.artefacts.find_ruler` asks how likely a ruler is over a data set; here a spacing must be right.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt
from PIL import Image

from epiluma.imaging.measure.lesion import Pixels
from epiluma.imaging.measure.records import Scale
from epiluma.imaging.measure.scale import given_scale

Grey = npt.NDArray[np.uint8]
Profile = npt.NDArray[np.float32]

LONGEST = 640
"""Longer side of the photo, pixels, at which ticks are looked for."""
SMALLEST = 320
"""A smaller photo is doubled first: its ticks are only a few pixels long."""
DIRECTIONS = 36
"""Every 5 degrees: a line at half of that still crosses ten ticks that are half as long as they are apart."""
TICK_WIDTH = 8
"""Widest tick, pixels."""
STRIPE = 4
"""Rows that are averaged to one profile."""
DEPTH = 12.0
"""Grey levels by which a tick is darker than what is beside it, averaged over a stripe."""
SPACING = (5.0, 80.0)
"""Pixels between ticks, least and most."""
MIN_TICKS = 8
"""Fewer marks in a row are chance or hair too often."""
DEVIATION = 0.05
"""Root mean square of the ticks' distances from even spacing, share of the spacing, at most,"""
DEVIATION_FLOOR = 0.35
"""or this many pixels, which a whole-pixel picture needs."""
EVEN_DEPTH = 0.45
"""The faintest tick has this part of the middle one's depth, at least."""
BETWEEN = 0.3
"""Nothing between two ticks, but for a shorter one halfway, is deeper than this part of the middle tick."""
INTRUDERS = 3
"""The second tick is one of so many marks after the first: hair may lie between."""
MAX_BUSY = 0.5
"""With marks on more than this share of the stripes it is texture or hair, in which no ruler is beyond doubt."""
MIN_STRIPES = 2
"""Neighbouring stripes that show the same ticks, at least."""
MAX_LENGTH = 4.0
"""Length of most ticks in spacings, at most: longer marks are a grid, combed hair, or cloth."""
ALIKE, LONGER = 1.2, 1.4
"""Ratio of the middle lengths of every other tick: up to the first all ticks are of one kind, from the second on each
second one is longer; between them nobody can say, and there is no ruler."""
MARK_ERROR = 0.02
"""Relative standard uncertainty that perspective and a ruler above or below the lesion's plane add: an assumption."""


@dataclass(frozen=True)
class Ruler:
    """Ticks found in a photo."""

    spacing: float
    """Pixels of the photo between neighbouring ticks; shorter ones halfway between longer ones do not count."""
    spacing_error: float
    """Standard error of that, pixels."""
    ticks: int
    angle: float
    """Direction of the row of ticks, degrees, counted against the clock from the horizontal, 0 up to 180."""


@dataclass(frozen=True)
class _Comb:
    """Evenly spaced ticks on one stripe, in pixels of the working frame."""

    stripe: int
    places: npt.NDArray[np.float64]
    spacing: float
    error: float


def find_ruler(pixels: Pixels) -> Ruler | None:
    """The clearest row of ticks in an upright RGB photo (H, W, 3), or None. Takes about half a second."""
    grey = Image.fromarray(np.ascontiguousarray(pixels)).convert("L")
    factor: float = max(1, math.ceil(max(grey.size) / LONGEST))
    if factor > 1:
        grey = grey.reduce(int(factor))
    elif max(grey.size) <= SMALLEST:
        factor = 0.5
        grey = grey.resize((2 * grey.width, 2 * grey.height), Image.Resampling.BICUBIC)
    best: Ruler | None = None
    if _is_smooth(np.asarray(grey)):
        return best
    for i in range(DIRECTIONS):
        angle = i * 180 / DIRECTIONS
        found = _along_rows(grey, angle, factor)
        if found is not None and (best is None or found.ticks > best.ticks):
            best = found
    return best


def scale_from_ruler(pixels: Pixels, *, tick_mm: float) -> Scale | None:
    """The scale by a ruler in the photo (H, W, 3); None when there is none beyond doubt.

    `tick_mm`: millimetres between neighbouring ticks, shorter ones halfway not counted. It is not guessed: scales of
    dermatoscopes have ticks at 1 mm and at fractions of it. Raises ImpossibleScale unless above 0.
    """
    tick = given_scale(tick_mm).mm_per_pixel
    ruler = find_ruler(pixels)
    if ruler is None:
        return None
    return Scale(
        mm_per_pixel=tick / ruler.spacing,
        relative_uncertainty=math.hypot(ruler.spacing_error / ruler.spacing, MARK_ERROR),
        source="ruler",
        note=f"Millimetres by {ruler.ticks} ticks of a ruler in the photo, said to be {tick:g} mm apart.",
    )


def _is_smooth(grey: Grey) -> bool:
    """Whether too few pixels are darker than what is beside them for a ruler: then no direction need be looked at."""
    lines = np.maximum(_marks(grey), _marks(np.ascontiguousarray(grey.T)).T)
    return int(np.count_nonzero(lines >= DEPTH)) < MIN_TICKS * STRIPE


def _along_rows(grey: Image.Image, angle: float, factor: float) -> Ruler | None:
    """A ruler whose ticks lie along the rows of the photo turned back by `angle` degrees."""
    turned = grey.rotate(-angle, Image.Resampling.BILINEAR, expand=True, fillcolor=255) if angle else grey
    marks = _marks(np.asarray(turned))
    profiles = _profiles(marks)
    combs = [comb for stripe in _busy(profiles) for comb in _combs(profiles[stripe], stripe)]
    combs = [comb for comb in combs if _stands(comb, combs, marks)]
    if not combs:
        return None
    best = max(combs, key=lambda comb: len(comb.places))
    # The stripes beyond the shorter ticks show the longer ones alone.
    doubled = [comb for comb in combs if abs(comb.spacing - 2 * best.spacing) < 0.03 * comb.spacing]
    spacing, error, ticks = best.spacing, best.error, len(best.places)
    ratio = _alternation(_lengths(marks, best))
    if not doubled and ALIKE < ratio < LONGER:
        return None
    if doubled or ratio >= LONGER:
        spacing, error, ticks = 2 * spacing, 2 * error, (ticks + 1) // 2
    return Ruler(spacing * factor, error * factor, ticks, angle)


def _stands(comb: _Comb, combs: list[_Comb], marks: Grey) -> bool:
    """Whether the next stripes show the same ticks, and these end."""
    near = {other.stripe for other in combs if abs(other.stripe - comb.stripe) < MIN_STRIPES and _same(comb, other)}
    return len(near) >= MIN_STRIPES and bool(np.median(_lengths(marks, comb)) <= MAX_LENGTH * comb.spacing)


def _marks(grey: Grey) -> Grey:
    """By how much each pixel is darker than the lighter of what is beside it along its row (a closing, less itself)."""
    padded = np.pad(grey, ((0, 0), (TICK_WIDTH, TICK_WIDTH)), mode="edge")
    highest, reach = padded, 1
    while reach < TICK_WIDTH + 1:
        shift = min(reach, TICK_WIDTH + 1 - reach)
        highest, reach = np.maximum(highest[:, :-shift], highest[:, shift:]), reach + shift
    closed, reach = highest, 1
    while reach < TICK_WIDTH + 1:
        shift = min(reach, TICK_WIDTH + 1 - reach)
        closed, reach = np.minimum(closed[:, :-shift], closed[:, shift:]), reach + shift
    return np.asarray(closed - grey, np.uint8)


def _profiles(marks: Grey) -> Profile:
    """(n, W) means over stripes of four rows, two further down each."""
    pairs = np.add(marks[:-1:2], marks[1::2], dtype=np.uint16)
    return np.asarray((pairs[:-1] + pairs[1:]) / np.float32(STRIPE), np.float32)


def _peaks(profiles: Profile) -> npt.NDArray[np.bool_]:
    """(..., W) where a profile is deep enough and highest among its neighbours."""
    peaks = np.zeros(profiles.shape, bool)
    here = profiles[..., 1:-1]
    peaks[..., 1:-1] = (here >= DEPTH) & (here >= profiles[..., :-2]) & (here > profiles[..., 2:])
    return peaks


def _busy(profiles: Profile) -> list[int]:
    """Stripes with enough marks; none when that holds for most."""
    busy = _peaks(profiles).sum(axis=1) >= MIN_TICKS
    return [int(i) for i in np.flatnonzero(busy)] if busy.mean() <= MAX_BUSY else []


def _combs(profile: Profile, stripe: int) -> Iterator[_Comb]:
    """The longest rows of even ticks on one profile."""
    at = np.flatnonzero(_peaks(profile))
    places = [float(at_ + offset) for at_, offset in zip(at, _between_pixels(profile, at), strict=True)]
    taken: set[tuple[int, int]] = set()
    for first in range(len(places) - MIN_TICKS + 1):
        for second in range(first + 1, min(first + 1 + INTRUDERS, len(places))):
            spacing = places[second] - places[first]
            if not SPACING[0] <= spacing <= SPACING[1] or (first, second) in taken:
                continue
            row = _followed(places, first, second)
            taken.update(pairwise(row))
            if len(row) >= MIN_TICKS and (comb := _judged(profile, [places[i] for i in row], stripe)):
                yield comb


def _between_pixels(profile: Profile, at: npt.NDArray[np.intp]) -> npt.NDArray[np.float64]:
    """How far the true summit lies beside each highest pixel, by a parabola."""
    before, here, after = (profile[at + i].astype(np.float64) for i in (-1, 0, 1))
    bend = before - 2 * here + after
    return np.where(bend < 0, (before - after) / np.where(bend < 0, 2 * bend, 1), 0)


def _followed(places: list[float], first: int, second: int) -> list[int]:
    """Indices of the marks that go on at the distance of the first two, until one is missing."""
    row = [first, second]
    here = second
    while True:
        spacing = (places[row[-1]] - places[first]) / (len(row) - 1)
        wanted = places[row[-1]] + spacing
        reach = max(3 * DEVIATION * spacing, 2 * DEVIATION_FLOOR)
        while here + 1 < len(places) and places[here + 1] < wanted - reach:
            here += 1
        near = [i for i in range(here + 1, min(here + 4, len(places))) if abs(places[i] - wanted) <= reach]
        if not near:
            return row
        here = min(near, key=lambda i: abs(places[i] - wanted))
        row.append(here)


def _judged(profile: Profile, places: list[float], stripe: int) -> _Comb | None:
    """The row as a comb, if its ticks are even in spacing and depth and stand alone."""
    at = np.array(places)
    number = np.arange(len(at))
    spacing, start = np.polyfit(number, at, 1)
    apart = at - (start + spacing * number)
    deviation = math.sqrt(float((apart**2).sum()) / (len(at) - 2))
    if deviation > max(DEVIATION * spacing, DEVIATION_FLOOR):
        return None
    depth = profile[np.round(at).astype(int)]
    middle = float(np.median(depth))
    if depth.min() < EVEN_DEPTH * middle:
        return None
    beside = at[:-1, None] + spacing * np.array([0.26, 0.3, 0.34, 0.38, 0.62, 0.66, 0.7, 0.74])
    if profile[np.round(beside).astype(int)].max() > BETWEEN * middle:
        return None
    error = deviation / math.sqrt(float(((number - number.mean()) ** 2).sum()))
    return _Comb(stripe, at, float(spacing), error)


def _same(one: _Comb, other: _Comb) -> bool:
    """Whether two stripes show the same ticks."""
    if abs(one.spacing - other.spacing) > 0.03 * one.spacing:
        return False
    distance = np.abs(one.places[:, None] - other.places).min(axis=1)
    return bool(np.count_nonzero(distance < 0.15 * one.spacing) >= MIN_TICKS - 1)


def _lengths(marks: Grey, comb: _Comb) -> npt.NDArray[np.float64]:
    """(n,) rows over which each tick goes on, up and down from the comb's stripe."""
    middle = comb.stripe * (STRIPE // 2) + STRIPE // 2
    columns = np.clip(np.round(comb.places).astype(int), 1, marks.shape[1] - 2)
    along = np.maximum.reduce([marks[:, columns + i] for i in (-1, 0, 1)])
    # A stripe may reach over the ticks' ends: its darkest row tells how dark they are.
    first = max(0, middle - STRIPE // 2)
    levels = np.median(along[first : middle + STRIPE // 2], axis=1)
    middle = first + int(levels.argmax())
    dark = along >= 0.5 * levels.max()
    up = np.argmin(np.vstack([dark[middle::-1], np.zeros((1, len(columns)), bool)]), axis=0)
    down = np.argmin(np.vstack([dark[middle:], np.zeros((1, len(columns)), bool)]), axis=0)
    return np.asarray(up + down, np.float64)


def _alternation(lengths: npt.NDArray[np.float64]) -> float:
    """How many times longer every other tick is, 1 and up."""
    shorter, longer = sorted(float(np.median(lengths[i::2])) for i in (0, 1))
    return longer / max(shorter, 1)
