"""What is measured of one lesion: typed, immutable, ready for JSON. Definitions: docs/reference/measurements.md."""

from __future__ import annotations

from typing import Literal

import msgspec

from epiluma.imaging.typology import Category

ColourName = Literal["white", "red", "light brown", "dark brown", "blue-grey", "black"]
Band = Literal["benign", "suspicious", "highly suspicious"]
ScaleSource = Literal["given", "exif", "ruler"]


class _Record(msgspec.Struct, frozen=True, kw_only=True):
    """Base: immutable, extended only by adding optional fields."""


class Scale(_Record, frozen=True, kw_only=True):
    """How large a pixel of the photo is on the skin."""

    mm_per_pixel: float
    """Above 0."""
    relative_uncertainty: float
    """Standard uncertainty as a share of `mm_per_pixel`; 0 when it is not known, as for a given scale."""
    source: ScaleSource
    note: str = ""
    """What the figure rests on, a plain sentence."""


class Extent(_Record, frozen=True, kw_only=True):
    """Sizes in one unit: pixels of the photo, or millimetres (areas in their squares)."""

    area: float
    largest_diameter: float
    """Largest Feret diameter: distance of the two parallel lines furthest apart that touch the lesion."""
    smallest_diameter: float
    """The same for the two nearest."""
    equivalent_diameter: float
    """Of the circle that has the area."""
    perimeter: float


class Size(_Record, frozen=True, kw_only=True):
    """How large the lesion is."""

    pixels: Extent
    millimetres: Extent | None
    """None without a scale."""
    share: float
    """Of the photo, 0 to 1."""
    touches_frame: bool
    """Part of the lesion may lie outside the photo: then all sizes are lower bounds."""
    pieces: int
    """In the mask; the largest is measured."""


class Asymmetry(_Record, frozen=True, kw_only=True):
    """How the lesion differs from its mirror image about its two principal axes; 0 is symmetric."""

    shape_long_axis: float
    """1 - overlap with the mirror image about the longer axis, 0 to 1."""
    shape_short_axis: float
    colour_long_axis: float
    """Mean colour difference (CIE 1976) between places that the longer axis mirrors, 0 and up."""
    colour_short_axis: float
    elongation: float
    """Longer over shorter principal axis, 1 and up. Near 1 the direction of the axes is arbitrary."""


class Border(_Record, frozen=True, kw_only=True):
    """How regular and how sharp the border is."""

    compactness: float
    """Isoperimetric quotient 4 pi area / perimeter^2: 1 for a circle, towards 0 for a ragged border."""
    solidity: float
    """Area over the area of the convex hull, above 0 to 1."""
    radial_variation: float
    """Standard deviation over mean of the border's distance from the centroid: 0 for a circle."""
    abruptness: tuple[float | None, ...]
    """In eight sectors of 45 degrees from the longer axis on: the part of the change in lightness from lesion to skin
    that happens at the outline, 0 to 1. None where the sector's edge lies outside the photo."""


class ColourShare(_Record, frozen=True, kw_only=True):
    """One of the six colours of dermoscopy."""

    name: ColourName
    share: float
    """Of the lesion, 0 to 1."""
    present: bool
    """Whether the share suffices to count."""


class DermoscopyScore(_Record, frozen=True, kw_only=True):
    """The ABCD rule of dermoscopy as far as it can be measured: an interval, since D cannot."""

    a: int
    """Axes about which shape or colour is asymmetric, 0 to 2."""
    b: int
    """Sectors with an abrupt edge, 0 to 8."""
    c: int
    """Colours, 1 to 6."""
    structureless: float
    """Share of the lesion without visible structure, 0 to 1: all that is measured towards D."""
    lowest: float
    """Total dermoscopy score with D = 1."""
    highest: float
    """With D = 5."""
    lowest_band: Band
    highest_band: Band


class SkinTone(_Record, frozen=True, kw_only=True):
    """The skin around the lesion by the individual typology angle (ITA)."""

    ita: float
    """Degrees, -180 to 180; larger is lighter."""
    standard_error: float
    """Robust, over the sectors of the photo, degrees: how uneven the skin is, not how wrong the camera."""
    camera_uncertainty: float
    """Assumed standard uncertainty by white balance and exposure, degrees."""
    category: Category
    lab: tuple[float, float, float]
    """L*, a*, b* of the skin."""
    sectors: int
    """Of 16, those that show enough skin."""


class Measurements(_Record, frozen=True, kw_only=True):
    """All that is measured of one lesion in one photo. None of it is a diagnosis."""

    size: Size
    asymmetry: Asymmetry
    border: Border
    colours: tuple[ColourShare, ...]
    """All six, in the order of `ColourName`."""
    dermoscopy_score: DermoscopyScore
    skin_tone: SkinTone | None
    """None when too little skin is seen."""
    scale: Scale | None
    notes: tuple[str, ...]
    """What limits these figures, plain sentences."""
