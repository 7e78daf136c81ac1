"""Each recipe's form, and each change alone measured on a picture that shows it."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional

from epiluma.augmentation import RECIPES, Recipe, augment, recipe

SIDE = 48
MANY = 64


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def photos(n: int = 6, seed: int = 0) -> Tensor:
    """(n, 48, 48, 3) uint8 soft random pictures, between 60 and 200."""
    coarse = torch.rand((n, 3, 6, 6), generator=generator(seed)) * 140 + 60
    soft = functional.interpolate(coarse, (SIDE, SIDE), mode="bilinear")
    return soft.permute(0, 2, 3, 1).contiguous().to(torch.uint8)


def channels_first(squares: Tensor) -> Tensor:
    return squares.permute(0, 3, 1, 2).float() / 255


def repeated(square: Tensor, n: int = MANY) -> Tensor:
    return square.expand(n, *square.shape).contiguous()


@pytest.mark.parametrize("size", [32, SIDE, 80])
@pytest.mark.parametrize("name", sorted(RECIPES))
def test_the_result_is_a_batch_for_the_network(name: str, size: int) -> None:
    squares = photos()
    before = squares.clone()
    found = augment(squares, recipe(name), size, generator())
    assert found.shape == (6, 3, size, size)
    assert found.dtype == torch.float32
    assert found.is_contiguous(memory_format=torch.channels_last)
    assert float(found.min()) >= 0
    assert float(found.max()) <= 1
    assert torch.equal(squares, before), "the cached pixels are not touched"


@pytest.mark.parametrize("name", sorted(RECIPES))
def test_extreme_pixels_stay_in_range(name: str) -> None:
    squares = torch.randint(0, 2, (16, SIDE, SIDE, 3), generator=generator(), dtype=torch.uint8) * 255
    found = augment(squares, recipe(name), SIDE, generator())
    assert 0 <= float(found.min()) < float(found.max()) <= 1


@pytest.mark.parametrize("name", sorted(RECIPES))
def test_a_generator_s_state_decides_everything(name: str) -> None:
    first, again, other = (augment(photos(), recipe(name), SIDE, generator(seed)) for seed in (1, 1, 2))
    assert torch.equal(first, again)
    assert torch.equal(first, other) == (recipe(name) == Recipe())


def test_no_change_is_the_picture_itself() -> None:
    found = augment(photos(), recipe("none"), SIDE, generator())
    torch.testing.assert_close(found, channels_first(photos()), atol=1e-3, rtol=0)


def test_every_picture_is_one_of_its_four_mirrorings() -> None:
    squares = photos(MANY)
    found = augment(squares, recipe("flips"), SIDE, generator())
    plain = channels_first(squares)
    mirrored = torch.stack([plain, plain.flip(3), plain.flip(2), plain.flip(2, 3)], dim=1)
    matches = (mirrored - found[:, None]).abs().amax(dim=(2, 3, 4)) < 1e-3
    assert (matches.sum(dim=1) == 1).all()
    counts = matches.sum(dim=0)
    assert (counts > MANY / 8).all(), f"each about as often: {counts.tolist()}"


def centres(found: Tensor) -> Tensor:
    """(n, 2) centre of mass, x and y, in pixels from the middle."""
    weight = found[:, 0]
    axis = torch.arange(weight.shape[-1]) - (weight.shape[-1] - 1) / 2
    total = weight.sum(dim=(1, 2))
    return torch.stack([(weight.sum(dim=1) * axis).sum(1) / total, (weight.sum(dim=2) * axis).sum(1) / total], 1)


def test_rotation_turns_about_the_middle() -> None:
    dot = torch.zeros(SIDE, SIDE, 3, dtype=torch.uint8)
    dot[SIDE // 2 - 1 : SIDE // 2 + 1, SIDE // 2 - 1 : SIDE // 2 + 1] = 255
    found = augment(repeated(dot), Recipe(rotate=180), SIDE, generator())
    assert float(centres(found).abs().max()) < 0.1


def test_rotation_keeps_the_distance_and_reaches_every_direction() -> None:
    dot = torch.zeros(SIDE, SIDE, 3, dtype=torch.uint8)
    dot[SIDE // 2 - 1 : SIDE // 2 + 1, 36:38] = 255  # 12.5 to 13.5 pixels right of the middle
    at = centres(augment(repeated(dot), Recipe(rotate=180), SIDE, generator()))
    torch.testing.assert_close(at.norm(dim=1), torch.full((MANY,), 13.0), atol=0.3, rtol=0)
    quadrants = (at[:, 0] > 0).int() * 2 + (at[:, 1] > 0).int()
    assert set(quadrants.tolist()) == {0, 1, 2, 3}


def test_rotation_goes_no_further_than_it_says() -> None:
    dot = torch.zeros(SIDE, SIDE, 3, dtype=torch.uint8)
    dot[SIDE // 2 - 1 : SIDE // 2 + 1, 36:38] = 255
    at = centres(augment(repeated(dot), Recipe(rotate=20), SIDE, generator()))
    angles = torch.rad2deg(torch.atan2(at[:, 1], at[:, 0]))
    assert float(angles.abs().max()) <= 20.5
    assert float(angles.max() - angles.min()) > 30, "both ways"


def ramps() -> Tensor:
    """Red rises from left to right, green from top to bottom: slopes and places can be read from the colours."""
    axis = torch.arange(0, 5 * SIDE, 5, dtype=torch.uint8)
    square = torch.zeros(SIDE, SIDE, 3, dtype=torch.uint8)
    square[:, :, 0], square[:, :, 1] = axis[None, :], axis[:, None]
    return square


def slopes(found: Tensor) -> tuple[Tensor, Tensor]:
    """Rise of red to the right and of green downwards, relative to the ramps' own; medians pass over reflections."""
    step = 5 / 255
    across, down = found[:, 0].diff(dim=2), found[:, 1].diff(dim=1)
    return across.flatten(1).median(dim=1).values / step, down.flatten(1).median(dim=1).values / step


def test_zoom_shows_a_square_inside_the_picture() -> None:
    found = augment(repeated(ramps()), Recipe(zoom=(0.5, 0.75)), SIDE, generator())
    across, down = slopes(found)
    torch.testing.assert_close(across, down, atol=0.01, rtol=0)
    assert 0.49 < float(across.min()) < 0.55
    assert 0.70 < float(across.max()) < 0.76
    assert (found[:, 0].diff(dim=2) > -1e-4).all(), "nothing is reflected"
    assert (found[:, 1].diff(dim=1) > -1e-4).all(), "nothing is reflected"
    left = found[:, 0, 0, 0]
    assert float(left.max() - left.min()) > 0.25, "the square lies anywhere"


def test_stretch_keeps_the_area_that_is_seen() -> None:
    across, down = slopes(augment(repeated(ramps()), Recipe(zoom=(0.7, 0.7), stretch=0.3), SIDE, generator()))
    torch.testing.assert_close(across * down, torch.full((MANY,), 0.49), atol=0.01, rtol=0)
    ratio = (across / down).log()
    assert float(ratio.abs().max()) < 0.32
    assert float(ratio.max() - ratio.min()) > 0.4, "both ways"


def colours(change: Recipe, squares: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """Pixels before and after a change of colour alone, (n, 3, S, S)."""
    squares = photos(MANY) if squares is None else squares
    return channels_first(squares), augment(squares, change, SIDE, generator())


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


def test_an_unknown_recipe_lists_the_known_ones() -> None:
    with pytest.raises(ValueError, match="unknown augmentation 'dermoscopi'; known are dermoscopy, flips, none"):
        recipe("dermoscopi")
