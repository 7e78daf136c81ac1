"""A drawn ruler has the spacing that it was drawn with; hair, grids and noise are no ruler."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image, ImageDraw

from epiluma.imaging.measure import ImpossibleScale, find_ruler, scale_from_ruler
from tests.imaging.measure.shapes import disc, photo


def skin(seed: int = 0, *, noise: int = 4) -> Image.Image:
    rng = np.random.default_rng(seed)
    pixels = photo(disc(60, height=450, width=600)).astype(int) + rng.integers(-noise, noise + 1, (450, 600, 1))
    return Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8))


def with_ruler(spacing: float, degrees: float, *, ticks: int = 12, longer: int = 5, halves: bool = False) -> np.ndarray:
    """Ticks as long as they are apart, each `longer`-th twice that; drawn fourfold and reduced."""
    canvas = skin().resize((2400, 1800))
    draw = ImageDraw.Draw(canvas)
    along = np.array([np.cos(np.radians(degrees)), -np.sin(np.radians(degrees))])
    across = np.array([-along[1], along[0]])
    start = np.array([300.0, 225.0]) - along * spacing * (ticks - 1) / 2 + across * 120
    for i in range(2 * ticks - 1):
        if i % 2 and not halves:
            continue
        foot = start + along * spacing * i / 2
        length = spacing * (0.35 if i % 2 else 1.6 if (i // 2) % longer == 0 else 0.8)
        draw.line([*(4 * foot), *(4 * (foot + across * length))], fill=(30, 25, 25), width=6)
    return np.asarray(canvas.reduce(4))


@pytest.mark.parametrize("degrees", [0, 3, 40, 90, 133])
@pytest.mark.parametrize("spacing", [11.3, 24.0])
def test_the_spacing_is_the_drawn_one(spacing: float, degrees: float) -> None:
    found = find_ruler(with_ruler(spacing, degrees))
    assert found is not None
    assert found.spacing == pytest.approx(spacing, rel=0.01)
    assert found.ticks >= 10
    turn = (found.angle - degrees + 90) % 180 - 90
    assert abs(turn) <= 5


@pytest.mark.parametrize("spacing", [16.0, 30.0])
def test_shorter_ticks_halfway_do_not_count(spacing: float) -> None:
    found = find_ruler(with_ruler(spacing, 0, halves=True, longer=100))
    assert found is not None
    assert found.spacing == pytest.approx(spacing, rel=0.01)


def test_the_scale_is_what_the_caller_says_of_the_ticks() -> None:
    found = scale_from_ruler(with_ruler(20, 0), tick_mm=0.5)
    assert found is not None
    assert found.mm_per_pixel == pytest.approx(0.5 / 20, rel=0.01)
    assert 0.02 <= found.relative_uncertainty < 0.03
    assert found.source == "ruler"
    with pytest.raises(ImpossibleScale):
        scale_from_ruler(with_ruler(20, 0), tick_mm=0)


def test_too_few_ticks_are_no_ruler() -> None:
    assert find_ruler(with_ruler(20, 0, ticks=5)) is None


@pytest.mark.parametrize("seed", range(3))
def test_hair_is_no_ruler(seed: int) -> None:
    canvas = skin(seed)
    draw, rng = ImageDraw.Draw(canvas), np.random.default_rng(seed)
    for _ in range(60):  # combed: nearly parallel, unevenly apart
        x, y = rng.uniform(0, 600), rng.uniform(0, 450)
        length, slant = rng.uniform(20, 90), rng.normal(0, 4)
        draw.line([x, y, x + slant, y + length], fill=(40, 30, 25), width=2)
    assert find_ruler(np.asarray(canvas)) is None


def test_a_grid_of_long_lines_is_no_ruler() -> None:
    canvas = skin()
    draw = ImageDraw.Draw(canvas)
    for x in range(10, 600, 20):
        draw.line([x, 0, x, 450], fill=(40, 30, 25), width=2)
    assert find_ruler(np.asarray(canvas)) is None


@pytest.mark.parametrize("noise", [4, 60])
def test_skin_and_noise_are_no_ruler(noise: int) -> None:
    assert find_ruler(np.asarray(skin(noise=noise))) is None


def test_a_tiny_photo() -> None:
    assert find_ruler(np.zeros((1, 3, 3), np.uint8)) is None
