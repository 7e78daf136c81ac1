"""The page computes what Python computes: probabilities, refusals and recommendations."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Page

from epiluma.bundle import Bundle
from epiluma.imaging.synthetic import draw_lesion
from epiluma.inference.locate import find_bundle
from tests.browser.serving import Served, compare, encoded, opened

COUNT = 50
PIXELS, JPEG = 1e-3, 0.02
"""Largest difference of a probability that is accepted: of identical pixels, and of a JPEG decoded by another decoder."""


@pytest.fixture(scope="session")
def bundle() -> Bundle:
    return find_bundle(Path("models/epiluma-model-ham10000/src/epiluma_model_ham10000/bundle"))


@pytest.fixture(scope="session")
def served(serve: Callable[[Bundle], Served], bundle: Bundle) -> Served:
    return serve(bundle)


def test_identical_pixels(page: Page, served: Served, bundle: Bundle) -> None:
    photos = [encoded(draw_lesion(seed).image, "PNG") for seed in range(COUNT)]
    found = compare(opened(page, served), bundle, photos)
    print(f"\ndrawn lesions, identical pixels: {found}")
    assert found.difference <= PIXELS
    assert found.same == COUNT
    assert found.judged >= COUNT // 2


def test_jpeg_bytes(page: Page, served: Served, bundle: Bundle) -> None:
    photos = [encoded(draw_lesion(seed).image, "JPEG", quality=90) for seed in range(COUNT)]
    found = compare(opened(page, served), bundle, photos)
    print(f"\ndrawn lesions, JPEG: {found}")
    assert found.difference <= JPEG
    assert found.same >= COUNT - 1
    assert found.judged >= COUNT // 2


@pytest.mark.slow
@pytest.mark.real_data
def test_originals(page: Page, served: Served, bundle: Bundle, data_root: Path) -> None:
    files = sorted((data_root / "originals_600x450").glob("*.jpg"))[:COUNT]
    assert len(files) == COUNT
    opened(page, served)
    as_jpeg = compare(page, bundle, [file.read_bytes() for file in files])
    pixels = compare(page, bundle, [encoded(np.asarray(Image.open(file)), "PNG") for file in files])
    print(f"\noriginals, identical pixels: {pixels}\noriginals, JPEG: {as_jpeg}")
    assert (pixels.difference, as_jpeg.difference) <= (PIXELS, JPEG)
    assert pixels.same == COUNT
    assert as_jpeg.same >= COUNT - 1
