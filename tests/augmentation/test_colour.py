"""Each change of colour alone, measured on a picture that shows it."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from epiluma.augmentation import RECIPES, Recipe
from epiluma.augmentation.colour import grey_gains
from tests.augmentation.pictures import MANY, SIDE, channels_first, colours, generator, photos


def test_a_grey_picture_keeps_its_mean_and_stays_grey() -> None:
    grey = photos(MANY)[..., :1].expand(-1, -1, -1, 3).contiguous()
    before, after = colours(Recipe(contrast=0.2, saturation=0.2), grey)
    torch.testing.assert_close(after.mean(dim=(2, 3)), before.mean(dim=(2, 3)), atol=2e-3, rtol=0)
    torch.testing.assert_close(after[:, 0], after[:, 2], atol=1e-3, rtol=0)


def test_the_dermoscopy_recipe_keeps_a_grey_picture_s_mean_roughly() -> None:
    grey = torch.full((MANY, SIDE, SIDE, 3), 128, dtype=torch.uint8)
    before, after = colours(RECIPES["dermoscopy"], grey)
    ratio = (after.mean(dim=(2, 3)) / before.mean(dim=(2, 3))).log()
    assert float(ratio.abs().max()) < 0.15 + 0.06 + 1e-3
    assert float(ratio.mean().abs()) < 0.03, "brighter as often as darker"


def test_brightness_multiplies_a_whole_picture() -> None:
    before, after = colours(Recipe(brightness=0.2))
    gain = (after / before).flatten(1)
    torch.testing.assert_close(gain, gain[:, :1].expand_as(gain), atol=1e-3, rtol=0)
    assert 0.1 < float(gain.log().abs().max()) <= 0.2 + 1e-3


def test_a_cast_multiplies_each_channel() -> None:
    before, after = colours(Recipe(cast=0.1))
    gain = (after / before).flatten(2)
    torch.testing.assert_close(gain, gain[:, :, :1].expand_as(gain), atol=1e-3, rtol=0)
    assert 0.05 < float(gain.log().abs().max()) <= 0.1 + 1e-3
    assert float((gain[:, 0, 0] - gain[:, 2, 0]).abs().max()) > 0.05, "channels change on their own"


def test_contrast_spreads_pixels_about_the_picture_s_own_mean() -> None:
    before, after = colours(Recipe(contrast=0.2))
    mean = before.mean(dim=(2, 3), keepdim=True)
    factor = ((after - mean) * (before - mean)).sum(dim=(1, 2, 3)) / (before - mean).pow(2).sum(dim=(1, 2, 3))
    torch.testing.assert_close(after, mean + factor[:, None, None, None] * (before - mean), atol=1e-3, rtol=0)
    assert float(factor.log().abs().max()) < 0.2 + 1e-3
    assert float(factor.max() - factor.min()) > 0.2, "both ways"


def test_saturation_moves_pixels_to_and_from_their_own_grey() -> None:
    before, after = colours(Recipe(saturation=0.2))
    luma = torch.tensor([0.299, 0.587, 0.114])[None, :, None, None]
    grey = (before * luma).sum(dim=1, keepdim=True)
    torch.testing.assert_close((after * luma).sum(dim=1, keepdim=True), grey, atol=1e-3, rtol=0)
    factor = ((after - grey) * (before - grey)).sum(dim=(1, 2, 3)) / (before - grey).pow(2).sum(dim=(1, 2, 3))
    torch.testing.assert_close(after, grey + factor[:, None, None, None] * (before - grey), atol=1e-3, rtol=0)
    assert float((factor - 1).abs().max()) < 0.2 + 1e-3
    assert float(factor.max() - factor.min()) > 0.2, "both ways"


def test_erasing_paints_one_rectangle_of_the_chosen_pictures_only() -> None:
    before, after = colours(Recipe(erase=0.5))
    changed = ((after - before).abs() > 1e-3).any(dim=1).numpy()
    chosen = changed.any(axis=(1, 2))
    assert MANY * 0.3 < chosen.sum() < MANY * 0.7
    for i in np.flatnonzero(chosen):
        rows, columns = np.flatnonzero(changed[i].any(axis=1)), np.flatnonzero(changed[i].any(axis=0))
        box = after[i, :, rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1].flatten(1)
        mean = before[i].mean(dim=(1, 2))
        torch.testing.assert_close(box, mean[:, None].expand_as(box), atol=1e-3, rtol=0)
        assert 0.02 < box.shape[1] / SIDE**2 <= 0.15


@pytest.mark.parametrize(("share", "expected"), [(0.0, 0), (1.0, MANY)])
def test_the_share_of_erased_pictures_is_kept(share: float, expected: int) -> None:
    before, after = colours(Recipe(erase=share))
    assert int(((after - before).abs() > 1e-3).flatten(1).any(dim=1).sum()) == expected


def shades_of_grey(square: np.ndarray, power: float = 6) -> np.ndarray:
    """(H, W, 3) in [0, 1] under grey light, as the paper has it: divide by the light, keep its length."""
    light = np.array([(square[..., c].astype(np.float64) ** power).mean() ** (1 / power) for c in range(3)])
    light /= np.linalg.norm(light)
    return square / (light * np.sqrt(3))


def test_the_gains_are_those_of_shades_of_grey() -> None:
    pixels = channels_first(photos(4)) * torch.tensor([1.0, 0.7, 0.5])[:, None, None]
    found = (pixels * grey_gains(pixels)[:, :, None, None]).permute(0, 2, 3, 1).numpy()
    for before, after in zip(pixels.permute(0, 2, 3, 1).numpy(), found, strict=True):
        np.testing.assert_allclose(after, shades_of_grey(before), rtol=1e-4)


def test_one_colour_gets_its_grey_by_hand() -> None:
    # Of a flat picture the light is the colour itself: (0.3, 0.6, 0.6) has a root mean square of 0.5196.
    gains = grey_gains(torch.tensor([0.3, 0.6, 0.6])[None, :, None, None].expand(1, 3, 8, 8))
    torch.testing.assert_close(gains, torch.tensor([[0.5196 / 0.3, 0.5196 / 0.6, 0.5196 / 0.6]]), atol=1e-3, rtol=0)


def test_grey_and_black_pictures_need_no_gain() -> None:
    grey = torch.rand((3, 1, 8, 8), generator=generator()).expand(3, 3, 8, 8)
    torch.testing.assert_close(grey_gains(grey), torch.ones(3, 3))
    assert torch.equal(grey_gains(torch.zeros(2, 3, 8, 8)), torch.ones(2, 3))
    red = torch.zeros(1, 3, 8, 8)
    red[:, 0] = 0.5
    assert torch.equal(grey_gains(red), torch.ones(1, 3)), "a light without green cannot be made grey"


def test_constancy_goes_a_random_part_of_the_way() -> None:
    tinted = (photos(MANY).float() * torch.tensor([1.0, 0.7, 0.6])).to(torch.uint8)
    before, after = colours(Recipe(constancy=1.0), tinted)
    part = ((after / before).flatten(2).median(dim=2).values.log() / grey_gains(before).log())[:, 1:]
    torch.testing.assert_close(part[:, 0], part[:, 1], atol=0.02, rtol=0)
    assert float(part.min()) > -0.01
    assert float(part.max()) < 1.01
    assert float(part.min()) < 0.2, "from nothing"
    assert float(part.max()) > 0.8, "to all of it"


def test_constancy_leaves_the_other_pictures_alone() -> None:
    tinted = (photos(MANY).float() * torch.tensor([1.0, 0.7, 0.6])).to(torch.uint8)
    before, after = colours(Recipe(constancy=0.5), tinted)
    changed = ((after - before).abs() > 2e-3).flatten(1).any(dim=1)
    assert MANY * 0.25 < int(changed.sum()) < MANY * 0.7
