"""What a recipe can change, and the recipes that have a name."""

from __future__ import annotations

import math

import msgspec

from epiluma.errors import EpilumaError


class AugmentationError(EpilumaError):
    """A recipe that does not exist or cannot be meant, or pixels of another form."""


ARTEFACTS = ("ink", "hair", "bubbles", "ruler", "corners")
"""In the order in which they lie on each other, skin first."""
_SHARES = (*ARTEFACTS, "constancy", "erase", "black_border")
_STRENGTHS = ("stretch", "brightness", "contrast", "saturation", "cast")


class Recipe(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Strength of each change; the defaults change nothing. Raises AugmentationError for a value out of range."""

    flip: bool = False
    """Mirror left-right and up-down, each for half of the images."""
    rotate: float = 0.0
    """Largest rotation either way, degrees."""
    zoom: tuple[float, float] = (1.0, 1.0)
    """Range of the side of the square that is seen, as a share of the image's side."""
    stretch: float = 0.0
    """Largest log aspect ratio."""
    black_border: float = 0.0
    """Share of the images beyond whose edge all is black, as in a letterboxed or lens-shaped frame, and that lie
    anywhere in it; beyond the edge of the others is their reflection."""
    brightness: float = 0.0
    """Largest log change of all channels."""
    contrast: float = 0.0
    """Largest log change about the image's own mean."""
    saturation: float = 0.0
    """Largest relative change of the distance from grey."""
    cast: float = 0.0
    """Largest log change of each channel alone: other lamps, other cameras."""
    erase: float = 0.0
    """Share of the images that lose a rectangle (3 to 15% of the area) to their mean colour."""
    hair: float = 0.0
    """Share with hairs: long and curved, or shaved to stubble."""
    ruler: float = 0.0
    """Share with the ticks of a ruler along an edge."""
    corners: float = 0.0
    """Share seen through a round lens: dark corners, and light that falls off towards them."""
    ink: float = 0.0
    """Share with a pen mark around the lesion or across a corner."""
    bubbles: float = 0.0
    """Share with bubbles in the gel: bright rings."""
    constancy: float = 0.0
    """Share whose colours move, by a random part of the way, to where the light would be grey."""

    def __post_init__(self) -> None:
        for name in _SHARES:
            _check(name, getattr(self, name), 0, 1, "a share")
        for name in _STRENGTHS:
            _check(name, getattr(self, name), 0, 1, "a strength")
        _check("rotate", self.rotate, 0, 180, "degrees")
        low, high = self.zoom
        if not 0.1 <= low <= high <= 2:
            raise AugmentationError(f"zoom: give a range within 0.1 to 2, smaller first, not ({low}, {high})")

    @property
    def artefacts(self) -> bool:
        """Whether anything is drawn on any image."""
        return any(getattr(self, name) for name in ARTEFACTS)


def _check(name: str, value: float, low: float, high: float, what: str) -> None:
    if not (math.isfinite(value) and low <= value <= high):
        raise AugmentationError(f"{name}: give {what} from {low:g} to {high:g}, not {value}")


RECIPES = {
    "none": Recipe(),
    "flips": Recipe(flip=True),
    "reference": Recipe(flip=True, rotate=20, zoom=(0.8, 1.0), brightness=0.2, contrast=0.2),
    "dermoscopy": Recipe(
        flip=True, rotate=180, zoom=(0.6, 1.05), stretch=0.12,
        brightness=0.15, contrast=0.2, saturation=0.2, cast=0.06, erase=0.25,
    ),
    "hair": Recipe(hair=1),
    "ruler": Recipe(ruler=1),
    "corners": Recipe(corners=1),
    "ink": Recipe(ink=1),
    "bubbles": Recipe(bubbles=1),
    "constancy": Recipe(constancy=1),
    "dermoscopy-full": Recipe(
        flip=True, rotate=180, zoom=(0.6, 1.05), stretch=0.12,
        brightness=0.15, contrast=0.2, saturation=0.2, cast=0.06, erase=0.1,
        hair=0.3, ruler=0.1, corners=0.15, ink=0.1, bubbles=0.15, constancy=0.3,
    ),
    "framing": Recipe(
        flip=True, rotate=180, zoom=(0.5, 1.6), stretch=0.3, black_border=0.5,
        brightness=0.3, contrast=0.3, saturation=0.3, cast=0.1,
        hair=0.2, ruler=0.05, corners=0.2, ink=0.05, bubbles=0.05,
    ),
}  # fmt: skip
"""Models that were shipped name `flips` and `dermoscopy`: these must keep giving the pixels that they give."""


def recipe(name: str) -> Recipe:
    """A recipe by name. Raises AugmentationError that lists the known ones."""
    if name not in RECIPES:
        raise AugmentationError(f"unknown augmentation {name!r}; known are {', '.join(sorted(RECIPES))}")
    return RECIPES[name]
