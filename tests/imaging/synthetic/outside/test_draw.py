"""Drawn pictures that are no photos of lesions: the same bytes from the same seed, of many kinds, as matched files."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from epiluma.imaging.preprocess import to_square
from epiluma.imaging.synthetic import draw_lesion
from epiluma.imaging.synthetic.outside import FAMILIES, QUALITY, SIDE, as_file, draw_outside

KINDS = [(family, kind) for family, kinds in FAMILIES.items() for kind in kinds]


def test_there_are_seven_families_of_six_kinds_or_more() -> None:
    assert len(FAMILIES) == 7
    assert all(len(kinds) >= 6 for kinds in FAMILIES.values())


@pytest.mark.parametrize(("family", "kind"), KINDS, ids=[f"{family}-{kind}" for family, kind in KINDS])
def test_each_kind_is_drawn_alike_from_one_seed_and_differently_from_another(family: str, kind: str) -> None:
    seed, step = list(FAMILIES[family]).index(kind), len(FAMILIES[family])
    first, again, other = (draw_outside(family, s, size=(64, 48)) for s in (seed, seed, seed + step))
    assert (first.family, first.kind, other.kind) == (family, kind, kind)
    assert first.image.shape == (48, 64, 3)
    assert first.image.dtype == np.uint8
    np.testing.assert_array_equal(first.image, again.image)
    assert np.abs(first.image.astype(int) - other.image).mean() > 2


@pytest.mark.parametrize("family", FAMILIES)
def test_some_of_each_family_have_a_dark_blot(family: str) -> None:
    blotted = [draw_outside(family, seed, size=(32, 32)).blotted for seed in range(40)]
    assert 4 <= sum(blotted) <= 24


@pytest.mark.parametrize("size", [(16, 16), (31, 77), (300, 200)])
def test_any_size_can_be_drawn(size: tuple[int, int]) -> None:
    for family in FAMILIES:
        assert draw_outside(family, 1, size=size).image.shape == (size[1], size[0], 3)


def test_what_cannot_be_drawn_is_said() -> None:
    with pytest.raises(ValueError, match="unknown family 'cats'"):
        draw_outside("cats", 0)
    with pytest.raises(ValueError, match="seed from 0"):
        draw_outside("noise", -1)
    with pytest.raises(ValueError, match="16 pixels"):
        draw_outside("noise", 0, size=(15, 40))


def test_photos_and_drawings_become_files_of_one_size_and_quality() -> None:
    drawing = draw_outside("things", 3, size=(400, 300)).image
    lesion = Image.fromarray(draw_lesion(1, size=(300, 225)).image)
    files = [Image.open(io.BytesIO(as_file(picture))) for picture in (drawing, lesion)]
    reference = io.BytesIO()
    Image.new("RGB", (8, 8)).save(reference, "JPEG", quality=QUALITY)
    for file in files:
        assert file.size == (SIDE, SIDE)
        assert file.quantization == Image.open(reference).quantization  # type: ignore[attr-defined]
    square = to_square(lesion, SIDE).astype(float)
    assert np.abs(np.asarray(files[1]) - square).mean() < 6
