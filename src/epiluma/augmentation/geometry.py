"""Flip, turn, zoom, stretch and shift: one affine map per image."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional

from epiluma.augmentation.chance import Uniform
from epiluma.augmentation.recipes import Recipe


def resample(pixels: Tensor, recipe: Recipe, size: int, uniform: Uniform) -> Tensor:
    """(n, 3, H, H) -> (n, 3, size, size), bilinear; what lies outside the image is its reflection."""
    grid = functional.affine_grid(
        _maps(recipe, len(pixels), uniform), [len(pixels), 3, size, size], align_corners=False
    )
    return functional.grid_sample(pixels, grid, mode="bilinear", padding_mode="reflection", align_corners=False)


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
