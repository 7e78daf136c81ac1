"""A sheet of pictures that shows what recipes do: a column per photo, a row per recipe, the originals first."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image, ImageDraw, ImageFont

from epiluma.augmentation import augment
from epiluma.augmentation.recipes import RECIPES, AugmentationError, recipe
from epiluma.imaging.decode import PhotoError, decode_photo
from epiluma.imaging.preprocess import to_square
from epiluma.imaging.synthetic import draw_lesion

MAX_COLUMNS, MAX_SIZE = 50, 1024
_GAP, _LABEL, _TEXT = 4, 150, 15
"""Pixels: between pictures, of the column of names, and of a letter."""


def preview(
    photos: Sequence[Path], recipe_names: Sequence[str], out: Path, *, seed: int = 0, columns: int = 6, size: int = 224
) -> Path:
    """Write a PNG sheet to `out` and return its path.

    Row 0 holds the originals: the photos in turn until there are `columns` of them, drawn lesions where no photo is
    given. Each further row holds one recipe (all, when none is named) on the same photos, in batches of their own:
    a row does not depend on the others. The same arguments give the same pixels. Raises AugmentationError.
    """
    if not 1 <= columns <= MAX_COLUMNS or not 1 <= size <= MAX_SIZE or seed < 0:
        raise AugmentationError(
            f"give 1 to {MAX_COLUMNS} columns of 1 to {MAX_SIZE} pixels and a seed from 0, "
            f"not {columns} of {size} and {seed}"
        )
    names = list(dict.fromkeys(recipe_names)) or list(RECIPES)
    chosen = [recipe(name) for name in names]
    squares = _squares(photos, seed, columns, size)
    rows = [squares]
    for changes in chosen:
        found = augment(torch.from_numpy(squares), changes, size, torch.Generator().manual_seed(seed))
        rows.append((found.permute(0, 2, 3, 1) * 255).round().to(torch.uint8).numpy())
    sheet = _sheet(["original", *names], rows)
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        sheet.save(out, format="PNG")
    except OSError as error:
        raise AugmentationError(f"{out}: {error.strerror}; name another file") from error
    return out


def _squares(photos: Sequence[Path], seed: int, columns: int, size: int) -> npt.NDArray[np.uint8]:
    """(columns, size, size, 3) uint8 originals."""
    if photos:
        distinct = [_read(path, size) for path in photos[:columns]]
    else:
        distinct = [to_square(Image.fromarray(draw_lesion(seed + i).image), size) for i in range(columns)]
    return np.stack([distinct[i % len(distinct)] for i in range(columns)])


def _read(path: Path, size: int) -> npt.NDArray[np.uint8]:
    try:
        return to_square(decode_photo(path.read_bytes(), shorter_side=size).image, size)
    except PhotoError as error:
        raise AugmentationError(f"{path}: {error}") from error
    except OSError as error:
        raise AugmentationError(f"{path}: {error.strerror}; name a photo") from error


def _sheet(labels: Sequence[str], rows: Sequence[npt.NDArray[np.uint8]]) -> Image.Image:
    """Rows of pictures, each with its label on the left."""
    columns, size = rows[0].shape[:2]
    step = size + _GAP
    sheet = Image.new("RGB", (_LABEL + columns * step + _GAP, len(rows) * step + _GAP), "white")
    pen, font = ImageDraw.Draw(sheet), ImageFont.load_default(_TEXT)
    for y, (label, row) in enumerate(zip(labels, rows, strict=True)):
        pen.text((_GAP * 2, _GAP + y * step + size / 2), label, fill="black", font=font, anchor="lm")
        for x, square in enumerate(row):
            sheet.paste(Image.fromarray(square), (_LABEL + x * step, _GAP + y * step))
    return sheet
