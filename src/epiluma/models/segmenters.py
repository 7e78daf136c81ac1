"""Networks that draw masks alone: written here, or from segmentation_models_pytorch on an encoder of timm's."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

from torch import nn

from epiluma.models.classifiers import MASKS, Anatomy, preset, with_pyramid
from epiluma.models.errors import UnsuitableModel
from epiluma.models.light import light
from epiluma.models.liteseg import pp_liteseg_t
from epiluma.models.parts import Draft

ENCODER = "mobilenetv2"
"""Where a recipe names none."""


class Segmenter(NamedTuple):
    """How to build a network that draws masks."""

    draft: Callable[..., Draft]
    """draft(classes, dropout=) and, where an encoder can be chosen, encoder= and drop_path=."""
    takes_encoder: bool = True


def _library(kind: str, classes: int, *, encoder: str, dropout: float, drop_path: float) -> Draft:
    """A network of segmentation_models_pytorch; its input's sides must be multiples of 32."""
    import segmentation_models_pytorch

    found = with_pyramid(encoder)
    chosen = preset(encoder)
    options: dict[str, Any] = dict(chosen.options)
    if drop_path:
        options["drop_path_rate"] = drop_path
    if kind == "DeepLabV3Plus":
        options["decoder_aspp_dropout"] = dropout
    try:
        network: Any = getattr(segmentation_models_pytorch, kind)(
            f"tu-{chosen.timm}", encoder_weights=None, classes=classes, **options
        )
    except (TypeError, ValueError, RuntimeError) as error:
        raise UnsuitableModel(f"{encoder} cannot be the encoder of {kind}: {error}") from error
    network.segmentation_head.insert(0, nn.Dropout2d(dropout))
    return _named(network, found, spare=(*chosen.spare, MASKS))


def _named(network: nn.Module, found: Anatomy, *, spare: tuple[str, ...]) -> Draft:
    """Match the encoder's names with timm's, which the library writes as `stages_0` where timm has `stages.0`."""
    prefix = "encoder.model."
    timm_name = {name.replace(".", "_"): name for name in found.names}
    own = {
        timm_name[name.removeprefix(prefix).replace(".", "_")]: name
        for name in network.state_dict()
        if name.startswith(prefix)
    }
    order = {own[name]: stage for name, stage in found.order.items() if name in own}
    return Draft(
        network,
        ("decoder", "segmentation_head"),
        order,
        own=own,
        spare=(*spare, *(name for name in found.names if name not in own)),
    )


SEGMENTERS: dict[str, Segmenter] = {
    "pp_liteseg_t": Segmenter(pp_liteseg_t, takes_encoder=False),
    "light": Segmenter(light),
    "unet": Segmenter(partial(_library, "Unet")),
    "deeplabv3plus": Segmenter(partial(_library, "DeepLabV3Plus")),
    "segformer": Segmenter(partial(_library, "Segformer")),
}
