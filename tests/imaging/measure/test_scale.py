"""A scale is given, or follows from what the camera wrote, or is None."""

from __future__ import annotations

import io
import math
from collections.abc import Mapping

import pytest
from PIL import Image
from PIL.TiffImagePlugin import IFDRational

from epiluma.imaging.decode import decode_photo
from epiluma.imaging.measure import ImpossibleScale, given_scale, scale_from_exif

FOCAL_LENGTH, DISTANCE, ZOOM = 0x920A, 0x9206, 0xA404
ACROSS, DOWN, UNIT = 0xA20E, 0xA20F, 0xA210
WIDTH, HEIGHT = 0xA002, 0xA003

# 36 mm of sensor for 6,000 pixels, a 60 mm lens, half a metre away.
CAMERA = {
    ACROSS: IFDRational(60000, 36),
    DOWN: IFDRational(60000, 36),
    UNIT: 3,
    FOCAL_LENGTH: IFDRational(60, 1),
    DISTANCE: IFDRational(1, 2),
    WIDTH: 6000,
    HEIGHT: 4000,
}
EXPECTED = 36 / 6000 * (500 - 60) / 60


def written(tags: Mapping[int, object]) -> Mapping[int, float]:
    """As it is read from a file."""
    exif = Image.Exif()
    exif.get_ifd(0x8769).update(tags)
    stored = io.BytesIO()
    Image.new("RGB", (6, 4)).save(stored, "JPEG", exif=exif)
    return decode_photo(stored.getvalue()).camera


def test_the_thin_lens() -> None:
    found = scale_from_exif(written(CAMERA), longest_side=6000)
    assert found is not None
    assert found.mm_per_pixel == pytest.approx(EXPECTED)
    assert found.relative_uncertainty == pytest.approx(math.hypot(0.1, 60 / 440))
    assert found.source == "exif"
    assert "17%" in found.note


def test_a_reduced_photo_has_larger_pixels() -> None:
    found = scale_from_exif(written(CAMERA), longest_side=1500)
    assert found is not None
    assert found.mm_per_pixel == pytest.approx(4 * EXPECTED)


@pytest.mark.parametrize(("unit", "per_unit"), [(2, 25.4), (3, 10.0), (4, 1.0)])
def test_units_of_the_sensor(unit: int, per_unit: float) -> None:
    resolution = IFDRational(round(6000 / 36 * per_unit * 1000), 1000)
    found = scale_from_exif(written({**CAMERA, UNIT: unit, ACROSS: resolution, DOWN: resolution}), longest_side=6000)
    assert found is not None
    assert found.mm_per_pixel == pytest.approx(EXPECTED, rel=1e-4)


@pytest.mark.parametrize(
    "change",
    [
        *({tag: None} for tag in (ACROSS, DOWN, FOCAL_LENGTH, DISTANCE, WIDTH, HEIGHT)),
        {DISTANCE: IFDRational(0, 1)},
        {DISTANCE: IFDRational(0xFFFFFFFF, 1)},
        {DISTANCE: IFDRational(1, 0)},
        {DISTANCE: IFDRational(1, 25)},  # nearer than the focal length
        {DISTANCE: IFDRational(1, 5)},  # so near that sensor or lens makes the difference
        {DOWN: IFDRational(30000, 36)},
        {UNIT: 1},
        {ZOOM: IFDRational(2, 1)},
    ],
)
def test_what_is_missing_or_implausible_gives_no_scale(change: dict[int, object]) -> None:
    tags = {tag: value for tag, value in {**CAMERA, **change}.items() if value is not None}
    assert scale_from_exif(written(tags), longest_side=6000) is None


def test_dots_per_inch_say_nothing_of_skin() -> None:
    stored = io.BytesIO()
    Image.new("RGB", (6, 4)).save(stored, "JPEG", dpi=(300, 300))
    assert scale_from_exif(decode_photo(stored.getvalue()).camera, longest_side=6) is None


def test_a_given_scale() -> None:
    assert given_scale(0.02).mm_per_pixel == 0.02
    for impossible in (0, -1, math.nan, math.inf):
        with pytest.raises(ImpossibleScale):
            given_scale(impossible)
