"""Where the random numbers of a batch come from."""

from __future__ import annotations

from typing import Protocol

import torch
from torch import Tensor


class Uniform(Protocol):
    """Draws uniform numbers: (n,), one per image of the batch, unless a shape is given."""

    def __call__(self, low: float, high: float, *shape: int) -> Tensor:
        """Numbers in [low, high)."""


def uniform_from(generator: torch.Generator, n: int) -> Uniform:
    """The uniform numbers of a batch of `n` images."""

    def uniform(low: float, high: float, *shape: int) -> Tensor:
        return torch.rand(shape or (n,), generator=generator) * (high - low) + low

    return uniform


def chosen(share: float, uniform: Uniform) -> list[int]:
    """Indices of the images that a change with this share falls on."""
    indices: list[int] = torch.nonzero(uniform(0, 1) < share).flatten().tolist()
    return indices
