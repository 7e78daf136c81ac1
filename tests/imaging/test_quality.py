"""Photos that show nothing are refused, published ones are not."""

from __future__ import annotations

import random

import numpy as np
import pytest
from PIL import Image, ImageFilter

from epiluma.imaging import quality
from epiluma.imaging.decode import decode_photo
from epiluma.imaging.quality import grade_quality
from epiluma.imaging.synthetic import draw_lesion
from tests.conftest import DATA_ROOT as DATA

REFUSED_AT_MOST = 0.003


@pytest.fixture(scope="module")
def lesion() -> Image.Image:
    return Image.fromarray(draw_lesion(3, size=(400, 300)).image)


def test_a_drawn_lesion_is_usable_and_measured_right(lesion: Image.Image) -> None:
    grade = grade_quality(lesion)
    assert grade.usable
    assert grade.reasons == ()
    square = lesion.crop((50, 0, 350, 300)).resize((256, 256), Image.Resampling.BILINEAR).convert("L")
    grey = np.asarray(square, float)
    assert grade.brightness == pytest.approx(grey.mean(), abs=0.1)
    assert grade.contrast == pytest.approx(grey.std(), abs=0.1)
    kernel = ImageFilter.Kernel((3, 3), (0, 1, 0, 1, -4, 1, 0, 1, 0), scale=1, offset=128)  # clips beyond 128 levels
    laplacian = np.asarray(square.filter(kernel), float)[1:-1, 1:-1]
    assert grade.sharpness == pytest.approx(laplacian.std(), rel=0.02)


@pytest.mark.parametrize(
    ("colour", "reasons"),
    [
        ("black", (quality.TOO_DARK, quality.EMPTY)),
        ("white", (quality.TOO_BRIGHT, quality.EMPTY)),
        ("grey", (quality.EMPTY,)),
    ],
)
def test_one_colour_is_refused(colour: str, reasons: tuple[str, ...]) -> None:
    grade = grade_quality(Image.new("RGB", (600, 450), colour))
    assert not grade.usable
    assert grade.reasons == reasons


def test_dark_bright_blurred_and_small_photos_are_refused(lesion: Image.Image) -> None:
    def reasons(photo: Image.Image, **known: int) -> tuple[str, ...]:
        return grade_quality(photo, **known).reasons

    assert quality.TOO_DARK in reasons(lesion.point(lambda level: level * 0.15))
    assert quality.TOO_BRIGHT in reasons(lesion.point(lambda level: 250 + level // 60))
    assert reasons(lesion.filter(ImageFilter.GaussianBlur(10))) == (quality.BLURRED,)
    assert reasons(lesion.resize((120, 90))) == (quality.TOO_SMALL,)
    assert reasons(lesion, shorter_side=95) == (quality.TOO_SMALL,)
    assert reasons(lesion, shorter_side=96) == ()


def _published(folder: str, count: int) -> list[Image.Image]:
    files = sorted((DATA / folder).glob("*.jpg"))
    if not files:
        pytest.skip(f"{DATA / folder} holds no images")
    chosen = files if len(files) <= count else random.Random(0).sample(files, count)
    return [decode_photo(file.read_bytes()).image for file in chosen]


@pytest.mark.real_data
@pytest.mark.parametrize("count", [200, pytest.param(1500, marks=pytest.mark.slow)])
def test_published_photos_are_usable_and_blurred_ones_are_not(count: int) -> None:
    photos = _published("HAM10000/images", count)
    refused = [grade_quality(photo).reasons for photo in photos]
    assert sum(map(bool, refused)) <= REFUSED_AT_MOST * len(photos)
    blurred = [grade_quality(photo.filter(ImageFilter.GaussianBlur(8))) for photo in photos[:60]]
    assert not any(grade.usable for grade in blurred)


@pytest.mark.real_data
def test_no_original_is_refused() -> None:
    assert all(grade_quality(photo).usable for photo in _published("originals_600x450", 124))
