"""Pillow's resizing, repeated in JavaScript: the same bytes for any size, box and filter."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from playwright.sync_api import Browser, Page

from epiluma.bundle import Bundle
from epiluma.imaging.preprocess import lesion_box, normalise
from epiluma.inference.session import known_grid, known_input
from tests.browser.serving import Served, visitor

FILTERS = {"box": Image.Resampling.BOX, "bilinear": Image.Resampling.BILINEAR, "bicubic": Image.Resampling.BICUBIC}
_MODULES = """async () => {
  for (const name of ["resample", "preprocess", "session"]) {
    window[name] = await import(new URL(`js/${name}.js`, location.href));
  }
}"""
many = settings(max_examples=60, deadline=None)
sides = st.integers(1, 70)


@pytest.fixture(scope="module")
def modules(chromium: Browser, serve: Callable[[Bundle], Served], tiny_bundle: Bundle) -> Iterator[Page]:
    with visitor(chromium) as page:
        page.goto(serve(tiny_bundle).url)
        page.evaluate(_MODULES)
        yield page


@many
@given(st.data(), st.tuples(sides, sides), st.tuples(sides, sides), st.sampled_from(sorted(FILTERS)))
def test_bytes_are_those_of_pillow(
    modules: Page, data: st.DataObject, source: tuple[int, int], target: tuple[int, int], kind: str
) -> None:
    (width, height), (wide, high) = source, target
    pixels = np.random.RandomState(width).randint(0, 256, (height, width, 3)).astype(np.uint8)
    left, top = (data.draw(st.floats(0, side * 0.9)) for side in (width, height))
    right, bottom = (data.draw(st.floats(low + 0.05, side)) for low, side in ((left, width), (top, height)))
    box = (left, top, right, bottom)
    expected = np.asarray(Image.fromarray(pixels).resize((wide, high), FILTERS[kind], box=box))
    found = modules.evaluate(
        """([width, height, data, wide, high, kind, box]) => Array.from(window.resample.resize(
          { width, height, channels: 3, data: Uint8ClampedArray.from(data) }, wide, high, kind, box).data)""",
        [width, height, pixels.ravel().tolist(), wide, high, kind, box],
    )
    np.testing.assert_array_equal(np.reshape(found, expected.shape), expected)


def test_floats_are_those_of_pillow(modules: Page) -> None:
    logits = np.random.RandomState(3).normal(0, 5, (32, 32)).astype(np.float32)
    expected = np.asarray(Image.fromarray(logits).resize((75, 50), Image.Resampling.BILINEAR))
    found = modules.evaluate(
        """(data) => Array.from(window.resample.resize(
          { width: 32, height: 32, channels: 1, data: Float32Array.from(data) }, 75, 50, "bilinear").data)""",
        logits.ravel().tolist(),
    )
    np.testing.assert_array_equal(np.reshape(found, expected.shape), expected)


@many
@given(st.tuples(sides, sides), st.floats(0, 2), st.floats(0.01, 1), st.floats(0, 1))
def test_the_square_follows_the_lesion(
    modules: Page, size: tuple[int, int], margin: float, least: float, share: float
) -> None:
    width, height = size
    mask = np.random.RandomState(width).random_sample((height, width)) < share**3
    expected = lesion_box(mask, margin=margin, least=least)
    found = modules.evaluate(
        """([width, height, data, crop]) =>
          window.preprocess.lesionBox({ width, height, data: Uint8Array.from(data) }, crop, 0.005)""",
        [width, height, mask.ravel().astype(int).tolist(), {"margin": margin, "least": least}],
    )
    assert found == pytest.approx(expected._asdict(), abs=1e-9)


def test_the_input_is_bit_for_bit_that_of_numpy(modules: Page) -> None:
    square = np.random.RandomState(1).randint(0, 256, (8, 8, 3)).astype(np.uint8)
    mean, std = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
    found = modules.evaluate(
        """([data, mean, std]) => Array.from(window.preprocess.normalise(
          { width: 8, height: 8, channels: 3, data: Uint8ClampedArray.from(data) }, mean, std))""",
        [square.ravel().tolist(), mean, std],
    )
    np.testing.assert_array_equal(np.float32(found), normalise(square[None], mean=mean, std=std).ravel())


@pytest.mark.parametrize("size", [32, 47, 224])
def test_known_inputs_are_those_of_numpy(modules: Page, size: int) -> None:
    found = modules.evaluate(
        "([grid, size]) => Array.from(window.session.knownInput(grid, size))", [known_grid(2).ravel().tolist(), size]
    )
    np.testing.assert_array_equal(np.float32(found), known_input(2, size).ravel())
