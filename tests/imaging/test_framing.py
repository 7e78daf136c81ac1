"""Where a drawn lesion lies and what lies on it, beside what is known and what OpenCV's finder says."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image, ImageDraw
from scipy import ndimage

from epiluma.imaging.artefacts import find_ink
from epiluma.imaging.framing import GRID, ISLAND, measure_cover, measure_framing
from epiluma.imaging.synthetic import draw_lesion


def discs(*circles: tuple[int, int, int], size: tuple[int, int] = (256, 256)) -> np.ndarray:
    """(h, w) true on circles of x, y, radius."""
    y, x = np.mgrid[: size[1], : size[0]]
    return np.any([(x - cx) ** 2 + (y - cy) ** 2 <= r * r for cx, cy, r in circles], axis=0)


def test_a_disc_in_the_middle_is_one_whole_lesion() -> None:
    framing = measure_framing(discs((128, 128, 40)))
    assert framing.area == pytest.approx(np.pi * 40**2 / 256**2, rel=0.01)
    assert (framing.lesions, framing.contact, framing.outside) == (1, 0, 0)


def test_no_lesion_and_nothing_but_lesion() -> None:
    assert measure_framing(np.zeros((90, 120), bool)) == measure_framing(np.zeros((256, 256), bool))
    full = measure_framing(np.ones((90, 120), bool))
    assert (full.area, full.contact, full.lesions) == (1, 1, 1)
    assert full.outside == pytest.approx(0.25)


def test_what_the_centred_square_leaves_out_counts_as_outside() -> None:
    mask = discs((0, 100, 30), (200, 100, 30), size=(400, 200))
    framing = measure_framing(mask)
    assert framing.lesions == 1
    assert framing.outside == pytest.approx(1 / 3, abs=0.01)


@pytest.mark.parametrize("cut", [20, 60])
def test_the_edge_on_the_lesion_is_measured(cut: int) -> None:
    mask = np.zeros((256, 256), bool)
    mask[:30, 50 : 50 + cut] = True
    assert measure_framing(mask).contact == pytest.approx(cut / (4 * 255))


@pytest.mark.parametrize("seed", range(6))
def test_parts_are_those_that_scipy_counts(seed: int) -> None:
    random = np.random.default_rng(seed)
    circles = [tuple(random.integers((20, 20, 8), (236, 236, 30))) for _ in range(random.integers(1, 6))]
    mask = discs(*circles)
    small = mask[2::4, 2::4]
    labels, _ = ndimage.label(small, np.ones((3, 3)))
    sizes = np.bincount(labels.ravel())[1:]
    assert measure_framing(mask).lesions == int((sizes >= ISLAND * GRID * GRID).sum())


def skin(*, colour: tuple[int, int, int] = (224, 176, 160)) -> Image.Image:
    image = Image.new("RGB", (256, 256), colour)
    ImageDraw.Draw(image).ellipse((88, 88, 168, 168), fill=(120, 72, 60))
    return image


@pytest.mark.parametrize("seed", range(5))
def test_a_drawn_lesion_is_skin(seed: int) -> None:
    drawn = draw_lesion(seed, size=(300, 225))
    cover = measure_cover(Image.fromarray(drawn.image), drawn.mask)
    assert cover.skin > 0.9
    assert cover.ink < 0.01


@pytest.mark.parametrize(("colour", "least", "most"), [((60, 160, 70), 0, 0.3), ((60, 90, 200), 0, 0.3)])
def test_green_and_blue_are_no_skin(colour: tuple[int, int, int], least: float, most: float) -> None:
    assert least <= measure_cover(skin(colour=colour)).skin <= most


def test_all_dark_and_all_white_show_no_skin() -> None:
    assert measure_cover(Image.new("RGB", (256, 256), (10, 10, 10))).skin == 0
    assert measure_cover(Image.new("RGB", (256, 256), (255, 255, 255))).skin == 0


def test_ink_is_what_opencvs_finder_says() -> None:
    image = skin()
    ImageDraw.Draw(image).rectangle((10, 10, 70, 60), fill=(40, 70, 200))
    expected = find_ink(np.asarray(image)).mean()
    assert measure_cover(image).ink == pytest.approx(expected, rel=0.1)
    assert measure_cover(skin()).ink == 0


def test_hair_over_the_lesion_is_measured_and_beside_it_is_not() -> None:
    over, beside = skin(), skin()
    for x in range(90, 168, 10):
        ImageDraw.Draw(over).line((x, 0, x, 255), fill=(20, 14, 12), width=3)
        ImageDraw.Draw(beside).line((x - 90, 0, x - 90, 255), fill=(20, 14, 12), width=3)
    mask = discs((128, 128, 40))
    assert measure_cover(over, mask).hair > 0.2
    assert measure_cover(beside, mask).hair < 0.05
    assert measure_cover(skin(), mask).hair < 0.02
