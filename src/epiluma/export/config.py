"""What is shipped from a run: the `[bundle]` table of a recipe file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import msgspec

from epiluma.bundle import FP32, Modality
from epiluma.evaluation.calibration import Method
from epiluma.training.recipe import Recipe, RecipeError

Share = Annotated[float, msgspec.Meta(gt=0, lt=1)]


Epoch = Literal["best", "last"]
Views = Literal[1, 4]
Format = Literal["onnx-fp16", "onnx-int8", "openvino"]
"""What `epiluma.export.variants.FORMATS` knows beside fp32."""


class Shipping(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Facts and demands that training does not know."""

    name: str
    modality: Modality
    size: Annotated[int, msgspec.Meta(ge=32, le=1024)]
    """Side of the network's input, pixels."""
    epoch: Epoch = "best"
    """Which weights of the run: of the epoch that validated best, or of the last one."""
    views: Views = 1
    """1 judges the photo as it is; 4 averages the logits over its mirror images, at four times the cost."""
    licence: str
    licence_note: str
    non_commercial: bool
    training_data: str
    sensitivity: Share
    """Melanoma sensitivity by lesion that the threshold must reach on the calibration part."""
    lower_bound: Share
    """One-sided 95% lower bound that it must reach."""
    prior_power: Annotated[float, msgspec.Meta(ge=0, le=1)] = 1.0
    cost: dict[str, Annotated[float, msgspec.Meta(gt=0)]] = {}
    """By leaf code: how much worse it is to miss this diagnosis than one that is not named, which costs 1."""
    calibration: Method = "best"
    """How logits become probabilities; `best` lets left-out lesions choose."""
    coverage: Annotated[float, msgspec.Meta(ge=0, lt=1)] = 0.9
    """Share of lesions whose set of diagnoses holds the truth; 0 makes no sets."""
    abstain: Annotated[float, msgspec.Meta(ge=0, lt=1)] = 0.0
    """Largest share of lesions with a photo too near the threshold to be judged; 0 judges all."""
    outline: str = ""
    """Folder of a finished run that segments the lesion, whose network ships beside this one."""
    margin: Annotated[float, msgspec.Meta(ge=0, le=2)] | msgspec.UnsetType = msgspec.UNSET
    """Around the lesion, where the run was trained to follow it (`data.centre`); unset, the margin of training."""
    variants: tuple[Format, ...] = ()
    """Further formats to ship beside the graph in fp32, such as `onnx-int8`."""
    examples: bool = True
    """Whether photos of the public archive in the calibration part are named as alike."""
    preferred: Literal["onnx-fp32", "onnx-fp16", "onnx-int8"] = "onnx-fp32"
    """The graph that runs where nobody names another; one of `variants`, or the one in fp32."""


def load(path: Path) -> Shipping:
    """Read the `[bundle]` table. Raises RecipeError naming the file and the key."""
    try:
        tree = msgspec.toml.decode(path.read_bytes())
        if "bundle" not in tree:
            raise RecipeError(f"{path}: has no [bundle] table, which says what to ship")
        shipping = msgspec.convert(tree["bundle"], Shipping)
    except OSError as error:
        raise RecipeError(f"{path}: {error.strerror}") from error
    except (msgspec.DecodeError, msgspec.ValidationError) as error:
        raise RecipeError(f"{path}: [bundle]: {error}") from error
    if shipping.preferred not in (FP32, *shipping.variants):
        raise RecipeError(f"{path}: [bundle] preferred: {shipping.preferred} is not among the variants that ship")
    if shipping.calibration == "none":
        raise RecipeError(f"{path}: [bundle] calibration: a bundle ships calibrated; use best, temperature or vector")
    return shipping


def unshipped(
    recipe: Recipe,
    *,
    epoch: Epoch = "best",
    size: int | None = None,
    views: Views = 1,
    calibration: Method = "best",
) -> Shipping:
    """How to score a run that is not shipped: at the size it was trained at, with the usual demands."""
    return Shipping(
        name=recipe.name,
        modality="dermoscopy",
        size=size or recipe.phases[-1].size,
        epoch=epoch,
        views=views,
        licence="",
        licence_note="",
        non_commercial=True,
        training_data=recipe.data.name,
        calibration=calibration,
        sensitivity=0.97,
        lower_bound=0.92,
    )
