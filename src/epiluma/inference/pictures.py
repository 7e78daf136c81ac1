"""Masks and overlays of screened photos, as PNG files under the photos' own names."""

from __future__ import annotations

import io
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from epiluma.errors import EpilumaError
from epiluma.inference.screen import Screened
from epiluma.inference.view import Mask

_WARM = np.array([255, 60, 0], np.float32)
_CONTOUR = (0, 255, 220)
_STRONGEST = 0.55
"""Share of the heat's colour where it is strongest."""
_THICKNESS = 0.004
"""Of the contour, as a share of the photo's shorter side."""


class PicturesError(EpilumaError):
    """Pictures that cannot be written where they should go."""


class Pictures:
    """Writes what is asked for, photo by photo: `masks/NAME.png`, `overlays/NAME.png`."""

    def __init__(self, photos: Iterable[Path], *, masks: Path | None, overlays: Path | None) -> None:
        """Make the folders. Raises PicturesError, also when two photos would give files of one name."""
        self._masks, self._overlays = masks, overlays
        seen: dict[str, Path] = {}
        if not (masks or overlays):
            return
        for photo in photos:
            other = seen.setdefault(photo.stem, photo)
            if other != photo:
                raise PicturesError(
                    f"{other} and {photo} would both give {photo.stem}.png; screen them one after the other, "
                    f"into folders of their own"
                )
        for folder in filter(None, (masks, overlays)):
            try:
                folder.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise PicturesError(f"{folder}: the folder cannot be made ({error.strerror})") from error

    def write(self, photo: Path, screened: Screened) -> None:
        """The pictures of one photo; nothing where the bundle has no outline. Raises PicturesError."""
        if screened.mask is None:
            return
        size = (screened.screening.width, screened.screening.height)
        if self._masks:
            _save(Image.fromarray(screened.mask).resize(size), self._masks / f"{photo.stem}.png")
        if self._overlays:
            _save(overlay(screened), self._overlays / f"{photo.stem}.png")


def overlay(screened: Screened) -> Image.Image:
    """The decoded photo with the lesion's contour and, where it was judged, what spoke for the diagnosis in red."""
    pixels = np.asarray(screened.photo).astype(np.float32)
    if screened.heat is not None:
        pixels += (_WARM - pixels) * _spread(screened)[..., None]
    shown = np.clip(pixels, 0, 255).astype(np.uint8)
    if screened.mask is not None:
        shown[contour(screened.mask, max(1, round(_THICKNESS * min(screened.photo.size))))] = _CONTOUR
    return Image.fromarray(shown)


def contour(mask: Mask, thickness: int) -> Mask:
    """(h, w): the outermost `thickness` pixels of what a mask marks."""
    inner = np.pad(mask, 1)
    for _ in range(thickness):
        core = inner.copy()
        core[1:-1, 1:-1] &= inner[:-2, 1:-1] & inner[2:, 1:-1] & inner[1:-1, :-2] & inner[1:-1, 2:]
        inner = core
    edge: Mask = mask & ~inner[1:-1, 1:-1]
    return edge


def _spread(screened: Screened) -> npt.NDArray[np.float32]:
    """(h, w) share of the heat's colour in each pixel of the photo; none outside the square."""
    shares = np.zeros((screened.photo.height, screened.photo.width), np.float32)
    heat = screened.heat
    if heat is None or heat.max() <= 0:
        return shares
    left, top, side = (round(value) for value in screened.box)
    room = shares[top : top + side, left : left + side]
    size = (room.shape[1], room.shape[0])
    room[:] = np.asarray(Image.fromarray(heat / heat.max()).resize(size, Image.Resampling.BILINEAR)) * _STRONGEST
    return shares


def _save(picture: Image.Image, path: Path) -> None:
    buffer = io.BytesIO()
    picture.save(buffer, "PNG")
    try:
        path.write_bytes(buffer.getvalue())
    except OSError as error:
        raise PicturesError(f"{path}: the picture cannot be written ({error.strerror})") from error
