"""What is shipped from a run: the `[bundle]` table of a recipe file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import msgspec

from epiluma.bundle import Modality
from epiluma.training.recipe import RecipeError

Share = Annotated[float, msgspec.Meta(gt=0, lt=1)]


Epoch = Literal["best", "last"]
Views = Literal[1, 4]


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


def load(path: Path) -> Shipping:
    """Read the `[bundle]` table. Raises RecipeError naming the file and the key."""
    try:
        tree = msgspec.toml.decode(path.read_bytes())
        if "bundle" not in tree:
            raise RecipeError(f"{path}: has no [bundle] table, which says what to ship")
        return msgspec.convert(tree["bundle"], Shipping)
    except OSError as error:
        raise RecipeError(f"{path}: {error.strerror}") from error
    except (msgspec.DecodeError, msgspec.ValidationError) as error:
        raise RecipeError(f"{path}: [bundle]: {error}") from error
