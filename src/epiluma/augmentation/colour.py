"""Light and colour: one 3x3 matrix per image; colour constancy; an erased rectangle."""

from __future__ import annotations

import torch
from torch import Tensor

from epiluma.augmentation.chance import Uniform, chosen
from epiluma.augmentation.recipes import Recipe

MINKOWSKI = 6
"""Power of the mean that estimates the light. Finlayson & Trezzi, "Shades of Gray and Colour Constancy", 12th Color
Imaging Conference, 2004, found 6 best: between the grey world (1) and the brightest pixel (infinity)."""


def recolour(pixels: Tensor, recipe: Recipe, uniform: Uniform) -> Tensor:
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


def grey_gains(pixels: Tensor) -> Tensor:
    """(n, 3) gains that make the light of each image grey and keep its strength (shades of grey).

    `pixels` is (n, 3, h, w) in [0, 1], as stored: the gamma is left in, as is usual with dermoscopy. The light is the
    Minkowski mean of each channel. A black image has gains of 1.
    """
    light = pixels.pow(MINKOWSKI).mean(dim=(2, 3)).pow(1 / MINKOWSKI)
    gains = light.square().mean(dim=1, keepdim=True).sqrt() / light.clamp_min(1e-3)
    return torch.where((light > 1e-3).all(dim=1, keepdim=True), gains, 1.0)


def shades_of_grey(pixels: Tensor, share: float, uniform: Uniform) -> None:
    """Give a share of the images grey light, each by its own strength in [0, 1), in place."""
    indices, strength = chosen(share, uniform), uniform(0, 1)
    if indices:
        gains = grey_gains(pixels[indices]) ** strength[indices, None]
        for i, gain in zip(indices, gains, strict=True):
            pixels[i].mul_(gain[:, None, None]).clamp_(max=1)


def erase(pixels: Tensor, share: float, uniform: Uniform) -> None:
    """Paint a rectangle of a share of the images with that image's mean colour, in place."""
    height, width = pixels.shape[2:]
    indices = chosen(share, uniform)
    area, ratio = uniform(0.03, 0.15), uniform(-0.7, 0.7).exp()
    tall, wide = (area * ratio).sqrt() * height, (area / ratio).sqrt() * width
    top, left = uniform(0, 1) * (height - tall), uniform(0, 1) * (width - wide)
    for i in indices:
        y, x = int(top[i]), int(left[i])
        pixels[i, :, y : y + int(tall[i]), x : x + int(wide[i])] = pixels[i].mean(dim=(1, 2))[:, None, None]
