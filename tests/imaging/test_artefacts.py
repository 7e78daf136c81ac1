"""Drawn artefacts are found where they were drawn, and a clean photo has none."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image, ImageDraw

from epiluma.imaging import artefacts
from epiluma.imaging.artefacts import Frame, find_artefacts, working_frame

SKIN = (224, 176, 160)
SIZE = 256


def skin(colour: tuple[int, int, int] = SKIN, *, noise: float = 3.0, size: tuple[int, int] = (SIZE, SIZE)) -> Frame:
    """Uniform skin with sensor noise and a dark lesion in the middle."""
    image = Image.new("RGB", size, colour)
    x, y = size[0] / 2, size[1] / 2
    ImageDraw.Draw(image).ellipse((x - 40, y - 40, x + 40, y + 40), fill=(120, 72, 60))
    random = np.random.default_rng(0)
    pixels = np.asarray(image, float) + random.normal(0, noise, (size[1], size[0], 1))
    return np.clip(pixels, 0, 255).astype(np.uint8)


def with_lines(
    lines: list[tuple[float, float, float, float]],
    *,
    width: int = 2,
    colour: tuple[int, int, int] = (40, 30, 28),
) -> Frame:
    image = Image.fromarray(skin())
    pen = ImageDraw.Draw(image)
    for line in lines:
        pen.line(line, fill=colour, width=width)
    return np.asarray(image)


def test_clean_skin_has_nothing() -> None:
    found = find_artefacts(skin())
    assert not found.hair.any()
    assert not found.ink.any()
    assert not found.dark_corners.any()
    assert found.ruler < 0.2
    assert found.border == 0


HAIRS = [(10.0, 20.0, 120.0, 60.0), (200.0, 10.0, 230.0, 240.0), (5.0, 250.0, 110.0, 200.0), (150.0, 30.0, 250.0, 45.0)]


@pytest.mark.parametrize("width", [1, 2, 3, 4])
def test_hairs_are_found_where_they_lie(width: int) -> None:
    frame = with_lines(HAIRS, width=width)
    drawn = (frame.max(axis=2) < 60) & (skin().max(axis=2) > 110)
    found = artefacts.find_hair(frame)
    assert (found & drawn).sum() / drawn.sum() > 0.85
    reach = np.asarray(Image.fromarray(drawn).resize((SIZE, SIZE))).copy()
    for shift in (-2, -1, 1, 2):
        reach |= np.roll(drawn, shift, 0) | np.roll(drawn, shift, 1)
    assert (found & reach).sum() / found.sum() > 0.95


def test_dots_short_lines_and_broad_bands_are_no_hair() -> None:
    image = Image.fromarray(skin())
    pen = ImageDraw.Draw(image)
    for x in range(20, 250, 30):
        pen.ellipse((x, 20, x + 5, 25), fill=(60, 40, 35))
        pen.line((x, 230, x + 8, 236), fill=(60, 40, 35), width=2)
    pen.line((0, 70, 255, 70), fill=(120, 72, 60), width=14)
    assert artefacts.find_hair(np.asarray(image)).mean() < 0.002


def ruler(*, spacing: float, angle: float, ticks: int = 12) -> Frame:
    """Ticks 10 px long and 2 px wide along a base line through (40, 40) or the left edge."""
    along = np.array([np.cos(np.deg2rad(angle)), np.sin(np.deg2rad(angle))])
    across = np.array([-along[1], along[0]])
    start = np.array([30.0, 200.0 if angle < 0 else 30.0])
    lines = [tuple(np.concatenate([start, start + along * spacing * (ticks - 1)]))]
    for k in range(ticks):
        foot = start + along * spacing * k
        lines.append(tuple(np.concatenate([foot, foot + across * 10])))
    return with_lines(lines)


@pytest.mark.parametrize("angle", [0, 20, 45, 90, -37])
@pytest.mark.parametrize("spacing", [6, 10, 15])
def test_a_ruler_is_told_from_skin_whatever_its_angle(spacing: float, angle: float) -> None:
    assert artefacts.find_ruler(ruler(spacing=spacing, angle=angle)) > 0.6


def test_a_few_hairs_and_irregular_marks_are_no_ruler() -> None:
    random = np.random.default_rng(4)
    feet = random.uniform((10, 10), (245, 245), (25, 2))
    marks = [(x, y, x + 3, y + 10) for x, y in feet.tolist()]
    assert artefacts.find_ruler(with_lines(HAIRS)) < 0.5
    assert artefacts.find_ruler(with_lines(marks)) < 0.5


def test_long_parallel_lines_are_no_ruler() -> None:
    """Combed hair is regular too, but it does not end after ten pixels."""
    combed = with_lines([(x, 0, x, 255) for x in range(10, 250, 12)])
    ticks = with_lines([(x, 20, x, 30) for x in range(10, 250, 12)])
    assert artefacts.find_ruler(combed) < 0.3
    assert artefacts.find_ruler(ticks) > 0.8


@pytest.mark.parametrize("colour", [(40, 70, 200), (90, 60, 190), (30, 150, 90)], ids=["blue", "violet", "green"])
def test_the_share_of_ink_is_that_of_the_drawn_blot(colour: tuple[int, int, int]) -> None:
    frame = skin()
    frame[10:50, 20:80] = colour
    found = artefacts.find_ink(frame)
    assert found.mean() == pytest.approx(40 * 60 / SIZE**2, rel=0.02)
    assert found[10:50, 20:80].all()


@pytest.mark.parametrize(
    "colour",
    [(110, 112, 140), (150, 60, 110), (60, 40, 35), (235, 225, 240)],
    ids=["blue-grey veil", "vessel", "pigment", "scar"],
)
def test_what_belongs_to_skin_is_no_ink(colour: tuple[int, int, int]) -> None:
    frame = skin()
    frame[10:50, 20:80] = colour
    assert not artefacts.find_ink(frame).any()


def test_a_tinted_photo_is_no_ink() -> None:
    assert not artefacts.find_ink(skin((170, 150, 225))).any()


def test_the_dark_surround_is_measured_and_a_dark_lesion_is_not() -> None:
    y, x = np.mgrid[:SIZE, :SIZE] - (SIZE - 1) / 2
    outside = np.hypot(x, y) > 0.56 * SIZE
    frame = skin()
    frame[outside] = (12, 8, 10)
    frame[110:146, 110:146] = (20, 12, 10)
    found = artefacts.find_dark_corners(frame)
    np.testing.assert_array_equal(found, outside)
    assert not find_artefacts(frame).hair.any()


@pytest.mark.parametrize(
    ("bars", "share"),
    [((0, 0, 0, 0), 0.0), ((20, 30, 0, 0), 50 / 256), ((16, 16, 32, 32), 1 - 224 * 192 / 256**2)],
)
@pytest.mark.parametrize("colour", [0, 255])
def test_flat_bars_are_measured(bars: tuple[int, int, int, int], share: float, colour: int) -> None:
    frame = skin()
    top, bottom, left, right = bars
    for part in (frame[:top], frame[SIZE - bottom :], frame[:, :left], frame[:, SIZE - right :]):
        part[...] = colour
    assert artefacts.find_border(frame) == pytest.approx(share)


def test_one_colour_is_all_border() -> None:
    assert artefacts.find_border(np.full((50, 70, 3), 99, np.uint8)) == 1


@pytest.mark.parametrize("size", [(1, 1), (3, 2), (1, 300), (79, 90), (2000, 5)])
def test_photos_of_any_shape_are_measured(size: tuple[int, int]) -> None:
    random = np.random.default_rng(1)
    photo = Image.fromarray(random.integers(0, 256, (size[1], size[0], 3), np.uint8))
    found = find_artefacts(working_frame(photo))
    assert 0 <= found.ruler <= 1
    assert 0 <= found.border <= 1


@pytest.mark.parametrize(
    ("size", "expected"),
    [((600, 450), (341, 256)), ((200, 100), (200, 100)), ((300, 3000), (102, 1024)), ((256, 256), (256, 256))],
)
def test_the_working_frame_shows_the_whole_photo(size: tuple[int, int], expected: tuple[int, int]) -> None:
    photo = Image.new("RGB", size, (10, 20, 30))
    photo.paste((250, 20, 30), (0, 0, size[0] // 2, size[1]))
    frame = working_frame(photo)
    assert frame.shape == (expected[1], expected[0], 3)
    assert frame[:, :, 0].mean() == pytest.approx(130, abs=1)
