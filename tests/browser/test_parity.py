"""The page computes what Python computes: probabilities, scores, refusals and recommendations.

`pytest -s tests/browser/test_parity.py`, with the slow tests, prints the figures of docs/how-to/browser.md.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Page

from epiluma.bundle import Bundle, Crop, build
from epiluma.imaging.synthetic import draw_lesion
from epiluma.inference.locate import find_bundle
from epiluma.inference.screen import Screener
from tests.browser.bundles import fully_fitted
from tests.browser.serving import Served, agree, compare, encoded, opened, screen
from tests.conftest import make_tiny_bundle, with_outline

COUNT, FEW = 50, 6
BOUNDS = {"PNG": 1e-3, "JPEG": 0.02}
"""Largest difference of a probability that is accepted: of identical pixels, and where each decodes by itself."""
Serve = Callable[[Bundle], Served]


@pytest.fixture(scope="session")
def default() -> Bundle:
    return find_bundle(
        Path(__file__).parents[2] / "models" / "epiluma-model-ham10000/src/epiluma_model_ham10000/bundle"
    )


@pytest.fixture(scope="session")
def served(serve: Serve, default: Bundle) -> Served:
    return serve(default)


@pytest.mark.parametrize("count", [FEW, pytest.param(COUNT, marks=pytest.mark.slow)])
@pytest.mark.parametrize("kind", BOUNDS)
def test_drawn_lesions(page: Page, served: Served, default: Bundle, kind: str, count: int) -> None:
    found = compare(opened(page, served), default, [encoded(draw_lesion(i).image, kind) for i in range(count)])
    print(f"\n{count} drawn lesions, {kind}: {found}")
    assert found.difference <= BOUNDS[kind]
    assert found.same >= count - (kind == "JPEG")


@pytest.mark.slow
def test_photos_as_large_as_a_phone_takes_them(page: Page, served: Served, default: Bundle) -> None:
    drawn = (Image.fromarray(draw_lesion(i).image).resize((4032, 3024), Image.Resampling.BICUBIC) for i in range(10))
    found = compare(opened(page, served), default, [encoded(np.asarray(large), "JPEG") for large in drawn])
    print(f"\n10 drawn lesions of 12 million pixels, JPEG: {found}")
    assert found.difference <= BOUNDS["JPEG"]
    assert found.same >= 9


@pytest.mark.slow
@pytest.mark.real_data
@pytest.mark.parametrize("kind", BOUNDS)
def test_originals(page: Page, served: Served, default: Bundle, kind: str, data_root: Path) -> None:
    files = sorted((data_root / "originals_600x450").glob("*.jpg"))[:COUNT]
    assert len(files) == COUNT
    photos = [f.read_bytes() if kind == "JPEG" else encoded(np.asarray(Image.open(f)), kind) for f in files]
    found = compare(opened(page, served), default, photos)
    print(f"\n{COUNT} originals, {kind}: {found}")
    assert found.difference <= BOUNDS[kind]
    assert found.same >= COUNT - (kind == "JPEG")


@pytest.fixture(scope="session", params=["views", "crop", "scope, vector and abstention", "bicubic"])
def other(request: pytest.FixtureRequest) -> Bundle:
    """Small bundles with all that a manifest may say."""
    tiny = make_tiny_bundle(views=4 if request.param == "views" else 1)
    if request.param == "crop":
        return with_outline(tiny, Crop(margin=0.25, least=0.1))
    if request.param == "bicubic":
        look = tiny.manifest.preprocessing
        return build(
            tiny.manifest,
            tiny.files,
            preprocessing=type(look)(size=look.size, mean=look.mean, std=look.std, interpolation="bicubic"),
        )
    return tiny if request.param == "views" else fully_fitted(with_outline(tiny, Crop(margin=0.1, least=0.3)))


def different_photos() -> dict[str, bytes]:
    """Files that take different ways through the decoder and the gate."""
    pixels = draw_lesion(5, size=(300, 225)).image
    upright = Image.Exif()
    upright[0x0112] = 6
    alpha = np.where(pixels[..., :1] > 150, 0, 255).astype(np.uint8)
    return {
        "plain": encoded(pixels, "PNG"),
        "turned": encoded(pixels, "JPEG", exif=upright, quality=95),
        "large": encoded(draw_lesion(6, size=(2300, 1725)).image, "JPEG", quality=95),
        "tall": encoded(draw_lesion(7, size=(201, 640)).image, "PNG"),
        "tiny": encoded(pixels[:60, :60], "PNG"),
        "flat": encoded(np.full_like(pixels, 128), "PNG"),
        "blue": encoded(np.ascontiguousarray(pixels[..., ::-1]), "PNG"),
        "grey": encoded(pixels[..., 1], "PNG"),
        "clear": encoded(np.concatenate([pixels, alpha], axis=2), "PNG"),
        "WebP": encoded(draw_lesion(8, size=(96, 128)).image, "WEBP", lossless=True),
    }


def test_other_bundles_and_photos(page: Page, serve: Serve, other: Bundle) -> None:
    opened(page, serve(other))
    screener = Screener(other)
    for name, data in different_photos().items():
        expected, found = screener.screen(data, file=name), screen(page, data)
        assert "error" not in found, (name, found)
        assert (found["width"], found["height"]) == (expected.width, expected.height), name
        assert agree(expected, found), (name, expected, found)
        assert sorted(f["code"] for f in found["findings"]) == sorted(f.code for f in expected.findings), name
        near = BOUNDS["JPEG"] if name in {"large", "turned"} else 1e-5
        assert found["probabilities"] == pytest.approx(expected.probabilities, abs=near), name
        assert found["score"] == pytest.approx(expected.ood_score, abs=10 * near), name
        for measured in ("sharpness", "brightness", "contrast"):
            wanted = getattr(expected.quality, measured)
            assert found["quality"][measured] == pytest.approx(wanted, abs=0.1), (name, measured)
