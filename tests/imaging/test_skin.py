"""The angle of a known colour is the one of the formula, and only skin counts."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from epiluma.imaging.artefacts import find_artefacts
from epiluma.imaging.skin import category_of, estimate_lesion, skin_tone
from tests.imaging.tones import TONES

NOWHERE = np.zeros((120, 120), bool)


def lab_of(red: int, green: int, blue: int) -> tuple[float, float, float]:
    """CIELAB (D65, 2 degrees) from 8-bit sRGB, by the formulas of IEC 61966-2-1 and CIE 15."""
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in (red / 255, green / 255, blue / 255)]
    x = (0.4124564 * linear[0] + 0.3575761 * linear[1] + 0.1804375 * linear[2]) / 0.95047
    y = 0.2126729 * linear[0] + 0.7151522 * linear[1] + 0.0721750 * linear[2]
    z = (0.0193339 * linear[0] + 0.1191920 * linear[1] + 0.9503041 * linear[2]) / 1.08883
    fx, fy, fz = (t ** (1 / 3) if t > (6 / 29) ** 3 else t / (3 * (6 / 29) ** 2) + 4 / 29 for t in (x, y, z))
    return 116 * fy - 16, 500 * (fx - fy), 200 * (fy - fz)


def ita_of(red: int, green: int, blue: int) -> float:
    lightness, _, b = lab_of(red, green, blue)
    return math.degrees(math.atan2(lightness - 50, b))


def plain(colour: tuple[int, int, int], side: int = 120) -> np.ndarray:
    return np.full((side, side, 3), colour, np.uint8)


@settings(max_examples=60, deadline=None)
@given(st.integers(90, 240), st.integers(60, 220), st.integers(20, 200))
def test_the_angle_of_one_colour_is_the_formula_s(red: int, green: int, blue: int) -> None:
    if abs(lab_of(red, green, blue)[2]) + abs(lab_of(red, green, blue)[0] - 50) < 3:
        return  # a grey of middle lightness has no angle
    found = skin_tone(plain((red, green, blue)), NOWHERE)
    difference = (found.ita - ita_of(red, green, blue) + 180) % 360 - 180
    assert abs(difference) < 1e-3
    assert found.uncertainty > 0


@pytest.mark.parametrize(
    ("colour", "category"),
    TONES,
)
def test_categories_of_colours_from_pale_to_dark(colour: tuple[int, int, int], category: str) -> None:
    assert skin_tone(plain(colour), NOWHERE).category == category


@pytest.mark.parametrize(
    ("ita", "category"),
    [(55.1, "very light"), (55.0, "light"), (41, "intermediate"), (28, "tan"), (10, "brown"), (-30, "dark")],
)
def test_a_category_ends_at_its_bound(ita: float, category: str) -> None:
    assert category_of(ita) == category


def test_lesion_hair_glare_and_surround_do_not_count() -> None:
    frame = plain((224, 180, 150), 256)
    lesion = np.zeros((256, 256), bool)
    lesion[90:160, 80:170] = True
    frame[lesion] = (90, 50, 40)
    frame[20:24] = (40, 30, 30)
    frame[200:215, 30:60] = 255
    y, x = np.mgrid[:256, :256] - 127.5
    frame[np.hypot(x, y) > 150] = 5
    found = skin_tone(frame, lesion, find_artefacts(frame))
    assert found.ita == pytest.approx(ita_of(224, 180, 150), abs=0.5)
    ignored = skin_tone(frame, np.zeros_like(lesion))
    assert found.pixels < ignored.pixels


def test_uneven_light_makes_the_angle_less_certain() -> None:
    even = plain((224, 180, 150), 256)
    shade = np.linspace(0.7, 1.0, 256)[:, None, None]
    uneven = (even * shade).astype(np.uint8)
    nowhere = np.zeros((256, 256), bool)
    angles = [ita_of(*(round(c * s) for c in (224, 180, 150))) for s in (0.7375, 0.8125, 0.8875, 0.9625)]
    first, second = skin_tone(even, nowhere), skin_tone(uneven, nowhere)
    expected = np.hypot(np.std(np.repeat(angles, 4), ddof=1), first.uncertainty)
    assert second.uncertainty == pytest.approx(expected, rel=0.15)


def test_the_white_balance_term_is_the_effect_of_its_gains() -> None:
    """Recomputed from the formulas: 5% in red, 5% in blue, 15% in all, each in linear light."""
    colour = (200, 158, 124)

    def changed(*gains: float) -> float:
        linear = [((c / 255 + 0.055) / 1.055) ** 2.4 * gain for c, gain in zip(colour, gains, strict=True)]
        coded = [255 * (1.055 * value ** (1 / 2.4) - 0.055) for value in linear]
        return ita_of(*coded) - ita_of(*colour)  # type: ignore[arg-type]

    expected = math.hypot(changed(1.05, 1, 1), changed(1, 1, 1.05), changed(1.15, 1.15, 1.15))
    assert skin_tone(plain(colour), NOWHERE).uncertainty == pytest.approx(expected, rel=1e-4)


def test_without_skin_there_is_no_angle() -> None:
    found = skin_tone(plain((100, 60, 50)), ~NOWHERE)
    assert np.isnan(found.ita)
    assert np.isnan(found.uncertainty)
    assert (found.pixels, found.category) == (0, "")


def test_the_estimated_lesion_is_the_drawn_one() -> None:
    frame = plain((224, 180, 150), 256)
    y, x = np.mgrid[:256, :256]
    drawn = np.hypot(x - 140, y - 120) < 45
    frame[drawn] = (120, 72, 60)
    frame[:30, :40] = (110, 70, 60)  # a shadow at the edge
    found = estimate_lesion(frame)
    assert (found & drawn).sum() / (found | drawn).sum() > 0.9


def test_one_colour_has_no_lesion() -> None:
    assert not estimate_lesion(plain((224, 180, 150))).any()
