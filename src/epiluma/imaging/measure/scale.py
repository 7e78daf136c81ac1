"""How large a pixel is on the skin: said by the caller, or worked out from what the camera wrote.

A ruler in the photo is the third way: `epiluma.imaging.measure.ruler`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

from epiluma.errors import EpilumaError
from epiluma.imaging.formats import exif
from epiluma.imaging.measure.records import Scale

MM_PER_UNIT = {2: 25.4, 3: 10.0, 4: 1.0, 5: 0.001}
"""FocalPlaneResolutionUnit: inch and centimetre (EXIF 2.32); millimetre and micrometre as some cameras write."""
DISTANCE_ERROR = 0.10
"""Relative standard uncertainty of SubjectDistance as cameras write it: an assumption."""
MAX_UNCERTAINTY = 0.30
"""A scale that is less certain than this is not given."""


class ImpossibleScale(EpilumaError):
    """A scale that no photo has."""


def given_scale(mm_per_pixel: float) -> Scale:
    """The scale that the caller knows, such as of a calibrated dermatoscope. Raises ImpossibleScale unless above 0."""
    if not (math.isfinite(mm_per_pixel) and mm_per_pixel > 0):
        raise ImpossibleScale(f"a pixel cannot be {mm_per_pixel} mm wide: give millimetres per pixel, such as 0.02")
    return Scale(mm_per_pixel=mm_per_pixel, relative_uncertainty=0.0, source="given")


def scale_from_exif(tags: Mapping[int, float], *, longest_side: int) -> Scale | None:
    """The scale by focal length, distance and the sensor's resolution; None unless all three are there and plausible.

    A thin lens of focal length f that images an object at distance s enlarges it f / (s - f) times, and the sensor's
    pixel pitch over that is the pixel's size on the object. `longest_side` is that of the photo as it is now, pixels:
    the camera's own, PixelXDimension, tells by how much it was reduced. XResolution is about printing, not used.
    The distance counts from the lens in the formula and from the sensor in some cameras, so close up the result is
    refused. `tags` are what `imaging.formats.exif.camera_numbers` reads.
    """
    pitch = _pixel_pitch(tags)
    focal, distance = (_number(tags, tag) for tag in (exif.FOCAL_LENGTH, exif.SUBJECT_DISTANCE))
    sides = [_number(tags, tag) for tag in (exif.PIXELS_ACROSS, exif.PIXELS_DOWN)]
    zoom = _number(tags, exif.DIGITAL_ZOOM) or 1.0
    if pitch is None or focal is None or distance is None or zoom > 1 or None in sides:
        return None
    beyond = 1000 * distance - focal  # SubjectDistance is in metres
    if beyond <= 0:
        return None
    uncertainty = math.hypot(DISTANCE_ERROR, focal / beyond)
    if uncertainty > MAX_UNCERTAINTY:
        return None
    reduced = max(side for side in sides if side is not None) / longest_side
    return Scale(
        mm_per_pixel=pitch * reduced * beyond / focal,
        relative_uncertainty=uncertainty,
        source="exif",
        note=f"Millimetres by what the camera wrote of lens and distance, uncertain by about {uncertainty:.0%}.",
    )


def _pixel_pitch(tags: Mapping[int, float]) -> float | None:
    """Millimetres between pixels on the sensor, if they are square."""
    across, down = (_number(tags, tag) for tag in (exif.RESOLUTION_ACROSS, exif.RESOLUTION_DOWN))
    unit = tags.get(exif.RESOLUTION_UNIT, 2)  # an inch unless said (EXIF 2.32)
    if across is None or down is None or abs(across - down) > 0.01 * across or unit not in MM_PER_UNIT:
        return None
    return MM_PER_UNIT[int(unit)] / across


def _number(tags: Mapping[int, float], tag: int) -> float | None:
    """A tag's positive number; zero and all bits set stand for unknown and infinite."""
    value = tags.get(tag, 0.0)
    return value if 0 < value < 2**31 else None
