"""What changed between two photos of one lesion."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import msgspec
import numpy as np
import numpy.typing as npt
from PIL import Image

from epiluma.imaging.colour import delta_e_2000, lab_of_pixels
from epiluma.imaging.measure.lesion import Lesion, Pixels, check, find_lesion
from epiluma.imaging.measure.measurement import measure
from epiluma.imaging.measure.pieces import Mask
from epiluma.imaging.measure.records import Measurements, Scale
from epiluma.imaging.measure.registration import MIN_OVERLAP, Fit, Similarity, register, view_of, warped

MIN_CORRELATION = 0.55
"""Of the skin's texture: photos that are less alike once laid over are not compared place by place."""
UNSEEN, ELSEWHERE, KEPT, GAINED, LOST = range(5)
"""Values of a change map."""

REFUSED = "The two photos could not be laid over each other well enough ({found}): no change map, no relative sizes."
LOWER_BOUND = "The lesion touches the frame in at least one photo, so a change in size may be one of framing."
LIGHT = "The skin around the lesion changed colour too (light, camera or tan), so the lesion's change is uncertain."
SKIN_CHANGED = 3.0
"""CIEDE2000 difference of the skin from which on light or camera are said to differ."""


@dataclass(frozen=True)
class Visit:
    """One photo of the lesion."""

    pixels: Pixels
    """(H, W, 3) upright RGB, uint8."""
    mask: Mask
    """(H, W)."""
    scale: Scale | None = None


class _Record(msgspec.Struct, frozen=True, kw_only=True):
    """Base: immutable, extended only by adding optional fields."""


class Registration(_Record, frozen=True, kw_only=True):
    """How the later photo lies on the earlier one: z -> enlargement * turn(z) + shift, about the photos' middles."""

    enlargement: float
    """Pixels of the later photo for one of the earlier, 0.5 to 2."""
    rotation: float
    """Degrees from the columns' direction towards the rows', -180 to 180."""
    shift: tuple[float, float]
    """Columns and rows, pixels of the later photo."""
    correlation: float
    """Of the skin's texture where both photos show it, -1 to 1; 1 is a perfect fit."""
    overlap: float
    """Share of the earlier photo's skin that the later one shows, 0 to 1."""
    accepted: bool
    """Whether both suffice. If not, nothing that rests on the registration is given."""


class SizeChange(_Record, frozen=True, kw_only=True):
    """Later less earlier."""

    by: Literal["registration", "scales"]
    """What made the two comparable: the photos laid over each other, or a scale for both."""
    area: float
    """Relative: 0.2 is a fifth more."""
    largest_diameter: float
    """Relative."""
    area_mm2: float | None
    """When both have a scale."""
    largest_diameter_mm: float | None


class ColourChange(_Record, frozen=True, kw_only=True):
    """Differences CIEDE2000 of middle colours, 0 and up; from about 1 on they can be seen side by side."""

    lesion: float
    skin: float | None
    """None when a photo shows too little skin."""
    lesion_against_skin: float | None
    """Of the lesion once the later photo's skin is shifted to the earlier's: what light and camera explain is gone."""
    lightness: float
    """L* of the lesion, later less earlier; negative is darker."""


class ShapeChange(_Record, frozen=True, kw_only=True):
    """Later less earlier, and how the outlines cover each other."""

    compactness: float
    solidity: float
    asymmetry_long_axis: float
    asymmetry_short_axis: float
    overlap: float | None
    """Jaccard index of the outlines laid over each other, 0 to 1; None without a registration."""


class Evolution(_Record, frozen=True, kw_only=True):
    """What changed. None of it is a diagnosis."""

    registration: Registration
    size: SizeChange | None
    """None when neither a registration nor two scales make sizes comparable."""
    colour: ColourChange
    shape: ShapeChange
    notes: tuple[str, ...]


@dataclass(frozen=True)
class Comparison:
    """Two visits, measured and compared."""

    earlier: Measurements
    later: Measurements
    evolution: Evolution
    change_map: npt.NDArray[np.uint8] | None
    """(H, W) of the earlier photo: UNSEEN in the later photo, ELSEWHERE than the lesion, KEPT, GAINED, LOST."""


def compare_visits(earlier: Visit, later: Visit) -> Comparison:
    """Compare two photos of one lesion, of any sizes; takes about a second.

    The skin around the lesion tells how the photos lie on each other, so that a lesion that grew is not shrunk to fit.
    Photos with too little in common are not refused as a whole: what needs no registration is still given. Raises
    NoLesion and MaskMismatch as `measure` does.
    """
    for visit in (earlier, later):
        check(visit.pixels, visit.mask)
    first, second = (measure(visit.pixels, visit.mask, scale=visit.scale) for visit in (earlier, later))
    registration, similarity = _registered(earlier, later)
    lesions = find_lesion(earlier.mask), find_lesion(later.mask)
    overlap, change_map = None, None
    if registration.accepted:
        change_map = _change_map(earlier.mask.shape, lesions, later.mask.shape, similarity)
        covered = [int(np.count_nonzero(change_map == value)) for value in (KEPT, GAINED, LOST)]
        overlap = covered[0] / max(1, sum(covered))
    colour = _colour_change(earlier, later, first, second)
    evolution = Evolution(
        registration=registration,
        size=_size_change(first, second, registration),
        colour=colour,
        shape=_shape_change(first, second, overlap),
        notes=_notes(registration, first, second, colour),
    )
    return Comparison(first, second, evolution, change_map)


def _registered(earlier: Visit, later: Visit) -> tuple[Registration, Similarity]:
    """How the photos lie on each other, and the same as a similarity in pixels of the photos."""
    one, other = view_of(earlier.pixels, earlier.mask), view_of(later.pixels, later.mask)
    fit: Fit = register(one, other)
    turn, shift = fit.similarity.turn * other.factor / one.factor, fit.similarity.shift * other.factor
    registration = Registration(
        enlargement=abs(turn),
        rotation=math.degrees(math.atan2(turn.imag, turn.real)),
        shift=(shift.real, shift.imag),
        correlation=fit.correlation,
        overlap=fit.overlap,
        accepted=fit.correlation >= MIN_CORRELATION and fit.overlap >= MIN_OVERLAP,
    )
    return registration, Similarity(turn, shift)


def _change_map(
    shape: tuple[int, ...], lesions: tuple[Lesion, Lesion], later: tuple[int, ...], similarity: Similarity
) -> npt.NDArray[np.uint8]:
    moved = warped(_drawn(lesions[1], later).astype(np.float32), similarity, shape)
    before, after = _drawn(lesions[0], shape), moved >= 0.5
    codes = np.select([np.isnan(moved), before & after, after, before], [UNSEEN, KEPT, GAINED, LOST], ELSEWHERE)
    return codes.astype(np.uint8)


def _drawn(lesion: Lesion, shape: tuple[int, ...]) -> Mask:
    """The piece that was measured, in a mask of the photo's shape."""
    height, width = (length * lesion.factor for length in lesion.mask.shape)
    piece = Image.fromarray(lesion.mask.view(np.uint8)).resize((width, height), Image.Resampling.NEAREST)
    left, top = lesion.corner
    mask = np.zeros(shape, bool)
    part = mask[top : top + height, left : left + width]
    part[:] = np.asarray(piece, bool)[: part.shape[0], : part.shape[1]]
    return mask


def _size_change(first: Measurements, second: Measurements, registration: Registration) -> SizeChange | None:
    before, after = first.size.millimetres, second.size.millimetres
    unit = 1.0
    by: Literal["registration", "scales"] = "registration"
    one, other = first.size.pixels, second.size.pixels
    if registration.accepted:
        unit = registration.enlargement
    elif before is not None and after is not None:
        by, one, other = "scales", before, after
    else:
        return None
    scaled = before is not None and after is not None
    return SizeChange(
        by=by,
        area=other.area / unit**2 / one.area - 1,
        largest_diameter=other.largest_diameter / unit / one.largest_diameter - 1,
        area_mm2=after.area - before.area if scaled and before and after else None,
        largest_diameter_mm=after.largest_diameter - before.largest_diameter if scaled and before and after else None,
    )


def _colour_change(earlier: Visit, later: Visit, first: Measurements, second: Measurements) -> ColourChange:
    before, after = (_middle_colour(visit) for visit in (earlier, later))
    skin, against = None, None
    if first.skin_tone is not None and second.skin_tone is not None:
        skin_before, skin_after = np.array(first.skin_tone.lab), np.array(second.skin_tone.lab)
        skin = float(delta_e_2000(skin_before, skin_after))
        against = float(delta_e_2000(before, after - skin_after + skin_before))
    return ColourChange(
        lesion=float(delta_e_2000(before, after)),
        skin=skin,
        lesion_against_skin=against,
        lightness=float(after[0] - before[0]),
    )


def _middle_colour(visit: Visit) -> npt.NDArray[np.float64]:
    """(3,) L*, a*, b* of the channel by channel median over the mask."""
    middle = np.median(visit.pixels[visit.mask], axis=0)
    return np.asarray(lab_of_pixels(np.asarray(np.round(middle), np.uint8)), np.float64)


def _shape_change(first: Measurements, second: Measurements, overlap: float | None) -> ShapeChange:
    return ShapeChange(
        compactness=second.border.compactness - first.border.compactness,
        solidity=second.border.solidity - first.border.solidity,
        asymmetry_long_axis=second.asymmetry.shape_long_axis - first.asymmetry.shape_long_axis,
        asymmetry_short_axis=second.asymmetry.shape_short_axis - first.asymmetry.shape_short_axis,
        overlap=overlap,
    )


def _notes(
    registration: Registration, first: Measurements, second: Measurements, colour: ColourChange
) -> tuple[str, ...]:
    found = f"likeness {registration.correlation:.2f}, common part {registration.overlap:.0%}"
    said = {
        REFUSED.format(found=found): not registration.accepted,
        LOWER_BOUND: first.size.touches_frame or second.size.touches_frame,
        LIGHT: colour.skin is not None and colour.skin >= SKIN_CHANGED,
    }
    return tuple(note for note, true in said.items() if true)
