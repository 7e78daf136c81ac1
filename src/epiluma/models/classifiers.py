"""Classifiers from timm: presets with tested settings, and any other by timm's name."""

from __future__ import annotations

import difflib
import functools
import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

import timm
import torch
from timm.data import IMAGENET_DEFAULT_MEAN, IMAGENET_DEFAULT_STD
from timm.models import get_pretrained_cfg, group_parameters
from torch import Tensor, nn

from epiluma.models.errors import UnknownModel, UnsuitableModel, WeightsError
from epiluma.models.mobilenet import fold_input_scale
from epiluma.models.parts import Draft

STRIDES = (4, 8, 16, 32)
"""A feature pyramid: maps whose sides are these fractions of the image's."""
MASKS = "mask_decoder"
"""Child of a classifier that also draws masks."""


class Input(NamedTuple):
    """What a network expects of pixels: scaled to [0, 1], then (x - mean) / std, per channel."""

    mean: tuple[float, float, float]
    std: tuple[float, float, float]


IMAGENET = Input(IMAGENET_DEFAULT_MEAN, IMAGENET_DEFAULT_STD)


class Preset(NamedTuple):
    """A timm network with the settings that its starting weights need."""

    timm: str
    """timm's name, with the tag of the weights where there is a choice."""
    input: Input | None = None
    """None: what timm's weights expect."""
    options: Mapping[str, Any] = {}
    """Passed to timm."""
    adapt: Callable[[nn.Module], None] | None = None
    """Makes a network with timm's own weights take `input`."""
    spare: tuple[str, ...] = ()
    """Parts of a weights file that the network does not use."""


PRESETS: dict[str, Preset] = {
    "mobilenetv2": Preset("mobilenetv2_100", Input((0.5,) * 3, (0.5,) * 3), {"pad_type": "same"}, fold_input_scale),
    "inceptionv3": Preset("inception_v3.tv_in1k", spare=("AuxLogits",)),
    "resnet34": Preset("resnet34.a1_in1k"),
    "resnet50": Preset("resnet50.a1_in1k"),
    "efficientnet": Preset("efficientnet_b0.ra_in1k"),
    "convnext": Preset("convnext_tiny.in12k_ft_in1k"),
    "vit": Preset("vit_small_patch16_224.dino", options={"dynamic_img_size": True, "dynamic_img_pad": True}),
}
"""Names of our own; any name of timm's is taken too."""


class Anatomy(NamedTuple):
    """What a classifier is made of, found without its weights."""

    names: tuple[str, ...]
    """Of its parameters and statistics."""
    order: dict[str, int]
    """Number of the stage of each parameter, as timm groups them."""
    head: tuple[str, ...]
    """Its last, linear layer."""
    levels: tuple[int, ...]
    """timm's numbers of the feature maps at `STRIDES`; empty if it has no such pyramid."""
    channels: tuple[int, ...]
    """Of these feature maps."""


def preset(name: str, *, also: Iterable[str] = ()) -> Preset:
    """The settings of a preset, or of any timm classifier.

    Raises UnknownModel that names the nearest known ones, those in `also` among them.
    """
    if name in PRESETS:
        return PRESETS[name]
    if timm.is_model(name):
        try:
            get_pretrained_cfg(name)
        except RuntimeError as error:  # the part behind the dot
            raise UnknownModel(f"unknown architecture {name!r}: {error}") from error
        return Preset(name)
    raise UnknownModel(f"unknown architecture {name!r}; {_nearest(name, [*PRESETS, *also, *timm.list_models()])}")


def _nearest(name: str, known: list[str]) -> str:
    """`the nearest are ...`, or all of the presets where nothing is near."""
    near = difflib.get_close_matches(name, list(dict.fromkeys(known)), n=4, cutoff=0.5)
    return (
        f"the nearest known are {', '.join(near)}"
        if near
        else f"take one of {', '.join(known[:12])} or any other of timm's"
    )


def pixels(name: str) -> Input:
    """What the classifier expects of pixels. Raises UnknownModel."""
    chosen = preset(name)
    if chosen.input is not None:
        return chosen.input
    facts: Any = get_pretrained_cfg(chosen.timm)
    return Input(facts.mean, facts.std) if facts and facts.mean else IMAGENET


def create(name: str, outputs: int, *, dropout: float = 0.0, drop_path: float = 0.0) -> Any:
    """A network of timm's with random weights. Raises UnknownModel, or UnsuitableModel for a setting that it lacks."""
    chosen = preset(name)
    options = {"num_classes": outputs, "drop_rate": dropout, **chosen.options}
    if drop_path:
        options["drop_path_rate"] = drop_path
    try:
        return timm.create_model(chosen.timm, **options)
    except TypeError as error:
        raise UnsuitableModel(f"{name} does not take a setting: {error}") from error


@functools.cache
def anatomy(name: str) -> Anatomy:
    """What the classifier is made of, from a copy that takes no memory and no time. Raises UnknownModel."""
    with torch.device("meta"):
        network = create(name, 2).eval()
        levels, channels = _pyramid(network)
    last = network.get_classifier()
    lasts = last if isinstance(last, tuple) else (last,)
    return Anatomy(
        names=tuple(network.state_dict()),
        order=group_parameters(network, network.group_matcher(coarse=True), reverse=True),
        head=tuple(key for key, module in network.named_modules() if any(module is one for one in lasts)),
        levels=levels,
        channels=channels,
    )


def _pyramid(network: Any) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """(levels, channels) of the deepest feature map at each stride; both empty unless all four are exactly there."""
    strides = [info["reduction"] for info in getattr(network, "feature_info", ())]
    if not set(STRIDES) <= set(strides) or not hasattr(network, "forward_intermediates"):
        return (), ()
    levels = tuple(max(level for level, found in enumerate(strides) if found == stride) for stride in STRIDES)
    facts = network.pretrained_cfg
    side = facts["input_size"][-1] if facts.get("fixed_input_size") else 4 * STRIDES[-1]
    maps = network.forward_intermediates(torch.zeros(1, 3, side, side), indices=list(levels), intermediates_only=True)
    sides = [math.ceil(side / stride) for stride in STRIDES]
    if [tuple(found.shape[2:]) for found in maps] != [(expected, expected) for expected in sides]:
        return (), ()
    return levels, tuple(found.shape[1] for found in maps)


def with_pyramid(name: str) -> Anatomy:
    """The anatomy of a classifier that a mask can be drawn from. Raises UnknownModel or UnsuitableModel."""
    found = anatomy(name)
    if not found.levels:
        sides = ", ".join(f"1/{stride}" for stride in STRIDES)
        usable = ", ".join(key for key in PRESETS if anatomy(key).levels)
        raise UnsuitableModel(
            f"{name} gives no feature maps at {sides} of the image's side, which masks need; take for example {usable}"
        )
    return found


def classifier(name: str, outputs: int, *, dropout: float, drop_path: float) -> Draft:
    """(n, 3, S, S) -> (n, outputs) logits."""
    found = anatomy(name)
    network = create(name, outputs, dropout=dropout, drop_path=drop_path)
    return Draft(network, found.head, found.order, spare=(*preset(name).spare, MASKS))


def downloaded(name: str) -> dict[str, Tensor]:
    """The tensors of timm's own weights, fitted to the preset's input. Raises UnknownModel or WeightsError."""
    chosen = preset(name)
    if not timm.models.is_model_pretrained(chosen.timm):
        raise WeightsError(f"{name}: timm has no weights for it; give a safetensors file")
    try:
        network: nn.Module = timm.create_model(chosen.timm, pretrained=True, **chosen.options)
    except (OSError, RuntimeError) as error:
        raise WeightsError(f"{name}: timm's weights could not be downloaded ({error}); give a file") from error
    if chosen.adapt is not None:
        chosen.adapt(network)
    return network.state_dict()
