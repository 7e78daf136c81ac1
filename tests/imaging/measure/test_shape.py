"""Circles, ellipses and rectangles have the figures that geometry gives them."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.spatial import ConvexHull

from epiluma.imaging.measure.shape import _hull, _outline, _perimeter, shape_of
from tests.imaging.measure.shapes import disc, ellipse, grid, rectangle

TILTS = [0, 7, 15, 22.5, 26.57, 30, 38, 45]


@pytest.mark.parametrize("radius", [10, 25, 60, 100])
def test_a_circle(radius: float) -> None:
    shape, _ = shape_of(disc(radius))
    assert shape.area == pytest.approx(math.pi * radius**2, rel=0.02)
    assert shape.perimeter == pytest.approx(2 * math.pi * radius, rel=0.005 + 0.2 / radius)
    # A drawn circle reaches half a pixel further than its radius, somewhere.
    assert shape.feret == pytest.approx((2 * radius, 2 * radius), abs=1.1)
    assert shape.outline_area / shape.hull_area > 1 - 0.6 / radius
    assert shape.deviations == pytest.approx((radius / 2, radius / 2), rel=0.01 + 0.2 / radius)


@pytest.mark.parametrize("degrees", TILTS)
@pytest.mark.parametrize(("a", "b"), [(50, 50), (80, 30)])
def test_a_rectangle_at_any_angle(a: float, b: float, degrees: float) -> None:
    shape, _ = shape_of(rectangle(a, b, degrees))
    assert shape.perimeter == pytest.approx(4 * (a + b), rel=0.025)
    assert shape.feret == pytest.approx((2 * math.hypot(a, b), 2 * b), abs=1.5)
    assert shape.outline_area / shape.hull_area > 0.975
    assert shape.deviations == pytest.approx((2 * a / math.sqrt(12), 2 * b / math.sqrt(12)), rel=0.02)
    if a != b:
        assert math.degrees(shape.angle) == pytest.approx(degrees, abs=0.3)


@pytest.mark.parametrize("degrees", TILTS)
def test_an_ellipse_at_any_angle(degrees: float) -> None:
    a, b = 80, 40
    shape, _ = shape_of(ellipse(a, b, degrees))
    ramanujan = math.pi * (3 * (a + b) - math.sqrt((3 * a + b) * (a + 3 * b)))
    assert shape.perimeter == pytest.approx(ramanujan, rel=0.01)
    assert shape.feret == pytest.approx((2 * a, 2 * b), abs=1.2)
    assert math.degrees(shape.angle) == pytest.approx(degrees, abs=0.3)


def test_half_a_circle_has_its_centroid() -> None:
    x, y = grid()
    shape, _ = shape_of((np.hypot(x, y) <= 80) & (y > 0))
    assert shape.centroid[1] - 112 == pytest.approx(4 * 80 / (3 * math.pi), abs=0.5)
    assert shape.feret == pytest.approx((160, 80), abs=1.1)
    assert abs(shape.angle) < 0.01


def test_one_pixel() -> None:
    shape, _ = shape_of(np.ones((1, 1), bool))
    assert (shape.area, shape.outline_area, shape.hull_area) == (1, 0.5, 0.5)
    assert shape.feret == pytest.approx((1, math.sqrt(0.5)))
    assert shape.perimeter > 0


def test_a_hole_is_filled() -> None:
    ring = disc(60) & ~disc(20)
    shape, mask = shape_of(ring)
    assert np.array_equal(mask, disc(60))
    assert shape.perimeter == shape_of(disc(60))[0].perimeter


def test_the_hull_is_scipy_s() -> None:
    rng = np.random.default_rng(0)
    for _ in range(50):
        mask = rng.random((12, 17)) < 0.3
        points = _outline(np.pad(mask, 2))
        corners = _hull(points)
        expected = ConvexHull(points)
        x, y = corners.T
        assert abs(x @ np.roll(y, -1) - y @ np.roll(x, -1)) / 2 == pytest.approx(expected.volume)
        assert {tuple(corner) for corner in points[expected.vertices]} <= {tuple(corner) for corner in corners}


def test_the_perimeter_of_a_long_edge_is_right_in_any_direction() -> None:
    """What eight directions leave of the dependence on direction, over every degree."""
    found = [_perimeter(np.pad(rectangle(80, 40, degrees), 2)) / 480 for degrees in range(0, 90, 3)]
    assert max(found) < 1.015
    assert min(found) > 0.98
