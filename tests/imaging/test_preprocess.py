"""One resampling step gives what "resize the shorter side, then crop the centre" gives."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from epiluma.imaging.preprocess import centred_box, lesion_box, normalise, resize_squares, to_square


def photo(width: int, height: int, seed: int = 0) -> Image.Image:
    grid = np.random.RandomState(seed).randint(0, 255, (6, 8, 3), dtype=np.uint8)
    return Image.fromarray(grid).resize((width, height), Image.Resampling.BICUBIC)


@pytest.mark.parametrize(
    ("size", "side", "most"),
    [
        ((600, 450), 150, 1),
        ((450, 600), 150, 1),
        ((1024, 768), 192, 1),
        ((300, 300), 224, 1),
        ((600, 450), 224, 6),  # 298.67 is rounded to 299 and its centre lies between pixels: half a pixel off
    ],
)
@pytest.mark.parametrize("interpolation", ["bilinear", "bicubic"])
def test_equals_resize_then_crop(size: tuple[int, int], side: int, most: int, interpolation: str) -> None:
    original, factor = photo(*size), side / min(size)
    filter_ = Image.Resampling[interpolation.upper()]
    resized = original.resize((round(size[0] * factor), round(size[1] * factor)), filter_)
    left, top = (resized.width - side) // 2, (resized.height - side) // 2
    expected = np.asarray(resized.crop((left, top, left + side, top + side)), int)
    assert np.abs(to_square(original, side, interpolation).astype(int) - expected).max() <= most


@settings(max_examples=40, deadline=None)
@given(st.integers(20, 200), st.integers(20, 200), st.integers(16, 96))
def test_square_of_the_right_size_and_turns_with_the_photo(width: int, height: int, size: int) -> None:
    original = photo(width, height)
    square = to_square(original, size)
    assert square.shape == (size, size, 3)
    mirrored = to_square(original.transpose(Image.Transpose.FLIP_LEFT_RIGHT), size)
    assert np.abs(square.astype(int) - mirrored[:, ::-1].astype(int)).max() <= 1


def test_only_the_centre_is_seen() -> None:
    canvas = Image.new("RGB", (300, 100), "white")
    canvas.paste("black", (98, 0, 202, 100))  # antialiasing reaches one output pixel, two here, beyond the square
    assert to_square(canvas, 50).max() == 0


def test_a_square_of_the_right_size_is_untouched() -> None:
    original = photo(64, 64)
    assert (to_square(original, 64) == np.asarray(original)).all()
    squares = np.asarray(original)[None]
    assert resize_squares(squares, 64) is squares
    assert (resize_squares(squares, 32)[0] == to_square(original, 32)).all()


def test_normalise_is_the_textbook_formula() -> None:
    squares = np.random.RandomState(0).randint(0, 256, (2, 5, 5, 3), dtype=np.uint8)
    mean, std = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
    expected = ((squares / 255 - np.array(mean)) / np.array(std)).transpose(0, 3, 1, 2)
    found = normalise(squares, mean=mean, std=std)
    assert found.dtype == np.float32
    assert found.flags.c_contiguous
    np.testing.assert_allclose(found, expected, atol=2e-6)


def test_normalise_leaves_its_input_and_rounds_as_one_expression_does() -> None:
    squares = np.random.RandomState(1).randint(0, 256, (2, 7, 7, 3), dtype=np.uint8)
    before, mean, std = squares.copy(), (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
    spread = np.asarray(std, np.float32)
    scale, shift = 1 / (255 * spread), -np.asarray(mean, np.float32) / spread
    expected = (squares.astype(np.float32) * scale + shift).transpose(0, 3, 1, 2)
    np.testing.assert_array_equal(normalise(squares, mean=mean, std=std), expected)
    np.testing.assert_array_equal(squares, before)


def test_the_square_lies_around_the_lesion_with_its_margin() -> None:
    mask = np.zeros((300, 400), bool)
    mask[100:160, 40:140] = True
    assert lesion_box(mask, margin=0.25, least=0.1) == (15, 55, 150)
    assert lesion_box(mask, margin=0.25, least=0.6) == (0, 40, 180)  # 180 is 0.6 of 300; moved in from -0
    assert lesion_box(mask, margin=2, least=0.1) == (0, 0, 300)
    mask[5, 395] = True  # a speck
    assert lesion_box(mask, margin=0.25, least=0.1) == (15, 55, 150)


def test_without_a_lesion_the_centred_square_is_taken() -> None:
    assert lesion_box(np.zeros((30, 50), bool), margin=0.25, least=0.5) == centred_box(50, 30) == (10, 0, 30)


@settings(max_examples=60, deadline=None)
@given(st.tuples(st.integers(20, 90), st.integers(20, 90)), st.integers(0, 2**32 - 1), st.floats(0, 2), st.floats(0, 1))
def test_the_square_stays_in_the_photo(shape: tuple[int, int], seed: int, margin: float, least: float) -> None:
    random = np.random.default_rng(seed)
    rows, columns = (np.sort(random.choice(length + 1, 2, replace=False)) for length in shape)
    mask = np.zeros(shape, bool)
    mask[rows[0] : rows[1], columns[0] : columns[1]] = True
    left, top, side = lesion_box(mask, margin=margin, least=least)
    assert 0 <= left <= left + side <= shape[1] + 1e-9
    assert 0 <= top <= top + side <= shape[0] + 1e-9
    assert side >= least * min(shape) - 1e-9
    longer = max(rows[1] - rows[0], columns[1] - columns[0])
    if side < min(shape):  # nothing is cut but what the photo's own edge cuts
        assert side >= longer
        assert left <= columns[0]
        assert columns[1] <= left + side
        assert top <= rows[0]
        assert rows[1] <= top + side


def test_only_the_square_is_seen() -> None:
    canvas = Image.new("RGB", (300, 200), "white")
    canvas.paste("black", (38, 28, 142, 132))  # antialiasing reaches one output pixel, two here, beyond the square
    assert (
        to_square(
            canvas, 50, box=lesion_box(np.pad(np.ones((100, 100), bool), ((30, 70), (40, 160))), margin=0, least=0)
        ).max()
        == 0
    )
