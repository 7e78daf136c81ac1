"""What is peculiar to MobileNetV2: its free weights were trained with TensorFlow's padding on inputs in [-1, 1]."""

from __future__ import annotations

import torch
from timm.data import IMAGENET_DEFAULT_MEAN, IMAGENET_DEFAULT_STD
from torch import nn


def fold_input_scale(network: nn.Module) -> None:
    """Let the first layer take inputs in [-1, 1] where timm's weights expect ImageNet's mean and deviation.

    (p - m) / s = x * 0.5 / s + (0.5 - m) / s for p = 0.5 x + 0.5: the factor goes into the convolution, the constant
    into the batch norm behind it. Exact but for the padded border.
    """
    stem, norm = network.get_submodule("conv_stem"), network.get_submodule("bn1")
    assert isinstance(stem, nn.Conv2d)
    assert isinstance(norm, nn.BatchNorm2d)
    assert norm.running_mean is not None
    mean, std = torch.tensor(IMAGENET_DEFAULT_MEAN), torch.tensor(IMAGENET_DEFAULT_STD)
    with torch.no_grad():
        norm.running_mean -= torch.einsum("oihw,i->o", stem.weight, (0.5 - mean) / std)
        stem.weight *= (0.5 / std)[None, :, None, None]
