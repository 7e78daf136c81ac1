"""Names are found or the known ones are listed; values out of range cannot be meant."""

from __future__ import annotations

import math

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from epiluma.augmentation import RECIPES, AugmentationError, Recipe, recipe
from epiluma.augmentation.recipes import ARTEFACTS

SHARES = (*ARTEFACTS, "constancy", "erase")
STRENGTHS = ("stretch", "brightness", "contrast", "saturation", "cast")


def test_an_unknown_recipe_lists_the_known_ones() -> None:
    with pytest.raises(AugmentationError, match=r"unknown augmentation 'dermoscopi'; known are .*dermoscopy.*ruler"):
        recipe("dermoscopi")


def test_recipes_have_the_names_that_were_promised() -> None:
    alone = {"hair", "ruler", "corners", "ink", "bubbles", "constancy"}
    assert set(RECIPES) == {"none", "flips", "reference", "dermoscopy", "dermoscopy-full", "framing"} | alone


@pytest.mark.parametrize("name", [*ARTEFACTS, "constancy"])
def test_a_change_alone_falls_on_every_image_and_changes_nothing_else(name: str) -> None:
    assert msgspec.structs.replace(RECIPES[name], **{name: 0.0}) == Recipe()
    assert getattr(RECIPES[name], name) == 1


def test_the_full_recipe_has_every_change() -> None:
    full, plain = RECIPES["dermoscopy-full"], Recipe()
    same = [field for field in Recipe.__struct_fields__ if getattr(full, field) == getattr(plain, field)]
    assert same == ["black_border"], "the border is for masks"
    assert all(0 < getattr(full, name) < 1 for name in SHARES if name != "black_border")


def test_the_reference_recipe_is_geometry_and_light_alone() -> None:
    changed = {
        name for name in Recipe.__struct_fields__ if getattr(RECIPES["reference"], name) != getattr(Recipe(), name)
    }
    assert changed == {"flip", "rotate", "zoom", "brightness", "contrast"}


@given(name=st.sampled_from((*SHARES, *STRENGTHS)), value=st.floats())
def test_shares_and_strengths_lie_between_nothing_and_all(name: str, value: float) -> None:
    if 0 <= value <= 1:
        assert getattr(Recipe(**{name: value}), name) == value
    else:
        with pytest.raises(AugmentationError, match=f"{name}: give a .* from 0 to 1, not"):
            Recipe(**{name: value})


@pytest.mark.parametrize("value", [-1, 181, math.nan, math.inf])
def test_a_rotation_is_at_most_half_a_turn(value: float) -> None:
    with pytest.raises(AugmentationError, match="rotate: give degrees from 0 to 180"):
        Recipe(rotate=value)


@pytest.mark.parametrize("value", [(0.0, 1.0), (1.0, 0.5), (0.5, 2.5), (math.nan, 1.0)])
def test_a_zoom_is_a_range_that_leaves_something_to_see(value: tuple[float, float]) -> None:
    with pytest.raises(AugmentationError, match="zoom: give a range"):
        Recipe(zoom=value)


def test_a_recipe_that_is_read_from_text_is_checked_too() -> None:
    with pytest.raises(msgspec.ValidationError, match="hair: give a share from 0 to 1, not 2"):
        msgspec.json.decode('{"hair": 2.0}', type=Recipe)
