"""MobileNetV2 1.0 (Sandler et al. 2018, arXiv:1801.04381), from timm, with TensorFlow-style padding."""

from __future__ import annotations

from pathlib import Path

import timm
import torch
from timm.data import IMAGENET_DEFAULT_MEAN, IMAGENET_DEFAULT_STD
from torch import nn

from epiluma.errors import EpilumaError

MEAN = (0.5, 0.5, 0.5)
STD = (0.5, 0.5, 0.5)
"""Inputs in [-1, 1], as the ImageNet weights were trained."""


class WeightsError(EpilumaError):
    """A weights file that is not there, cannot be read, or belongs to another network."""


def mobilenetv2(outputs: int, *, weights: Path | str | None, dropout: float = 0.0) -> nn.Module:
    """MobileNetV2 with `outputs` logits.

    `weights`: a safetensors file with timm's parameter names, whose classifier is dropped; `"imagenet"` to
    download timm's own; None for random ones. Raises WeightsError when the file does not fit.
    """
    network: nn.Module = timm.create_model(
        "mobilenetv2_100",
        pretrained=weights == "imagenet",
        num_classes=outputs,
        drop_rate=dropout,
        pad_type="same",
    )
    if weights is not None:
        if weights == "imagenet":
            _fold_input_scale(network)
        else:
            _load(network, Path(weights))
        head = network.get_submodule("classifier")
        assert isinstance(head, nn.Linear)
        nn.init.zeros_(head.weight)  # timm's large random head would shake the good features under it
    return network


def _fold_input_scale(network: nn.Module) -> None:
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


def _load(network: nn.Module, path: Path) -> None:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    if not path.is_file():
        raise WeightsError(f"{path}: no such weights file")
    try:
        tensors = {name: tensor for name, tensor in load_file(path).items() if not name.startswith("classifier.")}
    except SafetensorError as error:
        raise WeightsError(f"{path}: is not a safetensors file ({error})") from error
    shapes = {name: t.shape for name, t in network.state_dict().items() if not name.startswith("classifier.")}
    missing = [name for name in shapes if name not in tensors and not name.endswith("num_batches_tracked")]
    unexpected = [name for name, tensor in tensors.items() if shapes.get(name) != tensor.shape]
    if missing or unexpected:
        raise WeightsError(f"{path}: does not fit MobileNetV2: missing {missing[:3]}, unexpected {unexpected[:3]}")
    network.load_state_dict(tensors, strict=False)
