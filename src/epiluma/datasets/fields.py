"""What the cells of publishers' tables mean: labels, ages, sexes, and where the files are."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from pathlib import Path

from epiluma.datasets.record import DataError, MissingImage, OutOfScope

IMAGE_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".tif", ".tiff", ".webp"})
OLDEST = 120
"""Years; a larger age is a mistake in the table."""


class UnmappedLabel(DataError):
    """A label that the adapter does not know; the message names it and the nearest known ones."""

    def __init__(self, label: str, known: Iterable[str]) -> None:
        names = sorted(known)
        near = difflib.get_close_matches(label.casefold(), [name.casefold() for name in names], n=3, cutoff=0.5)
        hint = f"nearest: {', '.join(near)}" if near else f"known are {', '.join(names)}"
        super().__init__(f"unknown label {label!r}; {hint}")


def leaf_of(label: str, mapping: Mapping[str, str | None]) -> str:
    """The leaf code that an adapter maps a label to, ignoring case and surrounding blanks.

    A label mapped to None is known and out of scope. Raises UnmappedLabel or OutOfScope.
    """
    folded = {name.casefold(): code for name, code in mapping.items()}
    wanted = label.strip().casefold()
    if wanted not in folded:
        raise UnmappedLabel(label, mapping)
    if (code := folded[wanted]) is None:
        raise OutOfScope(f"{label!r} is none of the taxonomy's diagnoses")
    return code


def age_of(cell: str) -> int | None:
    """Years from a cell such as `55`, `55.0` or an empty, `NA` or `unknown` one. Raises DataError."""
    if cell.strip().casefold() in {"", "na", "nan", "unknown"}:
        return None
    try:
        age = float(cell.rstrip("+"))
    except ValueError:
        age = -1.0
    if not 0 <= age <= OLDEST:
        raise DataError(f"age {cell!r} is not a number of years from 0 to {OLDEST}")
    return int(age)


def sex_of(cell: str) -> str:
    """`male`, `female`, or empty when not given. Raises DataError for anything else."""
    wanted = cell.strip().casefold()
    known = {"male": "male", "m": "male", "female": "female", "f": "female"}
    if wanted in {"", "na", "nan", "unknown", "other"}:
        return ""
    if wanted not in known:
        raise DataError(f"sex {cell!r} is neither male nor female nor empty")
    return known[wanted]


def skin_type_of(cell: str) -> int | None:
    """Fitzpatrick type 1 to 6 from `2` or `2.0`; None from an empty cell, `NA`, `unknown` or -1. Raises DataError."""
    if cell.strip().casefold() in {"", "na", "nan", "unknown", "-1", "-1.0"}:
        return None
    try:
        number = float(cell)
    except ValueError:
        number = 0.0
    if number not in {1, 2, 3, 4, 5, 6}:
        raise DataError(f"skin type {cell!r} is not a Fitzpatrick type from 1 to 6")
    return int(number)


def flag_of(cell: str, column: str) -> bool:
    """True or False, in any case. Raises DataError that names the column for anything else."""
    wanted = cell.strip().casefold()
    if wanted not in {"true", "false"}:
        raise DataError(f"{column} {cell!r} is neither True nor False")
    return wanted == "true"


def known(cell: str) -> str:
    """The cell, or an empty string where the publisher writes that it is not known."""
    return "" if cell.strip().casefold() in {"", "na", "nan", "unknown"} else cell.strip()


def index_images(root: Path, folders: Iterable[str]) -> dict[str, Path]:
    """Image files by stem, in the named folders of `root` (those that are there); the first folder wins."""
    images: dict[str, Path] = {}
    for folder in folders:
        place = root / folder
        for path in sorted(place.iterdir()) if place.is_dir() else ():
            if path.suffix.casefold() in IMAGE_SUFFIXES:
                images.setdefault(path.stem, path)
    return images


def image_of(image_id: str, images: Mapping[str, Path], looked_in: str) -> Path:
    """The file of an image. Raises MissingImage that says where it was looked for."""
    if image_id not in images:
        raise MissingImage(f"image {image_id} is not in {looked_in}")
    return images[image_id]


def inside(root: Path, relative: str) -> Path:
    """`root / relative`, refused when that is not below `root`: a table must not lead out of its folder.

    Raises DataError.
    """
    if "\0" in relative:  # Path would raise its own kind
        raise DataError(f"path {relative!r} is no path")
    if not relative or Path(relative).is_absolute() or not (root / relative).resolve().is_relative_to(root.resolve()):
        raise DataError(f"path {relative!r} leads out of {root}")
    return root / relative
