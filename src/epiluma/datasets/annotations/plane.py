"""One number per pixel: between regions and PNG files that hold classes or objects as grey or palette values."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from epiluma.datasets.annotations.classes import Classes, voc_colours
from epiluma.datasets.annotations.files import Written, omitted
from epiluma.datasets.annotations.region import Annotation, Region, check_size, region_of
from epiluma.datasets.record import DataError, Omitted
from epiluma.imaging.containers import PhotoError, read_container

Plane = npt.NDArray[np.integer]
"""(height, width), 0 is the background."""


def plane_of(data: bytes, colours: Mapping[int, int] | None = None) -> Plane:
    """The numbers in a grey or palette PNG; of a colour PNG, those that its colours stand for.

    `colours` maps red * 65536 + green * 256 + blue to a number; without it a colour PNG is refused unless it is grey.
    Raises DataError.
    """
    try:
        container = read_container(data)
    except PhotoError as error:
        raise DataError(error.reason) from error
    check_size(container.width, container.height)
    if container.format != "PNG":
        raise DataError(f"a {container.format} file; masks must be PNG, which keeps numbers exactly")
    try:
        with Image.open(io.BytesIO(container.data), formats=["PNG"]) as picture:
            picture.load()
            mode, values = picture.mode, np.asarray(picture)
    except Exception as error:  # Pillow's decoder raises a dozen unrelated kinds on damaged files
        raise DataError(f"damaged PNG ({error})") from error
    if mode in {"1", "L", "P"} or mode.startswith("I"):
        return values.astype(np.uint8) if values.dtype == bool else values
    if mode != "RGB":
        raise DataError(f"a PNG of kind {mode}; a mask is grey, palette or plain colour")
    return _plane_of_colours(values, colours)


def _plane_of_colours(values: npt.NDArray[np.uint8], colours: Mapping[int, int] | None) -> Plane:
    if colours is None:
        if (values != values[..., :1]).any():
            raise DataError("a colour picture; a mask has one number per pixel, as grey or palette")
        return values[..., 0]
    packed = values.astype(np.uint32) @ np.array([1 << 16, 1 << 8, 1], np.uint32)
    found, inverse = np.unique(packed, return_inverse=True)
    if unknown := [int(colour) for colour in found if int(colour) not in colours]:
        raise DataError(f"the colour #{unknown[0]:06x} belongs to no class")
    return np.array([colours[int(colour)] for colour in found], np.uint16)[inverse.reshape(packed.shape)]


def write_plane(path: Path, plane: Plane) -> None:
    """Write numbers up to 255 as a PNG with Pascal VOC's palette."""
    picture = Image.fromarray(plane.astype(np.uint8))
    picture.putpalette(voc_colours().tobytes())
    picture.save(path, optimize=False)


def class_regions(plane: Plane, classes: Classes) -> Iterator[Region]:
    """A region for each number in the plane, in number order. Raises DataError for a number without a class."""
    numbers = [int(number) for number in np.unique(plane) if number]
    if unknown := [number for number in numbers if number not in classes]:
        known = f"{min(classes)} to {max(classes)}" if classes else "none: name them in classes.json or give labels"
        raise DataError(f"the value {unknown[0]} has no class (known are {known})")
    for number in numbers:
        region = region_of(classes[number], plane == number)
        assert region is not None
        yield region


def paint(annotation: Annotation, numbers: list[int]) -> tuple[Plane, list[int]]:
    """The regions drawn one over the other, each in its number; and how many pixels of each the others took."""
    plane = np.zeros((annotation.height, annotation.width), np.uint16)
    for region, number in zip(annotation.regions, numbers, strict=True):
        plane[region.box][region.mask] = number
    lost = [
        int(np.count_nonzero(plane[region.box][region.mask] != number))
        for region, number in zip(annotation.regions, numbers, strict=True)
    ]
    return plane, lost


def report(annotation: Annotation, lost: list[int]) -> Written:
    """What became of regions that lost pixels to those on top."""
    hidden: list[Omitted] = []
    notes: list[str] = []
    for k, (region, pixels) in enumerate(zip(annotation.regions, lost, strict=True), start=1):
        if pixels == np.count_nonzero(region.mask):
            reason = f"region {k} ({region.label}) is hidden by those on top of it"
            hidden.append(omitted(annotation.where, annotation.image, reason, "out of scope"))
        elif pixels:
            notes.append(
                f"{annotation.where}: region {k} ({region.label}) lost {pixels:,} pixels to those on top of it"
            )
    return Written(tuple(hidden), tuple(notes))
