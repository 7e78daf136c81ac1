"""Numbers, names and colours of classes: `classes.json`, `classes.txt`, `labelmap.txt` and the order of VOC 2012."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TypeVar

import msgspec
import numpy as np
import numpy.typing as npt

from epiluma.datasets.annotations.files import decoded, label_text, read_bytes
from epiluma.datasets.record import DataError

T = TypeVar("T")

Classes = Mapping[int, str]
"""Name of each number; 0 is the background and not among them."""
BACKGROUND = {"background", "_background_"}
VOC_2012 = (
    "aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair", "cow", "diningtable", "dog",
    "horse", "motorbike", "person", "pottedplant", "sheep", "sofa", "train", "tvmonitor",
)  # fmt: skip
"""Pascal VOC's own classes, numbers 1 to 20."""


class Listing(msgspec.Struct, frozen=True, kw_only=True):
    """`classes.json` as it is written here; a bare list of names and an object of number -> name are read too."""

    classes: list[str]
    """In the order of their numbers; the background comes first."""
    images: dict[str, str] = {}
    """Mask file -> image name."""


def numbered(names: Iterable[str]) -> dict[int, str]:
    """Names in the order of their numbers: from 1, or from 0 when the first is the background.

    `__ignore__`, which LabelMe's lists begin with, is passed over. Raises DataError for a name given twice.
    """
    listed = [label_text(name) for name in names]
    for leading in ({"__ignore__"}, BACKGROUND):
        listed = listed[1:] if listed and listed[0].casefold() in leading else listed
    if len(set(listed)) < len(listed):
        raise DataError(f"a class is named twice among {', '.join(listed)}")
    return dict(enumerate(listed, start=1))


def read_listing(folder: Path) -> tuple[Classes, dict[str, str]]:
    """Classes and image names by mask file, from `classes.json` or `classes.txt`; both empty when there is none.

    Raises DataError.
    """
    if (path := folder / "classes.txt").is_file():
        return _named(path, [line for line in _lines(path) if line]), {}
    if not (path := folder / "classes.json").is_file():
        return {}, {}
    data = read_bytes(path)
    if (listing := _if_it_is(data, Listing)) is not None:
        return _named(path, listing.classes), listing.images
    if (names := _if_it_is(data, list[str])) is not None:
        return _named(path, names), {}
    if (by_number := _if_it_is(data, dict[int, str])) is not None:
        return _by_number(path, by_number), {}
    raise DataError(f"{path}: neither a list of names nor an object of number and name")


def _if_it_is(data: bytes, kind: type[T]) -> T | None:
    try:
        return decoded(data, kind)
    except DataError:
        return None


def _by_number(path: Path, names: dict[int, str]) -> dict[int, str]:
    if min(names, default=0) < 0 or len(set(names.values())) < len(names):
        raise DataError(f"{path}: a number below 0, or a class named twice")
    return {number: label_text(name) for number, name in sorted(names.items()) if number}


def _named(path: Path, names: Iterable[str]) -> dict[int, str]:
    try:
        return numbered(names)
    except DataError as error:
        raise DataError(f"{path}: {error}") from error


def _lines(path: Path) -> list[str]:
    try:
        return [line.strip() for line in read_bytes(path).decode("utf-8-sig").splitlines()]
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: is not text in UTF-8 ({error})") from error


def voc_colours() -> npt.NDArray[np.uint8]:
    """(256, 3) the palette of Pascal VOC: the bits of a number, dealt to red, green and blue from the top down."""
    number = np.arange(256)
    colours = np.zeros((256, 3), np.uint8)
    for bit in range(8):
        for channel in range(3):
            colours[:, channel] |= ((number >> (3 * bit + channel) & 1) << (7 - bit)).astype(np.uint8)
    return colours


def read_labelmap(path: Path) -> tuple[Classes, dict[int, int]]:
    """Classes, and the number of each colour (red * 65536 + green * 256 + blue), of lines `name:r,g,b:parts:actions`.

    A line's place is its number, beginning with the background's. Colours that are left out are VOC's. Raises
    DataError with the line.
    """
    names: list[str] = []
    colours: dict[int, int] = {}
    usual = voc_colours()
    for at, line in enumerate(_lines(path), start=1):
        if not line or line.startswith("#"):
            continue
        name, _, rest = line.partition(":")
        colour = rest.split(":")[0].strip()
        try:
            parts = [int(part) for part in colour.split(",")] if colour else usual[len(names)].tolist()
            red, green, blue = parts
        except (ValueError, IndexError) as error:
            raise DataError(f"{path}: line {at}: expected name:r,g,b:parts:actions") from error
        colours[red << 16 | green << 8 | blue] = len(names)
        names.append(name)
    if not names or names[0].casefold() not in BACKGROUND:
        raise DataError(f"{path}: the first class must be the background")
    return _named(path, names), colours
