"""Masks from a classifier's own features: a light decoder, and networks that are a timm classifier with one.

The decoder is a feature pyramid (Lin et al. 2017, arXiv:1612.03144) of few channels whose 3x3 convolutions are
depthwise-separable (Howard et al. 2017, arXiv:1704.04861).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from epiluma.models.classifiers import MASKS, create, preset, with_pyramid
from epiluma.models.layers import conv, resize
from epiluma.models.parts import Draft

WIDTH = 48
"""Channels of the decoder."""


class LightDecoder(nn.Module):
    """Feature maps at 1/4, 1/8, 1/16 and 1/32 of the image -> (n, classes, H, W) logits at the image's size."""

    def __init__(self, channels: tuple[int, ...], classes: int, *, width: int = WIDTH, dropout: float = 0.0) -> None:
        super().__init__()
        self.project = nn.ModuleList(conv(depth, width, 1, relu=False) for depth in channels)
        self.smooth = nn.ModuleList(_separable(width) for _ in channels[1:])
        self.predict = nn.Sequential(nn.Dropout2d(dropout), nn.Conv2d(width, classes, 1))

    def forward(self, pyramid: list[Tensor], size: torch.Size) -> Tensor:
        """From the deepest map upwards: enlarge, add the next one, smooth."""
        merged: Tensor = self.project[-1](pyramid[-1])
        for features, project, smooth in zip(pyramid[-2::-1], self.project[-2::-1], self.smooth, strict=True):
            merged = smooth(resize(merged, features.shape[-2:]) + project(features))
        return resize(self.predict(merged), size)


def _separable(width: int) -> nn.Sequential:
    return nn.Sequential(conv(width, width, 3, groups=width), conv(width, width, 1))


class MaskNetwork(nn.Module):
    """What a timm classifier's class is mixed with: (n, 3, S, S) -> (n, classes, S, S) mask logits.

    The network stays timm's, so its parameters keep timm's names, beside those of the decoder.
    """

    mask_levels: list[int]
    mask_decoder: LightDecoder
    forward_intermediates: Callable[..., Any]
    forward_head: Callable[..., Any]

    def forward(self, image: Tensor) -> Any:
        """Mask logits at the image's size."""
        pyramid = self.forward_intermediates(image, indices=self.mask_levels, intermediates_only=True)
        return self.mask_decoder(pyramid, image.shape[-2:])

    def __reduce__(self) -> tuple[Any, ...]:
        """Copy and pickle by the two classes, as the mixed one has no name that could be imported."""
        return _blank, type(self).__bases__, self.__dict__


class MultiTask(MaskNetwork):
    """(n, 3, S, S) -> (n, outputs) logits, the classifier's own, and (n, classes, S, S) mask logits."""

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """Logits of the diagnosis and of the masks, from one pass through the encoder."""
        features, pyramid = self.forward_intermediates(image, indices=self.mask_levels)
        return self.forward_head(features), self.mask_decoder(pyramid, image.shape[-2:])


_MIXED: dict[tuple[type, type], type] = {}


def _mixed(task: type, kind: type) -> type:
    """The one class that is both."""
    if (task, kind) not in _MIXED:
        _MIXED[task, kind] = type(f"{task.__name__}{kind.__name__}", (task, kind), {})
    return _MIXED[task, kind]


def _blank(task: type, kind: type) -> Any:
    return object.__new__(_mixed(task, kind))


def _attach(network: Any, task: type[MaskNetwork], levels: tuple[int, ...], decoder: LightDecoder) -> None:
    network.add_module(MASKS, decoder)
    network.mask_levels = list(levels)
    network.__class__ = _mixed(task, type(network))


def light(classes: int, *, encoder: str, dropout: float, drop_path: float) -> Draft:
    """The light decoder on a classifier's encoder, whose own head is cut off: masks alone."""
    found = with_pyramid(encoder)
    network = create(encoder, 1, drop_path=drop_path)
    network.prune_intermediate_layers(list(found.levels), prune_norm=True, prune_head=True)
    _attach(network, MaskNetwork, found.levels, LightDecoder(found.channels, classes, dropout=dropout))
    cut = set(found.names) - set(network.state_dict())
    return Draft(network, (MASKS,), found.order, spare=(*preset(encoder).spare, *cut))


def multitask(name: str, outputs: int, classes: int, *, dropout: float, drop_path: float) -> Draft:
    """A classifier with the light decoder on its encoder: logits and masks."""
    found = with_pyramid(name)
    network = create(name, outputs, dropout=dropout, drop_path=drop_path)
    _attach(network, MultiTask, found.levels, LightDecoder(found.channels, classes, dropout=dropout))
    return Draft(network, (*found.head, MASKS), found.order, spare=preset(name).spare)
