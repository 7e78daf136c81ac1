from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from epiluma.imaging.synthetic import fields

shapes = st.tuples(st.integers(8, 90), st.integers(8, 90))


def generator(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


@settings(max_examples=25, deadline=None)
@given(shape=shapes, cell=st.floats(0.3, 200), seed=st.integers(0, 1000))
def test_every_field_has_the_asked_shape_and_is_finite(shape: tuple[int, int], cell: float, seed: int) -> None:
    random = generator(seed)
    made = [
        fields.noise(random, shape, cell),
        fields.cloud(random, shape, cell),
        fields.grain(random, shape, angle=cell, length=cell, width=cell / 3),
        fields.network(random, np.ones(shape, bool), cell=max(cell, 3), line=1, disorder=0.2, soft=0.5),
    ]
    for field in made:
        assert field.shape == shape
        assert field.dtype == np.float32
        assert np.isfinite(field).all()


def test_noise_is_centred_and_changes_over_its_cell() -> None:
    field = fields.noise(generator(), (300, 300), 10)
    assert abs(field.mean()) < 0.1
    assert 0.5 < field.std() < 0.9

    def likeness(distance: int) -> float:
        return float(np.corrcoef(field[:, :-distance].ravel(), field[:, distance:].ravel())[0, 1])

    assert likeness(1) > 0.9, "neighbours are alike"
    assert abs(likeness(30)) < 0.1, "three cells away they are not"


def test_grain_is_drawn_out_along_its_angle() -> None:
    level = fields.grain(generator(), (200, 200), angle=0.0, length=40, width=4)
    assert np.abs(np.diff(level, axis=1)).mean() * 4 < np.abs(np.diff(level, axis=0)).mean()
    upright = fields.grain(generator(), (200, 200), angle=np.pi / 2, length=40, width=4)
    assert np.abs(np.diff(upright, axis=0)).mean() * 4 < np.abs(np.diff(upright, axis=1)).mean()


def test_smoothstep_matches_its_formula() -> None:
    x = np.array([-1.0, 2.0, 3.0, 4.0, 6.0, 9.0], np.float32)
    np.testing.assert_allclose(fields.smoothstep(2, 6, x), [0, 0, 0.15625, 0.5, 1, 1])


def test_network_lines_lie_a_cell_apart_and_only_where_asked() -> None:
    where = np.zeros((200, 200), bool)
    where[40:160, 40:160] = True
    # Without disorder it is a honeycomb: its spectrum has one ring, at the spacing of its rows (cell * sqrt(3) / 2).
    lines = fields.network(generator(), where, cell=12, line=2, disorder=0.0, soft=0.5)
    assert lines[:30].max() == 0
    inside = lines[44:156, 44:156]
    spectrum = np.abs(np.fft.fft2(inside - inside.mean()))
    frequency = np.hypot(*np.meshgrid(np.fft.fftfreq(112), np.fft.fftfreq(112)))
    assert 1 / frequency.ravel()[spectrum.argmax()] == pytest.approx(12 * np.sqrt(3) / 2, rel=0.1)


def test_network_of_an_empty_region_is_empty() -> None:
    empty = np.zeros((20, 30), bool)
    assert fields.network(generator(), empty, cell=5, line=1, disorder=0.2, soft=0).max() == 0


@pytest.mark.parametrize("radius", [3.0, 7.5, 20.0])
def test_spots_cover_the_area_of_their_circles(radius: float) -> None:
    drawn = fields.spots((80, 100), np.array([[50.0, 40.0]]), np.array([radius]), soft=0)
    assert drawn.sum() == pytest.approx(np.pi * radius**2, rel=0.08)
    rows, columns = np.indices(drawn.shape)
    assert (drawn * columns).sum() / drawn.sum() == pytest.approx(50, abs=0.5)
    assert (drawn * rows).sum() / drawn.sum() == pytest.approx(40, abs=0.5)


def test_rings_are_hollow() -> None:
    drawn = fields.rings((60, 60), np.array([[30.0, 30.0]]), np.array([15.0]), width=2)
    assert drawn[30, 30] == 0
    assert drawn[30, 14:18].max() > 0.6


def test_strokes_taper() -> None:
    path = np.stack([np.linspace(10, 190, 25), np.full(25, 30.0)], axis=1)
    drawn = fields.strokes((60, 200), [path], [8.0], soft=0)
    foot, tip = drawn[:, 20:40].sum(0).mean(), drawn[:, 165:185].sum(0).mean()
    assert foot == pytest.approx(8, rel=0.15)
    assert tip < foot * 0.6


def test_a_stroke_thinner_than_a_pixel_is_pale_not_missing() -> None:
    path = np.stack([np.linspace(5, 55, 25), np.full(25, 10.0)], axis=1)
    drawn = fields.strokes((20, 60), [path], [0.3], soft=0)
    assert 0.02 < drawn.max() < 0.5


def test_wander_has_the_asked_length_and_start() -> None:
    points = fields.wander(generator(), np.array([3.0, 4.0]), 1.0, length=50, bend=0.5)
    assert points[0].tolist() == [3.0, 4.0]
    assert np.linalg.norm(np.diff(points, axis=0), axis=1).sum() == pytest.approx(50, rel=1e-4)


def test_enlarge_keeps_the_mean() -> None:
    field = generator().random((20, 30), dtype=np.float32)
    assert fields.enlarge(field, (100, 120)).mean() == pytest.approx(float(field.mean()), abs=0.01)
