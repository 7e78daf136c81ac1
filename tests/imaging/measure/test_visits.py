"""Two visits, the second made from the first by a known transform and a known growth."""

from __future__ import annotations

import cmath
import math

import numpy as np
import pytest

from epiluma.imaging.colour import delta_e_2000, lab_of_pixels
from epiluma.imaging.measure import MaskMismatch, NoLesion, Visit, compare_visits, given_scale
from epiluma.imaging.measure.registration import blurred
from epiluma.imaging.measure.visits import GAINED, KEPT, LIGHT, LOST, LOWER_BOUND
from tests.imaging.measure.shapes import BROWN, SKIN, disc, grid, photo

STAY = (1.0 + 0j, 0j)


def texture(seed: int) -> np.ndarray:
    """Skin marks on a plane twice as large as a photo, grey levels."""
    rng = np.random.default_rng(seed)
    fine, coarse = (blurred(rng.normal(0, 1, (450, 600)), reach) for reach in (1, 4))
    return np.asarray(6 * fine / fine.std() + 6 * coarse / coarse.std())


def visit(
    seed: int,
    radius: float,
    transform: tuple[complex, complex] = STAY,
    lesion: tuple[int, ...] = BROWN,
    light: float = 1.0,
) -> Visit:
    """A photo whose point turn * z + shift shows what lies at z on the skin."""
    turn, shift = transform
    x, y = grid()
    place = (x + 1j * y - shift) / turn
    mask = abs(place) <= radius
    columns = np.clip(np.round(place.real + 300), 0, 599).astype(int)
    rows = np.clip(np.round(place.imag + 225), 0, 449).astype(int)
    marks = texture(seed)[rows, columns]
    pixels = photo(mask, lesion, SKIN) * light + marks[..., None] + (0 if light == 1 else 3)
    return Visit(np.clip(pixels, 0, 255).astype(np.uint8), mask)


@pytest.mark.parametrize(
    ("enlargement", "degrees", "shift"), [(1.0, 0, 0j), (1.0, 12, 9 - 6j), (1.2, -25, -8 + 4j), (0.85, 170, 5 + 5j)]
)
def test_a_known_transform_and_a_known_growth(enlargement: float, degrees: float, shift: complex) -> None:
    later = visit(1, 40 * 1.15, (cmath.rect(enlargement, math.radians(degrees)), shift))
    found = compare_visits(visit(1, 40), later)
    registration, size = found.evolution.registration, found.evolution.size
    assert registration.accepted
    assert registration.enlargement == pytest.approx(enlargement, rel=0.01)
    assert (registration.rotation - degrees + 180) % 360 - 180 == pytest.approx(0, abs=0.5)
    assert complex(*registration.shift) == pytest.approx(shift, abs=1)
    assert size is not None
    assert size.by == "registration"
    assert size.area == pytest.approx(1.15**2 - 1, abs=0.03)
    assert size.largest_diameter == pytest.approx(0.15, abs=0.02)
    assert found.evolution.shape.overlap == pytest.approx(1 / 1.15**2, abs=0.03)


def test_the_change_map_shows_where_it_grew() -> None:
    earlier, later = visit(2, 40), visit(2, 48)
    grown = later.mask & ~earlier.mask
    codes = compare_visits(earlier, later).change_map
    back = compare_visits(later, earlier).change_map
    assert codes is not None
    assert back is not None
    assert codes.shape == earlier.mask.shape
    assert np.mean(codes[grown] == GAINED) > 0.9
    assert np.mean(codes[earlier.mask] == KEPT) > 0.97
    assert np.mean(back[grown] == LOST) > 0.9


def test_other_skin_is_refused_and_sizes_with_it() -> None:
    found = compare_visits(visit(3, 40), visit(4, 46))
    assert not found.evolution.registration.accepted
    assert found.evolution.size is None
    assert found.change_map is None
    assert found.evolution.shape.overlap is None
    assert "could not be laid over" in found.evolution.notes[0]


def test_skin_without_marks_is_refused() -> None:
    mask = disc(40)
    found = compare_visits(Visit(photo(mask), mask), Visit(photo(disc(50)), disc(50)))
    assert not found.evolution.registration.accepted


def test_two_scales_compare_what_cannot_be_laid_over() -> None:
    one, other = visit(3, 40), visit(4, 40)
    found = compare_visits(
        Visit(one.pixels, one.mask, given_scale(0.1)), Visit(other.pixels, other.mask, given_scale(0.12))
    ).evolution.size
    assert found is not None
    assert found.by == "scales"
    assert found.area == pytest.approx(0.44, abs=0.001)
    assert found.area_mm2 == pytest.approx(math.pi * 16 * 0.44, rel=0.01)
    assert found.largest_diameter_mm == pytest.approx(1.6, abs=0.05)


def test_a_darker_lesion_and_the_same_skin() -> None:
    found = compare_visits(visit(5, 40), visit(5, 40, lesion=(90, 50, 30))).evolution.colour
    before, after = lab_of_pixels(np.array([BROWN, (90, 50, 30)], np.uint8))
    assert found.skin is not None
    assert found.skin < 0.5
    assert found.lesion == pytest.approx(float(delta_e_2000(before, after)), abs=1)
    assert found.lightness == pytest.approx(after[0] - before[0], abs=1)


def test_other_light_is_told_from_a_changed_lesion() -> None:
    found = compare_visits(visit(6, 40), visit(6, 40, light=0.85)).evolution
    assert found.colour.skin is not None
    assert found.colour.skin > 3
    assert LIGHT in found.notes
    assert found.colour.lesion_against_skin is not None
    assert found.colour.lesion_against_skin < found.colour.lesion


def test_a_lesion_at_the_frame_may_only_be_framed_otherwise() -> None:
    assert LOWER_BOUND in compare_visits(visit(7, 40), visit(7, 40, (1 + 0j, 120 + 0j))).evolution.notes


def test_what_cannot_be_measured_cannot_be_compared() -> None:
    one = visit(8, 40)
    with pytest.raises(NoLesion):
        compare_visits(one, Visit(one.pixels, np.zeros_like(one.mask)))
    with pytest.raises(MaskMismatch):
        compare_visits(Visit(one.pixels, one.mask[1:]), one)
