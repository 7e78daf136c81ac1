"""What is blended with what, and that the shares say it."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from epiluma.training.mixing import mix
from epiluma.training.recipe import Optimiser

PIXELS = torch.arange(6.0).view(6, 1, 1, 1).expand(6, 3, 20, 20).clone()
MASKS = torch.arange(6).view(6, 1, 1).expand(6, 20, 20).to(torch.uint8).clone()


def random(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def test_without_blending_a_batch_is_as_it_was() -> None:
    mixed = mix(PIXELS, MASKS, Optimiser(), random())
    assert mixed.pixels is PIXELS
    assert mixed.masks is MASKS
    assert (mixed.share, mixed.mask_share) == (1, 1)


@pytest.mark.parametrize("seed", range(5))
def test_mixup_is_a_weighted_mean(seed: int) -> None:
    mixed = mix(PIXELS, MASKS, Optimiser(mixup=0.4), random(seed))
    expected = mixed.share * torch.arange(6.0) + (1 - mixed.share) * mixed.order
    torch.testing.assert_close(mixed.pixels[:, 0, 0, 0], expected)
    assert mixed.mask_share == mixed.share
    assert mixed.masks is MASKS, "their losses are blended, not they"


@pytest.mark.parametrize("seed", range(8))
def test_cutmix_takes_a_rectangle_and_its_mask_from_the_other(seed: int) -> None:
    before = PIXELS.clone(), MASKS.clone()
    mixed = mix(PIXELS, MASKS, Optimiser(cutmix=1.0), random(seed))
    assert mixed.masks is not None
    for i, other in enumerate(mixed.order.tolist()):
        assert set(mixed.pixels[i].unique().tolist()) <= {float(i), float(other)}
        torch.testing.assert_close(mixed.pixels[i, 0], mixed.masks[i].float())
        if other != i:
            assert float((mixed.pixels[i, 0] == i).float().mean()) == pytest.approx(mixed.share)
    assert mixed.mask_share == 1
    assert torch.equal(PIXELS, before[0])
    assert torch.equal(MASKS, before[1])


def test_both_take_turns() -> None:
    kinds = [mix(PIXELS, MASKS, Optimiser(mixup=1.0, cutmix=1.0), random(seed)).masks is MASKS for seed in range(200)]
    assert 0.4 < np.mean(kinds) < 0.6


def test_blending_depends_on_its_numbers_alone() -> None:
    first, again = (mix(PIXELS, None, Optimiser(mixup=0.4), random(3)) for _ in range(2))
    assert first.share == again.share
    assert torch.equal(first.order, again.order)
    assert sorted(first.order.tolist()) == list(range(6))
    assert mix(PIXELS, None, Optimiser(mixup=0.4), random(4)).share != first.share
