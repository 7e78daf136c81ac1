"""Depthwise convolutions with a stride, made quick to train in bf16 on a processor.

oneDNN has no fast kernel for the gradient that such a layer passes on. The same layer with stride 1, of whose output
every second row and column is kept, does four times the arithmetic in far less time. The result is the same.
"""

from __future__ import annotations

from typing import Any

import torch
from timm.layers.conv2d_same import Conv2dSame
from torch import Tensor, nn
from torch.nn import functional


class _Dense(nn.Conv2d):
    """Computes every output and keeps those that the stride asks for, while a gradient is wanted in bf16."""

    def forward(self, features: Tensor) -> Tensor:
        """(n, C, h, w) -> (n, C', ceil(h / stride), ceil(w / stride)) or as the padding says."""
        wanted = torch.is_grad_enabled() and features.requires_grad and features.device.type == "cpu"
        if not wanted or not torch.is_autocast_enabled("cpu") or torch.get_autocast_dtype("cpu") != torch.bfloat16:
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


_DENSE: dict[type[Any], type[_Dense]] = {nn.Conv2d: _Dense, Conv2dSame: _DenseSame}


def ease(network: nn.Module) -> nn.Module:
    """Let the strided depthwise convolutions of a network compute so; its parameters and their names stay.

    Layers with an even kernel, or padding given as a word, stay as they are.
    """
    for layer in network.modules():
        if type(layer) in _DENSE and _is_strided_depthwise(layer):
            layer.__class__ = _DENSE[type(layer)]
    return network


def _is_strided_depthwise(layer: Any) -> bool:
    odd = all(side % 2 for side in layer.kernel_size)
    zeros = layer.padding_mode == "zeros" and not isinstance(layer.padding, str)
    return layer.groups == layer.in_channels > 1 and max(layer.stride) > 1 and odd and zeros
