"""What the networks written here are built from."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional


def conv(
    inputs: int, outputs: int, kernel: int, *, stride: int = 1, groups: int = 1, relu: bool = True
) -> nn.Sequential:
    """Convolution, batch norm and, unless told otherwise, ReLU; the size is kept but for the stride."""
    padding = kernel // 2
    convolution = nn.Conv2d(inputs, outputs, kernel, stride, padding, groups=groups, bias=False)
    return nn.Sequential(convolution, nn.BatchNorm2d(outputs), *([nn.ReLU()] if relu else []))


def resize(maps: Tensor, size: torch.Size) -> Tensor:
    """(n, c, h, w) -> (n, c, *size), bilinear."""
    return functional.interpolate(maps, size=size, mode="bilinear", align_corners=False)
