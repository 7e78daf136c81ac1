"""Flip, turn, zoom, stretch and shift: one affine map per image, for its mask too."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional

from epiluma.augmentation.chance import Uniform
from epiluma.augmentation.recipes import Recipe


def sampling_grid(recipe: Recipe, n: int, size: int, uniform: Uniform) -> Tensor:
    """(n, size, size, 2): where each output pixel looks, in [-1, 1] across the image; beyond that lies outside."""
    return functional.affine_grid(_maps(recipe, n, uniform), [n, 1, size, size], align_corners=False)


def resample(pixels: Tensor, grid: Tensor, black: Tensor | None = None) -> Tensor:
    """(n, c, H, H) -> (n, c, size, size), bilinear.

    What lies outside is the image's reflection, or 0 in the images where `black` (n,) is true.
    """
    seen = functional.grid_sample(pixels, grid, mode="bilinear", padding_mode="reflection", align_corners=False)
    if black is None or not black.any():
        return seen
    inside = (grid.abs() <= 1).all(dim=3, keepdim=True).permute(0, 3, 1, 2)
    return seen.mul_(inside | ~black.view(-1, 1, 1, 1))


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
    # A part that is seen is shifted as far as it stays inside; a picture with a black border anywhere in its frame.
    slack = (1 - zoom).abs() if recipe.black_border else (1 - zoom).clamp_min(0)
    shift = uniform(-1, 1, n, 2) * slack[:, None]
    return torch.cat([linear, shift[:, :, None]], dim=2)
