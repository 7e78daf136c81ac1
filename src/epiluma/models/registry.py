"""Networks by name. Adding one: a builder in its own module and a line here; tests run over every entry."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from torch import nn

from epiluma.errors import EpilumaError
from epiluma.models import mobilenet


class UnknownModel(EpilumaError):
    """An architecture that the registry does not hold."""


class Architecture(NamedTuple):
    """How to build a classifier and what its input must look like."""

    build: Callable[..., nn.Module]
    """build(outputs, *, weights, dropout) -> network: (n, 3, S, S) float32 -> (n, outputs) logits."""
    head: tuple[str, ...]
    """Prefixes of the parameters that are new for the task, trained alone in the first phase."""
    mean: tuple[float, float, float]
    """Pixel values are scaled to [0, 1], then (x - mean) / std."""
    std: tuple[float, float, float]


REGISTRY = {
    "mobilenetv2": Architecture(mobilenet.mobilenetv2, ("classifier",), mobilenet.MEAN, mobilenet.STD),
}


def architecture(name: str) -> Architecture:
    """The registered entry. Raises UnknownModel."""
    if name not in REGISTRY:
        raise UnknownModel(f"unknown architecture {name!r}; known are {', '.join(sorted(REGISTRY))}")
    return REGISTRY[name]


def build(name: str, outputs: int, *, weights: Path | str | None, dropout: float = 0.0) -> nn.Module:
    """A network ready to train.

    `weights` is a local safetensors file, `"imagenet"` to download timm's, or None to start from random numbers.
    Raises UnknownModel, or the architecture's WeightsError when the file does not fit it.
    """
    return architecture(name).build(outputs, weights=weights, dropout=dropout)
