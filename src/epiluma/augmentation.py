"""Named augmentation recipes, applied to a whole batch at once.

One affine map per image (flip, turn, zoom, stretch, shift) resampled in one pass from the cached pixels, one
3x3 colour matrix per image, and an erased rectangle. Everything is drawn from the generator that the caller
gives, so an epoch can be repeated exactly.
"""

from __future__ import annotations

import math
from typing import Protocol

import msgspec
import torch
from torch import Tensor
from torch.nn import functional


class Uniform(Protocol):
    """Draws uniform numbers: (n,) unless a shape is given."""

    def __call__(self, low: float, high: float, *shape: int) -> Tensor:
        """Numbers in [low, high)."""


class Recipe(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Strength of each change; the defaults change nothing."""

    flip: bool = False
    """Mirror left-right and up-down, each for half of the images."""
    rotate: float = 0.0
    """Largest rotation either way, degrees."""
    zoom: tuple[float, float] = (1.0, 1.0)
    """Range of the side of the square that is seen, as a share of the image's side."""
    stretch: float = 0.0
    """Largest log aspect ratio."""
    brightness: float = 0.0
    """Largest log change of all channels."""
    contrast: float = 0.0
    """Largest log change about the image's own mean."""
    saturation: float = 0.0
    """Largest relative change of the distance from grey."""
    cast: float = 0.0
    """Largest log change of each channel alone: other lamps, other cameras."""
    erase: float = 0.0
    """Share of the images that lose a rectangle (3 to 15% of the area) to their mean colour."""


RECIPES = {
    "none": Recipe(),
    "flips": Recipe(flip=True),
    "dermoscopy": Recipe(
        flip=True, rotate=180, zoom=(0.6, 1.05), stretch=0.12,
        brightness=0.15, contrast=0.2, saturation=0.2, cast=0.06, erase=0.25,
    ),
}  # fmt: skip


def recipe(name: str) -> Recipe:
    """A recipe by name. Raises ValueError that lists the known ones."""
    if name not in RECIPES:
        raise ValueError(f"unknown augmentation {name!r}; known are {', '.join(sorted(RECIPES))}")
    return RECIPES[name]


def augment(squares: Tensor, recipe: Recipe, size: int, generator: torch.Generator) -> Tensor:
    """(n, H, H, 3) uint8 -> (n, 3, size, size) float32 in [0, 1], channels-last in memory."""
    pixels = squares.permute(0, 3, 1, 2).float().div_(255)  # a channels-last view of the same memory order
    n = len(pixels)

    def uniform(low: float, high: float, *shape: int) -> Tensor:
        return torch.rand(shape or (n,), generator=generator) * (high - low) + low

    grid = functional.affine_grid(_maps(recipe, n, uniform), [n, 3, size, size], align_corners=False)
    pixels = functional.grid_sample(pixels, grid, mode="bilinear", padding_mode="reflection", align_corners=False)
    pixels = _recolour(pixels, recipe, uniform)
    if recipe.erase:
        _erase(pixels, recipe.erase, uniform)
    return pixels.clamp_(0, 1).contiguous(memory_format=torch.channels_last)


def _maps(recipe: Recipe, n: int, uniform: Uniform) -> Tensor:
    """(n, 2, 3) maps from output to input coordinates, both in [-1, 1]."""
    angle = uniform(-recipe.rotate, recipe.rotate) * (math.pi / 180)
    zoom = uniform(*recipe.zoom)
    stretch = uniform(-recipe.stretch, recipe.stretch).exp()
    mirror_x, mirror_y = (torch.where(uniform(0, 1) < (0.5 if recipe.flip else 0.0), -1.0, 1.0) for _ in "xy")
    across, down = zoom * stretch.sqrt() * mirror_x, zoom / stretch.sqrt() * mirror_y
    linear = torch.stack(
        [angle.cos() * across, -angle.sin() * down, angle.sin() * across, angle.cos() * down], dim=1
    ).view(n, 2, 2)
    slack = (1 - zoom).clamp_min(0)[:, None]  # shift only as far as the seen square stays inside
    shift = uniform(-1, 1, n, 2) * slack
    return torch.cat([linear, shift[:, :, None]], dim=2)


def _recolour(pixels: Tensor, recipe: Recipe, uniform: Uniform) -> Tensor:
    """Saturation, cast, brightness and contrast as one 3x3 matrix and one offset per image."""
    if not (recipe.brightness or recipe.contrast or recipe.saturation or recipe.cast):
        return pixels
    n = len(pixels)
    luma = torch.tensor([0.299, 0.587, 0.114]).expand(3, 3)  # ITU-R BT.601
    keep = (1 + uniform(-recipe.saturation, recipe.saturation))[:, None, None]
    gain = (uniform(-recipe.cast, recipe.cast, n, 3) + uniform(-recipe.brightness, recipe.brightness, n, 1)).exp()
    contrast = uniform(-recipe.contrast, recipe.contrast).exp()[:, None, None]
    matrix = gain[:, :, None] * (keep * torch.eye(3) + (1 - keep) * luma)
    mean = torch.einsum("nij,nj->ni", matrix, pixels.mean(dim=(2, 3)))[:, :, None]
    flat = pixels.permute(0, 2, 3, 1).reshape(n, -1, 3)
    mixed = torch.baddbmm((1 - contrast).mul(mean).transpose(1, 2), flat, (contrast * matrix).transpose(1, 2))
    return mixed.view(n, *pixels.shape[2:], 3).permute(0, 3, 1, 2)


def _erase(pixels: Tensor, share: float, uniform: Uniform) -> None:
    """Paint a rectangle of a share of the images with that image's mean colour, in place."""
    height, width = pixels.shape[2:]
    chosen = uniform(0, 1) < share
    area, ratio = uniform(0.03, 0.15), uniform(-0.7, 0.7).exp()
    tall, wide = (area * ratio).sqrt() * height, (area / ratio).sqrt() * width
    top, left = uniform(0, 1) * (height - tall), uniform(0, 1) * (width - wide)
    for i in torch.nonzero(chosen).flatten().tolist():
        y, x = int(top[i]), int(left[i])
        pixels[i, :, y : y + int(tall[i]), x : x + int(wide[i])] = pixels[i].mean(dim=(1, 2))[:, None, None]
