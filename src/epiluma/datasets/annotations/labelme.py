"""LabelMe 5: a JSON file per image. Polygons, rectangles, circles and masks.

Convention: pixel centres. A polygon's corners lie in the outermost pixels of the region, which belong to it, as
LabelMe itself draws them; written corners are whole numbers, so that nothing depends on rounding. A hole is joined to
the outline by a cut. Shapes of one label and group are one region. The picture in the file (`imageData`) is not read.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path, PurePosixPath

import msgspec
import numpy as np

from epiluma.datasets.annotations.files import (
    Source,
    Written,
    attempt,
    decoded,
    decodes,
    empty_folder,
    file_for,
    files_below,
    image_name,
    known_label,
    label_text,
    omitted,
    read_bytes,
)  # fmt: skip
from epiluma.datasets.annotations.outline import centre_polygons, fill_centres, points_of
from epiluma.datasets.annotations.plane import plane_of
from epiluma.datasets.annotations.region import Annotation, Mask, Region, check_size, held, region_of, union
from epiluma.datasets.record import DataError, Omitted

VERSION = "5.5.0"
_POINTS = {"polygon": 3, "rectangle": 2, "circle": 2, "mask": 2}
"""Shapes that cover pixels, and how many points they need."""


class _Shape(msgspec.Struct, kw_only=True):
    label: str
    points: list[tuple[float, float]]
    group_id: int | None = None
    description: str | None = ""
    shape_type: str | None = "polygon"
    flags: dict[str, bool] | None = {}
    mask: str | None = None


class _File(msgspec.Struct, kw_only=True, rename="camel"):
    version: str | None = VERSION
    flags: dict[str, bool] | None = {}
    shapes: list[_Shape]
    image_path: str
    image_data: None = None
    image_height: int
    image_width: int


class _Kept(msgspec.Struct, kw_only=True, rename="camel"):
    """What is read of a file: all but the picture."""

    shapes: list[_Shape]
    image_path: str
    image_height: int
    image_width: int


class _Marks(msgspec.Struct, rename="camel"):
    shapes: msgspec.Raw
    image_path: msgspec.Raw


class _Label(msgspec.Struct):
    label: str


class _Labels(msgspec.Struct):
    shapes: list[_Label]


def recognise(path: Path) -> bool:
    """A LabelMe file, or a folder with one among its first JSON files."""
    return any(decodes(file, _Marks) for file in files_below(path, ".json")[:20])


def read(source: Path, labels: Sequence[str] = ()) -> Source:
    """Every JSON file below `source`, but `classes.json`. Raises DataError."""
    folder = source.parent if source.is_file() else source
    paths = [path for path in files_below(source, ".json") if path.name != "classes.json"]
    classes = tuple(label_text(label) for label in labels) or _labels(paths)
    items = (attempt(str(path), path.stem, partial(_annotation, path, folder, classes)) for path in paths)
    return Source(classes, items)


def _labels(paths: list[Path]) -> tuple[str, ...]:
    """All labels, by name; files that cannot be read are named later."""
    found = set()
    for path in paths:
        try:
            shapes = decoded(read_bytes(path), _Labels).shapes
            found |= {label_text(shape.label) for shape in shapes}
        except DataError:
            continue
    return tuple(sorted(found))


def _annotation(path: Path, folder: Path, classes: Sequence[str]) -> Annotation:
    file = decoded(read_bytes(path), _Kept)
    check_size(file.image_width, file.image_height)
    # The path leads from the JSON file to where the annotator kept the picture; its name is all that holds elsewhere.
    name = PurePosixPath(file.image_path.replace("\\", "/")).name
    image = image_name((path.parent.relative_to(folder) / name).as_posix(), folder)
    left_out: list[Omitted] = []

    def regions() -> Iterator[Region]:
        groups: dict[tuple[str, int], list[Region]] = {}
        for k, shape in enumerate(file.shapes, start=1):
            try:
                region = _region(shape, known_label(shape.label, classes), file.image_width, file.image_height)
            except DataError as error:
                raise DataError(f"shape {k}: {error}") from error
            if region is None:
                reason = f"shape {k}: a {shape.shape_type} that covers no pixel"
                left_out.append(omitted(str(path), image, reason, "out of scope"))
            else:  # a shape without a group is one of its own
                group = -k - 1_000_000_000 if shape.group_id is None else shape.group_id
                groups.setdefault((region.label, group), []).append(region)
        for members in groups.values():
            yield union(members)

    found = held(regions())
    return Annotation(str(path), image, file.image_width, file.image_height, found, tuple(left_out))


def _region(shape: _Shape, label: str, width: int, height: int) -> Region | None:
    kind = shape.shape_type or "polygon"
    if kind not in _POINTS:
        return None
    points = points_of([list(point) for point in shape.points], least=_POINTS[kind])
    if kind != "polygon" and len(points) != 2:
        raise DataError(f"a {kind} of {len(points)} points; it needs 2")
    if kind != "mask":
        return fill_centres(label, points, width, height, kind)
    left, top = np.trunc(points.min(axis=0)).astype(int).tolist()
    mask = _drawn_mask(shape.mask or "")
    if left < 0 or top < 0 or left + mask.shape[1] > width or top + mask.shape[0] > height:
        raise DataError(f"a mask of {mask.shape[1]} x {mask.shape[0]} pixels at ({left}, {top}) leaves the image")
    return region_of(label, mask, left=left, top=top)


def _drawn_mask(text: str) -> Mask:
    """The PNG in a shape of kind `mask`."""
    try:
        return plane_of(base64.b64decode(text, validate=True)) > 0
    except ValueError as error:  # base64's own, and DataError is one
        raise DataError(f"its mask is no PNG mask ({error})") from error


class Writer:
    """A JSON file per image; the images belong beside them."""

    def __init__(self, out: Path, classes: tuple[str, ...]) -> None:
        self._out = empty_folder(out)

    def add(self, annotation: Annotation) -> Written:
        """Write one image."""
        path = file_for(self._out, annotation.image, ".json")
        shapes = []
        for k, region in enumerate(annotation.regions):
            parts = [[(float(x), float(y)) for x, y in polygon] for polygon in centre_polygons(region)]
            group = k if len(parts) > 1 else None
            shapes += [_Shape(label=region.label, points=part, group_id=group) for part in parts]
        file = _File(
            shapes=shapes,
            image_path=PurePosixPath(annotation.image).name,
            image_height=annotation.height,
            image_width=annotation.width,
        )
        path.write_bytes(msgspec.json.format(msgspec.json.encode(file), indent=2) + b"\n")
        return Written()

    def close(self) -> None:
        """Nothing belongs to the whole set."""
