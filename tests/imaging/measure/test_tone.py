"""The skin's angle is the formula's, from skin alone, with an error that grows as the skin varies."""

from __future__ import annotations

import math

import numpy as np
import pytest

from epiluma.imaging.artefacts import find_artefacts
from epiluma.imaging.colour import lab_of_pixels
from epiluma.imaging.measure.tone import skin_tone
from epiluma.imaging.skin import skin_tone as thorough_skin_tone
from tests.imaging.measure.shapes import BROWN, disc, grid, photo
from tests.imaging.tones import TONES


def ita_of(colour: tuple[int, ...]) -> float:
    lightness, _, b = lab_of_pixels(np.array(colour, np.uint8)).astype(float)
    return math.degrees(math.atan2(lightness - 50, b))


@pytest.mark.parametrize("size", [{}, {"height": 40, "width": 60}, {"height": 1200, "width": 900}])
@pytest.mark.parametrize(
    ("skin", "category"),
    TONES,
)
def test_skin_of_one_colour(skin: tuple[int, ...], category: str, size: dict[str, int]) -> None:
    mask = disc(min(size.get("height", 225), size.get("width", 300)) / 4, **size)
    found = skin_tone(photo(mask, (60, 40, 30), skin), mask)
    assert found is not None
    assert found.ita == pytest.approx(ita_of(skin), abs=1e-3)
    assert found.standard_error == pytest.approx(0, abs=1e-6)
    assert found.camera_uncertainty > 1
    assert found.category == category


def test_glare_surround_and_the_lesion_s_edge_do_not_count() -> None:
    x, y = grid()
    mask = disc(50)
    pixels = photo(disc(54), BROWN, (224, 180, 150))
    pixels[(y < -60) & (x < 0)] = 255
    pixels[np.hypot(x, y) > 150] = 4
    found = skin_tone(pixels, mask)
    assert found is not None
    assert found.ita == pytest.approx(ita_of((224, 180, 150)), abs=1e-3)


def test_uneven_skin_makes_the_error_larger() -> None:
    mask = disc(50)
    even = photo(mask, skin=(224, 180, 150))
    x, _ = grid()
    uneven = (even * np.interp(x, (-150, 150), (0.7, 1.0))[..., None]).astype(np.uint8)
    first, second = skin_tone(even, mask), skin_tone(uneven, mask)
    assert first is not None
    assert second is not None
    assert second.standard_error > first.standard_error + 0.5


def test_it_agrees_with_the_thorough_way_over_data_sets() -> None:
    mask = disc(50)
    rng = np.random.default_rng(0)
    noisy = np.clip(photo(mask, skin=(210, 170, 140)).astype(int) + rng.integers(-15, 16, (225, 300, 3)), 0, 255)
    pixels = noisy.astype(np.uint8)
    found, thorough = skin_tone(pixels, mask), thorough_skin_tone(pixels, mask, find_artefacts(pixels))
    assert found is not None
    assert found.ita == pytest.approx(thorough.ita, abs=1.5)


def test_too_little_skin_has_no_angle() -> None:
    x, y = grid()
    mask = (abs(x) < 140) & (abs(y) < 105)
    assert skin_tone(photo(mask), mask) is None
