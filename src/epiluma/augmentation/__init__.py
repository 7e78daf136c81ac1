"""Named augmentation recipes, applied to a whole batch at once.

One affine map per image (flip, turn, zoom, stretch, shift) resampled in one pass from the cached pixels, things that
lie on the skin or in front of the lens drawn on some, one 3x3 colour matrix per image, and an erased rectangle.
Everything is drawn from the generator that the caller gives, so an epoch can be repeated exactly.
"""

from __future__ import annotations

import torch
from torch import Tensor

from epiluma.augmentation.artefacts import lay_artefacts
from epiluma.augmentation.chance import uniform_from
from epiluma.augmentation.colour import erase, recolour, shades_of_grey
from epiluma.augmentation.geometry import resample, sampling_grid
from epiluma.augmentation.recipes import RECIPES, AugmentationError, Recipe, recipe
from epiluma.datasets.cache import NO_MASK

__all__ = ["RECIPES", "UNKNOWN", "AugmentationError", "Recipe", "augment", "augment_pairs", "recipe"]

UNKNOWN = NO_MASK
"""In a mask: nobody knows whether this pixel is lesion."""


def augment(squares: Tensor, recipe: Recipe, size: int, generator: torch.Generator) -> Tensor:
    """(n, H, H, 3) uint8 -> (n, 3, size, size) float32 in [0, 1], channels-last in memory.

    Raises AugmentationError for another shape or type, or a size below 1.
    """
    return augment_pairs(squares, None, recipe, size, generator)[0]


def augment_pairs(
    squares: Tensor, masks: Tensor | None, recipe: Recipe, size: int, generator: torch.Generator
) -> tuple[Tensor, Tensor | None]:
    """Images as by `augment`, with the same numbers, and their masks mapped as they are.

    `masks` (n, H, H) uint8, 0 or 1, or UNKNOWN all over an image -> (n, size, size) of the same values. Raises
    AugmentationError.
    """
    _check(squares, masks, size)
    pixels = squares.permute(0, 3, 1, 2).float().div_(255)  # a channels-last view of the same memory order
    uniform = uniform_from(generator, len(pixels))
    # A change that a recipe lacks draws no numbers, so that a new kind of change leaves older recipes as they were.
    grid = sampling_grid(recipe, len(pixels), size, uniform)
    black = uniform(0, 1) < recipe.black_border if recipe.black_border else None
    pixels = resample(pixels, grid, black)
    if recipe.artefacts:
        lay_artefacts(pixels, recipe, generator, uniform)
    if recipe.constancy:
        shades_of_grey(pixels, recipe.constancy, uniform)
    pixels = recolour(pixels, recipe, uniform)
    if recipe.erase:
        erase(pixels, recipe.erase, uniform)
    pixels = pixels.clamp_(0, 1).contiguous(memory_format=torch.channels_last)
    return pixels, None if masks is None else _moved(masks, grid, black)


def _moved(masks: Tensor, grid: Tensor, black: Tensor | None) -> Tensor:
    known = masks[:, 0, 0] != UNKNOWN
    moved = resample((masks == 1).float()[:, None], grid, black)[:, 0] >= 0.5
    return torch.where(known[:, None, None], moved.to(torch.uint8), UNKNOWN)


def _check(squares: Tensor, masks: Tensor | None, size: int) -> None:
    if squares.dtype != torch.uint8 or squares.ndim != 4 or squares.shape[3] != 3 or not squares.numel():
        raise AugmentationError(f"give (n, H, H, 3) uint8 pixels, not {tuple(squares.shape)} {squares.dtype}")
    if masks is not None and (masks.dtype != torch.uint8 or masks.shape != squares.shape[:3]):
        raise AugmentationError(f"give (n, H, H) uint8 masks, not {tuple(masks.shape)} {masks.dtype}")
    if size < 1:
        raise AugmentationError(f"an image cannot have {size} pixels a side; give at least 1")
