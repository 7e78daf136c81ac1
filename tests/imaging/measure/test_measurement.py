"""What is known of a drawn lesion is what is measured; what cannot be measured is refused in words."""

from __future__ import annotations

import math

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from epiluma.errors import EpilumaError
from epiluma.imaging.measure import MaskMismatch, Measurements, NoLesion, given_scale, measure
from epiluma.imaging.measure.figures import COLOURS, colour_classes
from epiluma.imaging.measure.measurement import NO_TONE, SEVERAL, TOO_SMALL, TOUCHES
from epiluma.imaging.measure.records import ColourName
from tests.imaging.measure.shapes import BROWN, SKIN, disc, ellipse, grid, photo, rectangle

FULL = np.ones((225, 300), bool)


def blob(seed: int, *, side: int = 160) -> tuple[np.ndarray, np.ndarray]:
    """A photo and mask of three overlapping ellipses, the skin with grain."""
    rng = np.random.default_rng(seed)
    x, y = grid(side, side)
    mask = np.zeros((side, side), bool)
    for _ in range(3):
        cx, cy = rng.uniform(-14, 14, 2)
        a, b = rng.uniform(16, 34, 2)
        mask |= ((x - cx) / a) ** 2 + ((y - cy) / b) ** 2 <= 1
    pixels = photo(mask).astype(int) + rng.integers(-6, 7, (side, side, 1))
    pixels[mask & (x > 3)] -= 25
    return np.clip(pixels, 0, 255).astype(np.uint8), mask


def figures(found: Measurements) -> np.ndarray:
    """All that does not depend on which way round a photo is; what belongs to an axis or a sector is sorted."""
    size, border, asymmetry = found.size.pixels, found.border, found.asymmetry
    assert found.skin_tone is not None
    return np.array(
        [
            *(size.area, size.largest_diameter, size.smallest_diameter, size.perimeter, found.size.share),
            *(border.compactness, border.solidity, border.radial_variation, asymmetry.elongation),
            *(colour.share for colour in found.colours),
        ]
    )


def by_axis(found: Measurements) -> np.ndarray:
    asymmetry = found.asymmetry
    return np.array(
        [
            *sorted((asymmetry.shape_long_axis, asymmetry.shape_short_axis)),
            *sorted(value / 10 for value in (asymmetry.colour_long_axis, asymmetry.colour_short_axis)),
            *sorted(part or 0 for part in found.border.abruptness),
        ]
    )


def test_sizes_of_an_ellipse_in_both_units() -> None:
    mask = ellipse(80, 40, 30)
    found = measure(photo(mask), mask, scale=given_scale(0.05)).size
    assert found.pixels.area == np.count_nonzero(mask)
    assert found.pixels.equivalent_diameter == pytest.approx(2 * math.sqrt(80 * 40), rel=0.005)
    assert found.share == pytest.approx(np.count_nonzero(mask) / mask.size)
    assert found.millimetres is not None
    assert found.millimetres.largest_diameter == pytest.approx(8, abs=0.1)
    assert found.millimetres.area == pytest.approx(math.pi * 4 * 2, rel=0.01)
    assert not found.touches_frame


def test_a_large_photo_is_measured_at_a_bounded_resolution() -> None:
    mask = ellipse(560, 410, 20, height=1500, width=2000)
    found = measure(photo(mask), mask).size.pixels
    assert found.area == pytest.approx(math.pi * 560 * 410, rel=0.002)
    assert (found.largest_diameter, found.smallest_diameter) == pytest.approx((1120, 820), rel=0.01)
    assert found.perimeter == pytest.approx(3067, rel=0.01)  # Ramanujan's formula


def test_symmetric_and_asymmetric_shapes() -> None:
    x, y = grid()
    half = (np.hypot(x, y) <= 70) & (y > 0)
    triangle = (y < 50) & (y > -50) & (x > -60) & (x + 60 < (50 - y) * 1.6)
    for mask in (disc(60), ellipse(90, 50, 17), rectangle(80, 40, 33)):
        found = measure(photo(mask), mask).asymmetry
        assert max(found.shape_long_axis, found.shape_short_axis) < 0.025
        assert max(found.colour_long_axis, found.colour_short_axis) < 0.5
    halved = measure(photo(half), half).asymmetry
    # A half disc is symmetric about its shorter axis only, and about the longer covers its mirror image by 1 - 0.2.
    assert halved.shape_short_axis < 0.02
    assert halved.shape_long_axis == pytest.approx(0.197, abs=0.02)
    assert measure(photo(triangle), triangle).asymmetry.shape_long_axis > 0.15


def test_colour_asymmetry_is_the_difference_of_the_halves() -> None:
    mask = ellipse(90, 50)
    x, _ = grid()
    pixels = photo(mask)
    pixels[mask & (x > 0)] = (90, 50, 30)
    found = measure(pixels, mask).asymmetry
    assert found.colour_long_axis < 1
    assert found.colour_short_axis == pytest.approx(12.0, abs=1.5)  # CIE 1976 between the two browns


def test_border_of_a_disc_and_of_a_star() -> None:
    x, y = grid()
    star = np.hypot(x, y) < 60 + 18 * np.cos(9 * np.arctan2(y, x))
    round_, ragged = (measure(photo(mask), mask).border for mask in (disc(70), star))
    assert (round_.compactness, round_.solidity) == pytest.approx((1, 1), abs=0.02)
    assert round_.radial_variation < 0.01
    # The radius' own standard deviation is 18 / sqrt 2 of 60; the points crowd where the outline runs outwards.
    assert ragged.radial_variation == pytest.approx(18 / math.sqrt(2) / 60, rel=0.15)
    assert ragged.compactness < 0.4
    assert ragged.solidity < 0.85


def test_abruptness_tells_a_sharp_half_from_a_soft_one() -> None:
    mask = disc(70)
    x, y = grid()
    softness = np.where(x > 0, 30.0, 1.0)
    share = np.clip(0.5 + (np.hypot(x, y) - 70) / softness, 0, 1)[..., None]
    pixels = (np.array(BROWN) * (1 - share) + np.array(SKIN) * share).astype(np.uint8)
    parts = sorted(part for part in measure(pixels, mask).border.abruptness if part is not None)
    assert len(parts) == 8
    assert max(parts[:4]) < 0.45
    assert min(parts[4:]) > 0.7
    assert measure(photo(mask), mask).dermoscopy_score.b == 8


def test_an_edge_outside_the_photo_is_not_judged() -> None:
    x, y = grid()
    mask = np.hypot(x - 150, y) <= 60
    found = measure(photo(mask), mask)
    assert found.size.touches_frame
    assert TOUCHES in found.notes
    assert None in found.border.abruptness


@pytest.mark.parametrize(
    ("pixel", "colour"),
    [
        ((235, 228, 225), "white"),
        ((190, 60, 70), "red"),
        ((160, 110, 70), "light brown"),
        ((90, 56, 34), "dark brown"),
        ((92, 108, 128), "blue-grey"),
        ((110, 108, 110), "blue-grey"),
        ((28, 22, 22), "black"),
    ],
)
def test_a_disc_has_its_colour_and_no_other(pixel: tuple[int, ...], colour: ColourName) -> None:
    mask = disc(60)
    found = {part.name: part for part in measure(photo(mask, pixel), mask).colours}
    assert list(found) == list(COLOURS)
    assert [name for name, part in found.items() if part.present] == [colour]
    assert found[colour].share > 0.93  # the edge is a mixture


def test_a_tint_of_the_whole_photo_changes_no_colour() -> None:
    """Shift a* and b* of skin and lesion in proportion to L*, as the correction assumes."""
    lesion, skin = np.array([[50.0, 18, 30]], np.float32), (68.0, 12.0, 18.0)
    for shift in ((0, 0), (15, 0), (0, -20), (-10, -15)):
        tinted = lesion + np.array([[0, *shift]]) * 50 / 68
        around = (68.0, 12.0 + shift[0], 18.0 + shift[1])
        assert colour_classes(np.asarray(tinted, np.float32), around) == colour_classes(lesion, skin) == [2]


def test_skin_alone_is_none_of_the_six() -> None:
    mask = disc(60)
    assert sum(part.share for part in measure(photo(mask, SKIN), mask).colours) == 0


def test_two_colours_share_the_lesion() -> None:
    mask = disc(60)
    x, _ = grid()
    pixels = photo(mask, (160, 110, 70))
    pixels[mask & (x > 30)] = (28, 22, 22)
    found = {part.name: part.share for part in measure(pixels, mask).colours}
    segment = (math.acos(0.5) - 0.5 * math.sqrt(0.75)) / math.pi
    assert found["black"] == pytest.approx(segment, abs=0.02)
    assert measure(pixels, mask).dermoscopy_score.c >= 2


def test_one_pixel() -> None:
    mask = np.zeros((225, 300), bool)
    mask[100, 120] = True
    found = measure(photo(mask), mask)
    assert found.size.pixels.area == 1
    assert found.size.pixels.largest_diameter == pytest.approx(1)
    assert TOO_SMALL in found.notes


def test_the_whole_frame() -> None:
    found = measure(photo(FULL), FULL)
    assert found.size.share == 1
    assert found.size.pixels.smallest_diameter == pytest.approx(225, abs=1)
    assert found.size.touches_frame
    assert found.skin_tone is None
    assert NO_TONE in found.notes
    assert found.border.abruptness == (None,) * 8


def test_only_the_largest_piece_is_measured() -> None:
    x, y = grid()
    mask = disc(50) | (np.hypot(x - 120, y) < 20)
    found = measure(photo(mask), mask)
    assert found.size.pieces == 2
    assert found.size.pixels == measure(photo(mask), disc(50)).size.pixels
    assert SEVERAL.format(count=2) in found.notes


@pytest.mark.parametrize(
    ("pixels", "mask", "error", "word"),
    [
        (photo(FULL), ~FULL, NoLesion, "empty"),
        (photo(FULL), FULL[:-1], MaskMismatch, "224 x 300"),
        (photo(FULL), FULL.astype(np.uint8), MaskMismatch, "uint8"),
        (photo(FULL)[..., 0], FULL, MaskMismatch, "RGB"),
        (photo(FULL) / 255, FULL, MaskMismatch, "float64"),
    ],
)
def test_what_does_not_fit_is_refused(pixels: np.ndarray, mask: np.ndarray, error: type, word: str) -> None:
    with pytest.raises(error, match=word) as caught:
        measure(pixels, mask)
    assert isinstance(caught.value, EpilumaError)


def test_all_of_it_is_json_and_back() -> None:
    found = measure(*blob(1), scale=given_scale(0.02))
    assert msgspec.json.decode(msgspec.json.encode(found), type=Measurements) == found


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 10_000), st.integers(0, 3), st.booleans())
def test_a_photo_turned_or_mirrored_has_the_same_figures(seed: int, turns: int, mirrored: bool) -> None:
    pixels, mask = blob(seed)
    first = measure(pixels, mask)
    pixels, mask = np.rot90(pixels, turns), np.rot90(mask, turns)
    if mirrored:
        pixels, mask = pixels[:, ::-1], mask[:, ::-1]
    second = measure(pixels, mask)
    assert figures(second) == pytest.approx(figures(first), rel=1e-3, abs=0.01)
    if first.asymmetry.elongation > 1.02:  # else the axes are arbitrary
        assert by_axis(second) == pytest.approx(by_axis(first), abs=0.05)


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 10_000), st.floats(0.005, 0.5))
def test_twice_the_scale_is_twice_the_length_and_four_times_the_area(seed: int, scale: float) -> None:
    pixels, mask = blob(seed)
    once, twice = (measure(pixels, mask, scale=given_scale(factor * scale)).size.millimetres for factor in (1, 2))
    assert once is not None
    assert twice is not None
    assert twice.area == pytest.approx(4 * once.area)
    for name in ("largest_diameter", "smallest_diameter", "equivalent_diameter", "perimeter"):
        assert getattr(twice, name) == pytest.approx(2 * getattr(once, name))


@settings(max_examples=25, deadline=None)
@given(st.data())
def test_any_mask_gives_figures_in_their_ranges(data: st.DataObject) -> None:
    height, width = data.draw(st.tuples(st.integers(1, 40), st.integers(1, 40)))
    rng = np.random.default_rng(data.draw(st.integers(0, 1000)))
    mask = rng.random((height, width)) < data.draw(st.sampled_from([0.02, 0.3, 0.7]))
    mask[height // 2, width // 2] = True
    found = measure(rng.integers(0, 256, (height, width, 3), dtype=np.uint8), mask)
    assert 0 < found.border.compactness <= 1
    assert 0 < found.border.solidity <= 1
    assert 0 <= found.asymmetry.shape_long_axis <= 1
    assert found.size.pixels.smallest_diameter <= found.size.pixels.largest_diameter + 1e-9
    assert sum(part.share for part in found.colours) <= 1 + 1e-9
    assert 1 <= found.dermoscopy_score.lowest <= found.dermoscopy_score.highest <= 8.9
