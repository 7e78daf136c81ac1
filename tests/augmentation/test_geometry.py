"""Each change of geometry alone, measured on a picture that shows it."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from epiluma.augmentation import UNKNOWN, AugmentationError, Recipe, augment, augment_pairs, recipe
from tests.augmentation.pictures import MANY, SIDE, channels_first, generator, photos, repeated


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


def lesions(n: int) -> tuple[Tensor, Tensor]:
    """Grey squares with a white disc off the middle, and the disc's mask."""
    axis = torch.arange(SIDE)
    disc = ((axis - SIDE * 0.4) ** 2)[:, None] + ((axis - SIDE * 0.6) ** 2)[None] <= (SIDE * 0.2) ** 2
    squares = torch.full((SIDE, SIDE, 3), 60, dtype=torch.uint8)
    squares[disc] = 255
    return repeated(squares)[:n], disc.to(torch.uint8).expand(n, SIDE, SIDE).clone()


def test_a_mask_moves_as_its_picture_does() -> None:
    squares, masks = lesions(MANY)
    moving = Recipe(flip=True, rotate=180, zoom=(0.5, 1.6), stretch=0.3, black_border=0.5)
    pixels, moved = augment_pairs(squares, masks, moving, SIDE, generator())
    assert moved is not None
    bright = pixels[:, 0] > (255 + 60) / 2 / 255
    differ = (bright != (moved == 1)).float().mean(dim=(1, 2))
    assert float(differ.max()) < 0.02, "but for pixels on the edge"
    assert set(moved.unique().tolist()) == {0, 1}


def test_masks_leave_the_pictures_as_they_would_be() -> None:
    squares, masks = lesions(MANY)
    for name in ("dermoscopy", "framing"):
        alone = augment(squares, recipe(name), SIDE, generator())
        assert torch.equal(alone, augment_pairs(squares, masks, recipe(name), SIDE, generator())[0])


def test_an_unknown_mask_stays_unknown() -> None:
    squares, masks = lesions(4)
    masks[1] = UNKNOWN
    _, moved = augment_pairs(squares, masks, recipe("framing"), SIDE, generator())
    assert moved is not None
    assert (moved[1] == UNKNOWN).all()
    assert (moved[[0, 2, 3]] != UNKNOWN).all()


def test_a_black_border_is_black_and_without_lesion() -> None:
    squares, masks = lesions(MANY)
    shrunk = Recipe(zoom=(1.6, 1.6), black_border=1)
    pixels, moved = augment_pairs(squares, masks, shrunk, SIDE, generator())
    assert moved is not None
    black = pixels.amax(dim=1) == 0
    assert float(black.float().mean()) > 1 - 1 / 1.6**2 - 0.03, "all but the shrunken picture"
    assert not (moved[black] == 1).any()
    corners = torch.stack([black[:, 0, 0], black[:, 0, -1], black[:, -1, 0], black[:, -1, -1]], 1)
    assert 0 < float(corners.float().mean()) <= 1
    mirrored = augment(squares, Recipe(zoom=(1.6, 1.6)), SIDE, generator())
    assert float((mirrored.amax(dim=1) == 0).float().mean()) == 0


@pytest.mark.parametrize("masks", [torch.zeros(2, SIDE, SIDE), torch.zeros(2, SIDE, SIDE - 1, dtype=torch.uint8)])
def test_masks_of_another_form_are_refused(masks: Tensor) -> None:
    with pytest.raises(AugmentationError, match="uint8 masks, not"):
        augment_pairs(lesions(2)[0], masks, recipe("flips"), SIDE, generator())
