"""COCO: one JSON file for all images, segmentations as polygons or run-length codes.

Convention: pixel edges, filled by pycocotools. A region without holes is written as polygons along the pixels' edges,
which give back the very same mask; one with holes, which polygons cannot say, as a packed run-length code. An object
without segmentation is its box. Crowds (`iscrowd`) are read like any other region.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

import msgspec
import numpy as np

from epiluma.datasets.annotations import runs
from epiluma.datasets.annotations.files import (
    Source,
    Stray,
    Written,
    attempt,
    decoded,
    decodes,
    files_below,
    image_name,
    known_label,
    label_text,
    new_file,
    omitted,
    read_bytes,
    single_file,
)  # fmt: skip
from epiluma.datasets.annotations.outline import edge_polygons, fill_edges, points_of
from epiluma.datasets.annotations.region import Annotation, Region, check_size, full_mask, held, region_of
from epiluma.datasets.record import DataError, Omitted

Key = int | str
"""Identifiers are numbers; some tools write text."""


class _Image(msgspec.Struct, kw_only=True):
    id: Key
    file_name: str
    width: int
    height: int


class _Category(msgspec.Struct, kw_only=True):
    id: Key
    name: str
    supercategory: str | None = None


class _Owner(msgspec.Struct):
    image_id: Key


class _Code(msgspec.Struct):
    size: tuple[int, int]
    """Height, width."""
    counts: list[int] | str


class _Object(msgspec.Struct, kw_only=True):
    id: Key = ""
    image_id: Key
    category_id: Key
    segmentation: list[list[float]] | _Code | None = None
    area: float = 0
    bbox: list[float] = []
    iscrowd: int = 0


class _File(msgspec.Struct, kw_only=True):
    info: dict[str, str] = {}
    licenses: list[msgspec.Raw] = []
    images: list[msgspec.Raw]
    annotations: list[msgspec.Raw]
    categories: list[_Category]


class _Kept(msgspec.Struct):
    """What is read of a file."""

    images: list[msgspec.Raw]
    annotations: list[msgspec.Raw]
    categories: list[_Category]


class _Whole(NamedTuple):
    """What is true of the whole file."""

    path: Path
    names: dict[Key, str]
    """Of each category."""
    classes: tuple[str, ...]


class _Marks(msgspec.Struct):
    images: msgspec.Raw
    annotations: msgspec.Raw
    categories: msgspec.Raw


def recognise(path: Path) -> bool:
    """A COCO file, or a folder with one in it or in its `annotations` folder."""
    if path.is_dir():
        return any(decodes(file, _Marks) for pattern in _PLACES for file in sorted(path.glob(pattern))[:20])
    return bool(files_below(path, ".json")) and decodes(path, _Marks)


_PLACES = ("*.json", "annotations/*.json")


def read(source: Path, labels: Sequence[str] = ()) -> Source:
    """Every image of the file. Raises DataError when its objects cannot be told apart."""
    path = single_file(source, _PLACES, partial(decodes, kind=_Marks))
    try:
        file = decoded(read_bytes(path), _Kept)
    except DataError as error:
        raise DataError(f"{path}: {error}") from error
    names: dict[Key, str] = {}
    for category in file.categories:
        names[category.id] = label_text(category.name)
    if len(names) < len(file.categories):
        raise DataError(f"{path}: two categories have one id")
    classes = tuple(label_text(label) for label in labels) or tuple(dict.fromkeys(names.values()))
    return Source(classes, _items(file, _Whole(path, names, classes)))


def _items(file: _Kept, whole: _Whole) -> Iterator[Annotation | Omitted | Stray]:
    path = whole.path
    objects: dict[Key, list[tuple[int, msgspec.Raw]]] = {}
    for k, raw in enumerate(file.annotations):
        try:
            objects.setdefault(decoded(raw, _Owner).image_id, []).append((k, raw))
        except DataError as error:
            raise DataError(f"{path}: annotations[{k}]: {error}; nobody can tell whose it is") from error
    seen: set[Key] = set()
    for k, raw in enumerate(file.images):
        where = f"{path}: images[{k}]"
        try:
            image = decoded(raw, _Image)
        except DataError as error:
            yield omitted(where, "", error)
            continue
        if image.id in seen:
            yield omitted(where, image.file_name, f"the id {image.id} is given twice")
            continue
        seen.add(image.id)
        mine = objects.pop(image.id, [])
        yield attempt(where, image.file_name, partial(_annotation, where, image, mine, whole))
    for owner, left in objects.items():
        reason = f"its image {owner} is not among the images that could be read"
        for k, _ in left:
            yield Stray(omitted(f"{path}: annotations[{k}]", str(owner), reason, "missing"))


def _annotation(where: str, image: _Image, objects: list[tuple[int, msgspec.Raw]], whole: _Whole) -> Annotation:
    check_size(image.width, image.height)
    left_out: list[Omitted] = []

    def regions() -> Iterator[Region]:
        for k, raw in objects:
            try:
                found = decoded(raw, _Object)
                if found.category_id not in whole.names:
                    raise DataError(f"the category {found.category_id} is not in the file")
                region = _region(found, known_label(whole.names[found.category_id], whole.classes), image)
            except DataError as error:
                raise DataError(f"annotations[{k}]: {error}") from error
            if region:
                yield region
            else:
                reason = f"annotations[{k}] covers no pixel"
                left_out.append(omitted(where, image.file_name, reason, "out of scope"))

    name = image_name(image.file_name, whole.path.parent)
    held_regions = held(regions())
    return Annotation(where, name, image.width, image.height, held_regions, tuple(left_out))


def _region(found: _Object, label: str, image: _Image) -> Region | None:
    shape = found.segmentation
    if isinstance(shape, _Code):
        if shape.size != (image.height, image.width):
            raise DataError(
                f"a mask of {shape.size[1]} x {shape.size[0]} pixels for an image of {image.width} x {image.height}"
            )
        counts = runs.unpack(shape.counts) if isinstance(shape.counts, str) else shape.counts
        return region_of(label, runs.mask_of(counts, image.height, image.width, by_column=True))
    if not shape:
        if len(found.bbox) != 4:
            raise DataError("neither a segmentation nor a box")
        x, y, width, height = found.bbox
        shape = [[x, y, x + width, y, x + width, y + height, x, y + height]]
    return fill_edges(label, [points_of(polygon, least=3) for polygon in shape], image.width, image.height)


class Writer:
    """One file; it is written at the end."""

    def __init__(self, out: Path, classes: tuple[str, ...]) -> None:
        self._path = new_file(out, ".json")
        self._numbers = {label: number for number, label in enumerate(classes, start=1)}
        self._images: list[msgspec.Raw] = []
        self._objects: list[msgspec.Raw] = []

    def add(self, annotation: Annotation) -> Written:
        """Take one image."""
        number = len(self._images) + 1
        objects = [
            _object(region, annotation, len(self._objects) + k, number, self._numbers[region.label])
            for k, region in enumerate(annotation.regions, start=1)
        ]
        image = _Image(id=number, file_name=annotation.image, width=annotation.width, height=annotation.height)
        self._images.append(msgspec.Raw(msgspec.json.encode(image)))
        self._objects += [msgspec.Raw(msgspec.json.encode(one)) for one in objects]
        return Written()

    def close(self) -> None:
        """Write the file."""
        categories = [_Category(id=number, name=label, supercategory="") for label, number in self._numbers.items()]
        file = _File(images=self._images, annotations=self._objects, categories=categories)
        self._path.write_bytes(msgspec.json.encode(file) + b"\n")


def _object(region: Region, annotation: Annotation, number: int, image: int, category: int) -> _Object:
    polygons = edge_polygons(region)
    height, width = region.mask.shape
    shape: list[list[float]] | _Code
    if polygons is None:
        code = runs.pack(full_mask(region, annotation.width, annotation.height))
        shape = _Code((annotation.height, annotation.width), code)
    else:
        shape = [polygon.ravel().tolist() for polygon in polygons]
    return _Object(
        id=number,
        image_id=image,
        category_id=category,
        segmentation=shape,
        area=float(np.count_nonzero(region.mask)),
        bbox=[float(region.left), float(region.top), float(width), float(height)],
    )
