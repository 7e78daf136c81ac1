"""What a network is shown of each photo when a recipe follows the lesion."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from epiluma import bundle as bundles
from epiluma.inference.outline import Outliner
from epiluma.inference.view import View
from epiluma.training.recipe import Centre, RecipeError

_MADE = 2
"""Counts up when the same outline gives other squares than before."""


def crop_of(centre: Centre) -> bundles.Crop:
    """The same, as a bundle says it."""
    return bundles.Crop(margin=centre.margin, least=centre.least)


def outlining(centre: Centre) -> bundles.Bundle:
    """The bundle whose outline is followed. Raises BundleError, and RecipeError when it does not outline."""
    bundle = bundles.load(Path(centre.bundle))
    if bundle.manifest.outline is None:
        raise RecipeError(f"data.centre.bundle: {centre.bundle} has no network that outlines the lesion")
    return bundle


class Followed:
    """The square around the lesion, by the outline of the bundle that a recipe names."""

    def __init__(self, centre: Centre) -> None:
        """Raises what `outlining` does, SessionError and KnownAnswerMismatch."""
        bundle = outlining(centre)
        self._view = View(Outliner.of(bundle), crop_of(centre))
        assert bundle.manifest.outline is not None
        graph = bundle.manifest.files[bundle.manifest.outline.graph]
        self.key = f"{_MADE} {graph.sha256} {centre.margin} {centre.least}"

    def decoded_side(self, size: int) -> int:
        """As `View.decoded_side`."""
        return self._view.decoded_side(size)

    def __call__(self, photo: Image.Image, size: int) -> npt.NDArray[np.uint8]:
        """(size, size, 3) of an upright RGB photo."""
        return self._view.square(photo, self._view.box(photo, self._view.mask(photo)), size)
