"""Each artefact: on its share of the images, of its colour and form, the same on every run."""

from __future__ import annotations

from time import thread_time

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from epiluma.augmentation import RECIPES, Recipe, augment
from epiluma.augmentation.artefacts import DRAWINGS, Layer
from epiluma.augmentation.recipes import ARTEFACTS
from tests.augmentation.pictures import MANY, colours, generator

GREY = 160
SIZE = 96


def skin(n: int = MANY, size: int = SIZE) -> torch.Tensor:
    """(n, size, size, 3) uint8 of one pale grey, on which everything dark or bright shows."""
    return torch.full((n, size, size, 3), GREY, dtype=torch.uint8)


def change(name: str, n: int = MANY) -> np.ndarray:
    """(n, size, size) change of the mean of the channels on pale grey."""
    before, after = colours(Recipe(**{name: 1.0}), skin(n))
    return (after - before).mean(dim=1).numpy()


def drawings(name: str, seeds: range = range(30), size: int = 224) -> list[list[Layer]]:
    return [DRAWINGS[name](np.random.default_rng(seed), size) for seed in seeds]


def test_every_artefact_has_its_drawing() -> None:
    assert set(DRAWINGS) == set(ARTEFACTS)


@settings(max_examples=40, deadline=None)
@given(name=st.sampled_from(ARTEFACTS), size=st.integers(8, 300), seed=st.integers(0, 2**32))
def test_layers_are_covers_of_the_picture_s_size(name: str, size: int, seed: int) -> None:
    layers = DRAWINGS[name](np.random.default_rng(seed), size)
    assert layers
    for cover, colour in layers:
        assert cover.shape == (size, size)
        assert cover.dtype == np.float32
        assert cover.flags.c_contiguous
        assert 0 <= float(cover.min()) <= float(cover.max()) <= 1
        assert all(0 <= value <= 255 for value in colour)


@pytest.mark.parametrize("name", ARTEFACTS)
def test_an_artefact_falls_on_its_share_of_the_images(name: str) -> None:
    before, after = colours(Recipe(**{name: 0.5}), skin())
    changed = ((after - before).abs() > 1e-3).flatten(1).any(dim=1)
    assert MANY * 0.3 < int(changed.sum()) < MANY * 0.7


@pytest.mark.parametrize("name", ARTEFACTS)
def test_each_image_has_its_own(name: str) -> None:
    _, after = colours(Recipe(**{name: 1.0}), skin(16))
    distinct = {after[i].numpy().tobytes() for i in range(16)}
    assert len(distinct) == 16


@pytest.mark.parametrize("name", ARTEFACTS)
def test_an_image_keeps_its_artefact_when_others_have_none(name: str) -> None:
    _, all_of_them = colours(Recipe(**{name: 1.0}), skin())
    before, half = colours(Recipe(**{name: 0.5}), skin())
    kept = [torch.equal(half[i], all_of_them[i]) for i in range(MANY)]
    bare = [float((half[i] - before[i]).abs().max()) < 1e-3 for i in range(MANY)]
    assert all(one or other for one, other in zip(kept, bare, strict=True))
    assert 0 < sum(kept) < MANY


@pytest.mark.parametrize("name", ["hair", "ink", "ruler", "corners"])
def test_dark_things_never_brighten(name: str) -> None:
    found = change(name)
    assert float(found.max()) < 1e-6
    assert float(found.min()) < -0.2


def test_hair_is_thin_and_leaves_most_of_the_skin() -> None:
    marked = np.array([layers[1].cover for layers in drawings("hair")]) > 0.3
    share = marked.mean(axis=(1, 2))
    assert 0.0 < share.mean() < 0.12
    assert share.max() < 0.3
    # No run of dark pixels across a thin stroke is long in both directions: a 9 px block is never all hair.
    blocks = np.lib.stride_tricks.sliding_window_view(marked[:10], (9, 9), axis=(1, 2))
    assert blocks.all(axis=(3, 4)).mean() < 0.002


def test_hair_has_its_shadow_beside_it() -> None:
    for shadow, strand in drawings("hair", range(5)):
        drop = max(1, round(0.006 * 224))
        moved = np.roll(strand.cover, (drop, drop), (0, 1))
        assert np.corrcoef(moved.ravel(), shadow.cover.ravel())[0, 1] > 0.99
        assert float(shadow.cover.max()) <= 0.25


def test_a_ruler_repeats_along_one_edge() -> None:
    for (layer,) in drawings("ruler"):
        ticks = layer.cover > 0.1
        rows, columns = np.flatnonzero(ticks.any(axis=1)), np.flatnonzero(ticks.any(axis=0))
        spans = (np.ptp(rows) + 1, np.ptp(columns) + 1)
        assert max(spans) > 200, "from side to side"
        assert min(spans) < 60, "a strip"
        near = min(rows.min(), columns.min(), 223 - rows.max(), 223 - columns.max())
        assert near < 40, "near an edge"
        profile = layer.cover.sum(axis=0 if spans[1] > spans[0] else 1)
        profile = profile - profile.mean()
        spectrum = np.abs(np.fft.rfft(profile * np.hanning(224)))[4:]
        assert spectrum.max() > 4 * np.median(spectrum), "evenly spaced"


def test_corners_are_dark_and_the_middle_is_not() -> None:
    found = -change("corners")
    middle = found[:, 40:56, 40:56].mean(axis=(1, 2))
    tips = np.stack([found[:, y, x] for y in (0, -1) for x in (0, -1)], axis=1)
    assert middle.max() < 0.03
    assert (tips.mean(axis=1) > 0.3).mean() > 0.9
    assert (tips.mean(axis=1) > middle + 0.1).all()


def test_ink_is_bluish_or_black_and_grainy() -> None:
    for (layer,) in drawings("ink"):
        assert layer.colour[2] == max(layer.colour)
        inside = layer.cover[layer.cover > 0.02]
        assert inside.size > 50
        assert inside.std() > 0.08, "broken up by the skin"
        assert (layer.cover > 0.02).mean() < 0.25, "a line, no wash"


def test_bubbles_are_bright_rings_with_a_dark_rim() -> None:
    found = change("bubbles")
    brighter, darker = found.max(axis=(1, 2)), found.min(axis=(1, 2))
    assert (brighter > 0.1).mean() > 0.9
    assert (darker < -0.01).mean() > 0.9
    assert (np.abs(found) > 0.02).mean() < 0.15, "most of the picture stays"


def test_artefacts_are_drawn_at_the_output_size() -> None:
    """A hair is as sharp at 32 px as at 224: what is zoomed is the photo beneath it."""
    large = augment(skin(8, 300), RECIPES["hair"], 224, generator())
    small = augment(skin(8, 300), RECIPES["hair"], 32, generator())
    assert large.shape[-1] == 224
    share = [(picture < 0.55).float().mean() for picture in (large, small)]
    assert 0.2 < float(share[0] / share[1]) < 5


@pytest.mark.slow
def test_the_full_recipe_keeps_up_with_a_training() -> None:
    """200 images a second of one thread's processor time at 224 px; half of that here, where machines differ."""
    squares, times = torch.full((32, 256, 256, 3), GREY, dtype=torch.uint8), []
    stream = generator()
    for _ in range(8):
        begun = thread_time()
        augment(squares, RECIPES["dermoscopy-full"], 224, stream)
        times.append(thread_time() - begun)
    assert 32 / float(np.median(times)) > 100
