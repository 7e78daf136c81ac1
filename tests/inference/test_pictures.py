"""Masks and overlays lie where and how they are asked for."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy import ndimage

from epiluma import bundle as bundles
from epiluma.bundle import Bundle
from epiluma.imaging.synthetic import draw_lesion
from epiluma.inference.command import screen_files
from epiluma.inference.pictures import Pictures, PicturesError, contour, overlay
from epiluma.inference.screen import Screener
from tests.conftest import with_outline


@pytest.fixture(scope="module")
def outlining(tiny_bundle: Bundle) -> Bundle:
    return with_outline(tiny_bundle)


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("photos")
    Image.fromarray(draw_lesion(0, size=(300, 225)).image).save(folder / "a.jpg", quality=95)
    Image.new("RGB", (400, 300), (224, 180, 150)).save(folder / "plain.png")
    return folder


def test_masks_and_overlays_have_the_photos_names(photos: Path, outlining: Bundle, tmp_path: Path) -> None:
    bundle = bundles.write(outlining, tmp_path / "bundle")
    asked = {"masks": tmp_path / "m" / "n", "overlays": tmp_path / "o"}
    assert screen_files([photos], bundle=bundle, as_json=True, html=None, **asked) == 0
    assert sorted(path.name for path in (tmp_path / "m" / "n").iterdir()) == ["a.png", "plain.png"]
    with Image.open(tmp_path / "m" / "n" / "a.png") as mask:
        assert mask.size == (300, 225)
        expected = Screener(outlining).look((photos / "a.jpg").read_bytes(), file="a").mask
        assert expected is not None
        assert expected.any()
        assert (np.asarray(mask.convert("L")) == expected * 255).all()
    with Image.open(tmp_path / "m" / "n" / "plain.png") as mask:
        assert mask.size == (400, 300)  # not judged, and outlined all the same
    with Image.open(tmp_path / "o" / "a.png") as shown:
        assert shown.size == (300, 225)


def test_a_bundle_without_outline_is_said_before_anything_is_screened(photos: Path, tiny_bundle_path: Path) -> None:
    with pytest.raises(PicturesError, match="'tiny' outlines no lesion"):
        screen_files([photos], bundle=tiny_bundle_path, as_json=True, html=None, masks=photos / "m")
    assert not (photos / "m").exists()


def test_two_photos_of_one_name_are_not_written_over_each_other(tmp_path: Path) -> None:
    with pytest.raises(PicturesError, match=r"x/a.jpg and y/a.png would both give a.png"):
        Pictures([Path("x/a.jpg"), Path("y/a.png")], masks=tmp_path, overlays=None)
    (tmp_path / "file").write_text("")
    with pytest.raises(PicturesError, match="the folder cannot be made"):
        Pictures([Path("a.jpg")], masks=tmp_path / "file" / "m", overlays=None)


@pytest.mark.parametrize("thickness", [1, 2, 5])
def test_the_contour_is_what_erosion_takes(thickness: int) -> None:
    mask = ndimage.gaussian_filter(np.random.default_rng(0).normal(size=(60, 80)), 5) > 0
    assert (contour(mask, thickness) == (mask & ~ndimage.binary_erosion(mask, iterations=thickness))).all()


def test_the_overlay_is_red_where_the_heat_is_and_nowhere_else(outlining: Bundle, photos: Path) -> None:
    looked = Screener(outlining).look((photos / "a.jpg").read_bytes(), file="a")
    heat = np.zeros((4, 4), np.float32)
    heat[0, 0] = 2
    shown = np.asarray(overlay(looked._replace(heat=heat, mask=None))).astype(int)
    before = np.asarray(looked.photo).astype(int)
    assert (shown[:, :37] == before[:, :37]).all()  # left of the centred square
    assert (shown[120:] == before[120:]).all()
    assert shown[5, 45, 0] - before[5, 45, 0] >= 0
    assert shown[5, 45, 2] < 0.6 * before[5, 45, 2]
    assert (np.asarray(overlay(looked._replace(heat=None, mask=None))) == before).all()
