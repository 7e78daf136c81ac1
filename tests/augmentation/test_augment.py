"""What every recipe gives, whatever it changes; and the pixels that shipped models were trained on."""

from __future__ import annotations

import pytest
import torch

from epiluma.augmentation import RECIPES, AugmentationError, Recipe, augment, recipe
from tests.augmentation.pictures import SIDE, generator, photos


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


def test_the_next_batch_goes_on_where_the_generator_stands() -> None:
    stream = generator()
    first, second = (augment(photos(), RECIPES["dermoscopy-full"], SIDE, stream) for _ in range(2))
    assert not torch.equal(first, second)


# Four 48 px pictures, all three channels, at rows 8 and 39 and columns 5 and 34, in ten-thousandths. Written down
# before the first artefact was added to the recipes; the shipped model was trained with both.
PINNED = {
    "flips": [
        4902, 6392, 3490, 6157, 5490, 4627, 4549, 5765, 3255, 5020, 5255, 4667, 5686, 4824, 4588, 6157, 2667, 5412,
        3176, 6784, 4784, 6745, 4510, 5725, 6235, 5176, 4667, 4078, 5373, 5059, 5020, 4863, 5843, 3882, 4392, 5765,
        4667, 4863, 4627, 4510, 4941, 4941, 5843, 3961, 5412, 6863, 4627, 5216,
    ],
    "dermoscopy": [
        3898, 7360, 4152, 6413, 7391, 5256, 7580, 6048, 5279, 3967, 7384, 6726, 8517, 4727, 4952, 4766, 6113, 3299,
        5925, 4910, 5626, 3883, 5905, 3832, 5383, 3241, 8367, 4421, 2792, 4119, 7388, 6014, 6555, 7171, 3753, 5022,
        5578, 5106, 6669, 7117, 6851, 4221, 2876, 6600, 6810, 5682, 4008, 4141,
    ],
}  # fmt: skip


@pytest.mark.parametrize("name", sorted(PINNED))
def test_recipes_of_shipped_models_give_the_pixels_they_gave(name: str) -> None:
    found = augment(photos(4), recipe(name), SIDE, generator(5))[:, :, 8::31, 5::29]
    expected = torch.tensor(PINNED[name]).view(4, 3, 2, 2) / 10_000
    torch.testing.assert_close(found.contiguous(), expected, atol=1.5e-4, rtol=0)


@pytest.mark.parametrize(
    "squares",
    [
        torch.zeros(2, 8, 8, 3),
        torch.zeros(2, 3, 8, 8, dtype=torch.uint8),
        torch.zeros(8, 8, 3, dtype=torch.uint8),
        torch.zeros(0, 8, 8, 3, dtype=torch.uint8),
    ],
    ids=["floats", "channels first", "one picture", "no picture"],
)
def test_pixels_of_another_form_are_refused(squares: torch.Tensor) -> None:
    with pytest.raises(AugmentationError, match=r"give \(n, H, H, 3\) uint8 pixels, not \(\d"):
        augment(squares, Recipe(), 8, generator())


def test_a_size_of_nothing_is_refused() -> None:
    with pytest.raises(AugmentationError, match="0 pixels a side"):
        augment(photos(), Recipe(), 0, generator())
