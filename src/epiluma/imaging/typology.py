"""The individual typology angle (ITA) of a skin colour, its categories, and what a camera's error does to it.

ITA = atan2(L* - 50, b*) in degrees, in CIELAB under D65 (Chardon et al. 1991, doi:10.1111/j.1467-2494.1991.tb00561.x).
"""

from __future__ import annotations

from typing import Literal

import numpy as np

from epiluma.imaging.colour import Floats, lab_of_light, linear_light

Category = Literal["very light", "light", "intermediate", "tan", "brown", "dark", ""]
LOWER_BOUNDS: tuple[tuple[float, Category], ...] = (
    (55, "very light"),
    (41, "light"),
    (28, "intermediate"),
    (10, "tan"),
    (-30, "brown"),
)
"""Degrees; Del Bino and Bernerd 2013, doi:10.1111/bjd.12529. A category reaches down to its bound, not including it."""

GLARE = 245
"""A pixel with all channels at or above this is a reflection."""
GAIN_ERROR, LIGHT_ERROR = 0.05, 0.15
"""Relative standard uncertainty of a camera's red and blue gains, and of the exposure: assumptions, since a photo
does not tell them; cameras of one make and their automatic white balance differ by about as much."""


def category_of(ita: float) -> Category:
    """Del Bino's category of an angle in degrees; empty for NaN."""
    if np.isnan(ita):
        return ""
    return next((name for bound, name in LOWER_BOUNDS if ita > bound), "dark")


def typology_angle(light: Floats) -> Floats:
    """(..., 3) linear sRGB -> (...) degrees."""
    lab = lab_of_light(light)
    return np.asarray(np.degrees(np.arctan2(lab[..., 0] - 50, lab[..., 2])), np.float64)


def camera_error(colour: Floats) -> float:
    """How far the angle of an sRGB colour in [0, 1] moves with the camera's gains and the light, degrees."""
    changes = np.array([[1 + GAIN_ERROR, 1, 1], [1, 1, 1 + GAIN_ERROR], [1 + LIGHT_ERROR] * 3])
    light = linear_light(colour)
    return float(np.linalg.norm(turn(typology_angle(light * changes) - typology_angle(light))))


def turn(degrees: Floats) -> Floats:
    """The same turn between -180 and 180 degrees."""
    return (degrees + 180) % 360 - 180
