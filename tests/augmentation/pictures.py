"""Small pictures whose changes can be read."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from epiluma.augmentation import Recipe, augment

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


def colours(change: Recipe, squares: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """Pixels before and after a change that moves nothing, (n, 3, S, S)."""
    squares = photos(MANY) if squares is None else squares
    return channels_first(squares), augment(squares, change, squares.shape[1], generator())
