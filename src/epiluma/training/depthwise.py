"""Depthwise convolutions, made quick to train in bf16 on a processor. The results are the same.

oneDNN has no fast kernel in bf16 for the gradients of two kinds of them:

- with a stride: the same layer with stride 1, of whose output every second row and column is kept, does four times the
  arithmetic in far less time;
- with kernels larger than 3 x 3, as in EfficientNet: in fp32 their gradients take a third of the time.
"""

from __future__ import annotations

from typing import Any

import torch
from timm.layers.conv2d_same import Conv2dSame
from torch import Tensor, nn
from torch.nn import functional

_QUICK = 3
"""Largest side of a kernel whose gradient is quick in bf16."""


def _learns(features: Tensor) -> bool:
    """Whether a gradient is wanted in bf16 on a processor."""
    wanted = torch.is_grad_enabled() and features.requires_grad and features.device.type == "cpu"
    return wanted and torch.is_autocast_enabled("cpu") and torch.get_autocast_dtype("cpu") == torch.bfloat16


class _Single(nn.Conv2d):
    """Computes in fp32 what is to be learned in bf16."""

    def forward(self, features: Tensor) -> Tensor:
        """As the plain layer."""
        if not _learns(features):
            return super().forward(features)
        with torch.autocast("cpu", enabled=False):
            return super().forward(features.float()).bfloat16()


class _SingleSame(_Single, Conv2dSame):
    """With TensorFlow's padding."""


class _Dense(nn.Conv2d):
    """Computes every output and keeps those that the stride asks for."""

    def forward(self, features: Tensor) -> Tensor:
        """(n, C, h, w) -> (n, C', ceil(h / stride), ceil(w / stride)) or as the padding says."""
        if not _learns(features):
            return super().forward(features)
        padding, first = zip(*map(self._place, features.shape[2:], range(2)), strict=True)
        dense = functional.conv2d(features, self.weight, self.bias, 1, padding, self.dilation, self.groups)
        kept = dense[..., first[0] :: self.stride[0], first[1] :: self.stride[1]]
        return kept.contiguous(memory_format=torch.channels_last)

    def _place(self, _side: int, axis: int) -> tuple[int, int]:
        """Padding on both sides, and the first row or column to keep."""
        padding = self.padding[axis]
        assert isinstance(padding, int)
        return padding, 0


class _DenseSame(_Dense, Conv2dSame):
    """With TensorFlow's padding, which puts the odd pixel behind: the places that are kept begin one later."""

    def _place(self, side: int, axis: int) -> tuple[int, int]:
        reach = (self.kernel_size[axis] - 1) * self.dilation[axis]
        padded = max(0, (-(-side // self.stride[axis]) - 1) * self.stride[axis] + reach + 1 - side)
        return reach // 2, reach // 2 - padded // 2


_SINGLE: dict[type[Any], type[_Single]] = {nn.Conv2d: _Single, Conv2dSame: _SingleSame}
_DENSE: dict[type[Any], type[_Dense]] = {nn.Conv2d: _Dense, Conv2dSame: _DenseSame}


def ease(network: nn.Module) -> nn.Module:
    """Let the slow depthwise convolutions of a network compute so; its parameters and their names stay.

    Strided layers with an even kernel, or padding given as a word, stay as they are.
    """
    for layer in network.modules():
        if type(layer) in _DENSE:
            _ease(layer)
    return network


def _ease(layer: Any) -> None:
    if not layer.groups == layer.in_channels > 1:
        return
    if max(layer.kernel_size) > _QUICK:
        layer.__class__ = _SINGLE[type(layer)]
    elif max(layer.stride) > 1 and _can_be_dense(layer):
        layer.__class__ = _DENSE[type(layer)]


def _can_be_dense(layer: Any) -> bool:
    odd = all(side % 2 for side in layer.kernel_size)
    return odd and layer.padding_mode == "zeros" and not isinstance(layer.padding, str)
