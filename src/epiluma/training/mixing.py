"""Blending the images of a batch with each other: mixup and CutMix."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from epiluma.training.recipe import Optimiser


class Mixed(NamedTuple):
    """A blended batch: image i is `share` of its own and the rest of image `order[i]`."""

    pixels: Tensor
    masks: Tensor | None
    order: Tensor
    """(b,)"""
    share: float
    """Of the own diagnosis in the loss."""
    mask_share: float
    """Of the own mask in the loss; 1 when the masks were cut as the images were."""


def mix(pixels: Tensor, masks: Tensor | None, settings: Optimiser, random: np.random.Generator) -> Mixed:
    """Blend (b, 3, S, S) images, and (b, S, S) masks, as the settings ask; the inputs are left as they are.

    mixup: Zhang et al. 2018, arXiv:1710.09412. CutMix: Yun et al. 2019, arXiv:1905.04899, eq. 1 and 2. Where both are
    set, each is for half of the batches.
    """
    mixup, cutmix = settings.mixup, settings.cutmix
    cut = bool(cutmix) and (not mixup or random.random() < 0.5)
    strength = cutmix if cut else mixup
    share = float(random.beta(strength, strength)) if strength else 1.0
    order = torch.from_numpy(random.permutation(len(pixels))).to(pixels.device)
    if share == 1:
        return Mixed(pixels, masks, order, 1.0, 1.0)
    if not cut:
        return Mixed(share * pixels + (1 - share) * pixels[order], masks, order, share, share)
    rows, columns = _rectangle(pixels.shape[-1], 1 - share, random)
    pixels, masks = pixels.clone(), None if masks is None else masks.clone()
    pixels[..., rows, columns] = pixels[order][..., rows, columns]
    if masks is not None:
        masks[..., rows, columns] = masks[order][..., rows, columns]
    area = (rows.stop - rows.start) * (columns.stop - columns.start)
    return Mixed(pixels, masks, order, 1 - area / pixels.shape[-1] ** 2, 1.0)


def _rectangle(size: int, area: float, random: np.random.Generator) -> tuple[slice, slice]:
    """A square of that share of the image about a random point, as far as it lies inside."""
    half = size * area**0.5 / 2
    return tuple(  # type: ignore[return-value]
        slice(max(0, round(middle - half)), min(size, round(middle + half))) for middle in random.uniform(0, size, 2)
    )
