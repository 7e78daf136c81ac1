"""Colour as numbers: sRGB to CIE L*a*b*, and how different two colours look (CIEDE2000)."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Lab = npt.NDArray[np.float32]
"""(..., 3): L* 0 to 100, a* (green to red) and b* (blue to yellow) about -128 to 127; D65, 2 degree observer."""

XYZ = np.array(
    [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750], [0.0193339, 0.1191920, 0.9503041]]
)
"""Linear sRGB -> CIE XYZ (IEC 61966-2-1)."""
WHITE = np.array([0.95047, 1.0, 1.08883])
"""XYZ of D65, from which L* = 100."""
_KNEE = (6 / 29) ** 3
"""Below this share of the white, L*a*b* is linear (CIE 15)."""


def linear_light(colour: Floats) -> Floats:
    """SRGB in [0, 1] -> light in [0, 1] (IEC 61966-2-1)."""
    return np.where(colour <= 0.04045, colour / 12.92, ((colour + 0.055) / 1.055) ** 2.4)


def lab_of_light(light: npt.NDArray[np.floating]) -> npt.NDArray[np.floating]:
    """(..., 3) linear sRGB in [0, 1] -> (..., 3) CIE L*a*b* in the same precision (CIE 15)."""
    share = light @ (XYZ / WHITE[:, None]).T.astype(light.dtype)
    root = np.cbrt(share)
    dark = share <= _KNEE
    if dark.any():
        root[dark] = share[dark] / (3 * (6 / 29) ** 2) + 4 / 29
    lab: npt.NDArray[np.floating] = np.empty_like(root)
    lab[..., 0] = 116 * root[..., 1] - 16
    lab[..., 1] = 500 * (root[..., 0] - root[..., 1])
    lab[..., 2] = 200 * (root[..., 1] - root[..., 2])
    return lab


_LIGHT = linear_light(np.arange(256) / 255).astype(np.float32)


def lab_of_pixels(pixels: npt.NDArray[np.uint8]) -> Lab:
    """(..., 3) 8-bit sRGB -> (..., 3) CIE L*a*b*, float32."""
    return np.asarray(lab_of_light(_LIGHT[pixels]), np.float32)


def delta_e_2000(first: npt.ArrayLike, second: npt.ArrayLike) -> Floats:
    """(..., 3) and (..., 3) L*a*b* -> (...) colour difference CIEDE2000, 0 and up; about 1 can just be seen.

    Sharma, Wu and Dalal 2005, doi:10.1002/col.20070, with all parametric factors 1.
    """
    l1, a1, b1 = np.moveaxis(np.asarray(first, np.float64), -1, 0)
    l2, a2, b2 = np.moveaxis(np.asarray(second, np.float64), -1, 0)
    seventh = ((np.hypot(a1, b1) + np.hypot(a2, b2)) / 2) ** 7
    stretch = 1 + 0.5 * (1 - np.sqrt(seventh / (seventh + 25.0**7)))
    c1, c2 = np.hypot(stretch * a1, b1), np.hypot(stretch * a2, b2)
    h1, h2 = (np.degrees(np.arctan2(b, stretch * a)) % 360 for a, b in ((a1, b1), (a2, b2)))
    grey = c1 * c2 == 0  # then one of the hues means nothing
    turn = np.where(grey, 0, (h2 - h1 + 180) % 360 - 180)
    turn = np.where(np.isclose(h2 - h1, 180, atol=1e-12), 180, turn)
    lightness, chroma = l2 - l1, c2 - c1
    hue = 2 * np.sqrt(c1 * c2) * np.sin(np.radians(turn) / 2)
    means = (l1 + l2) / 2, (c1 + c2) / 2, _mean_hue(h1, h2, grey)
    return _weighted((lightness, chroma, hue), means)


def _mean_hue(h1: Floats, h2: Floats, grey: npt.NDArray[np.bool_]) -> Floats:
    """Degrees halfway along the shorter way round; the sum where one colour is grey (Sharma et al., equation 14)."""
    total = h1 + h2
    near = np.abs(h1 - h2) <= 180
    far = np.where(total < 360, total + 360, total - 360) / 2
    return np.where(grey, total, np.where(near, total / 2, far))


def _weighted(differences: tuple[Floats, Floats, Floats], means: tuple[Floats, Floats, Floats]) -> Floats:
    """The three differences by their weights, with the rotation of blue (Sharma et al., equations 15 to 22)."""
    (lightness, chroma, hue), (mean_l, mean_c, mean_h) = differences, means
    cosine = [np.cos(np.radians(factor * mean_h + offset)) for factor, offset in ((1, -30), (2, 0), (3, 6), (4, -63))]
    skew = 1 - 0.17 * cosine[0] + 0.24 * cosine[1] + 0.32 * cosine[2] - 0.20 * cosine[3]
    square = (mean_l - 50) ** 2
    weight_l = 1 + 0.015 * square / np.sqrt(20 + square)
    weight_c, weight_h = 1 + 0.045 * mean_c, 1 + 0.015 * mean_c * skew
    blue = 30 * np.exp(-(((mean_h - 275) / 25) ** 2))
    rotation = -2 * np.sqrt(mean_c**7 / (mean_c**7 + 25.0**7)) * np.sin(np.radians(2 * blue))
    l_part, c_part, h_part = lightness / weight_l, chroma / weight_c, hue / weight_h
    return np.asarray(np.sqrt(l_part**2 + c_part**2 + h_part**2 + rotation * c_part * h_part), np.float64)
