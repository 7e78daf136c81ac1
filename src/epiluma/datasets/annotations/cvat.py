"""CVAT for images 1.1: one XML file for all images. Polygons, boxes, ellipses and masks.

Convention: pixel edges, as in COCO and as CVAT's own exports fill them. A region that is one part without holes is
written as a polygon along the pixels' edges, any other as a mask element: both give back the very same mask.
"""

from __future__ import annotations

import html
import math
import re
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import IO, Any, NamedTuple
from xml.etree.ElementTree import ParseError  # nosec B405

import numpy as np
from defusedxml import DefusedXmlException
from defusedxml.ElementTree import iterparse

from epiluma.datasets.annotations import runs
from epiluma.datasets.annotations.files import (
    Source,
    Written,
    attempt,
    check_bytes,
    files_below,
    image_name,
    known_label,
    label_text,
    new_file,
    omitted,
    single_file,
)  # fmt: skip
from epiluma.datasets.annotations.outline import Points, edge_polygons, fill_edges, points_of
from epiluma.datasets.annotations.region import Annotation, Region, check_count, check_size, held, region_of
from epiluma.datasets.record import DataError, Omitted

_CORNERS = 360
"""Of the polygon that stands for an ellipse: within 0.04 px of one of 1,000 px radius."""


class _Element(NamedTuple):
    """An XML element's name and attributes."""

    tag: str
    values: dict[str, str]

    def number(self, name: str) -> float:
        try:
            value = float(self.values[name])
        except (KeyError, ValueError) as error:
            raise DataError(f"the attribute {name} is missing or no number") from error
        if not math.isfinite(value):
            raise DataError(f"the attribute {name} is no number")
        return value

    @property
    def order(self) -> float:
        """Larger is on top."""
        return self.number("z_order") if "z_order" in self.values else 0


def recognise(path: Path) -> bool:
    """An XML file whose root is `annotations`, or a folder with one."""
    if path.is_dir():
        return any(_decodes(file) for file in sorted(path.glob("*.xml"))[:20])
    return bool(files_below(path, ".xml")) and _decodes(path)


def _decodes(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            for _, element in iterparse(file, events=("start",), forbid_dtd=True):
                return bool(element.tag == "annotations")
    except (ParseError, DefusedXmlException, OSError):
        return False
    return False


def read(source: Path, labels: Sequence[str] = ()) -> Source:
    """Every image of the file. Raises DataError when it is not CVAT's XML for images."""
    path = single_file(source, ("*.xml",), _decodes)
    check_bytes(path)
    named: dict[str, None] = {}
    used: dict[str, None] = {}
    for _, shapes in _images(path, named):
        used.update(dict.fromkeys(shape.values.get("label", "").strip() for shape in shapes))
    texts = [label for label in [*named, *used] if label]
    classes = tuple(label_text(label) for label in labels) or tuple(dict.fromkeys(texts))
    items = (
        attempt(where, image.values.get("name", ""), partial(_annotation, where, path.parent, image, shapes, classes))
        for k, (image, shapes) in enumerate(_images(path, {}))
        for where in [f"{path}: image {k}"]
    )
    return Source(classes, items)


def _images(path: Path, named: dict[str, None]) -> Iterator[tuple[_Element, list[_Element]]]:
    """Each image and its shapes; one at a time in memory. Names of the task's labels go into `named`."""
    try:
        with path.open("rb") as file:
            yield from _walk(file, named)
    except ParseError as error:
        raise DataError(f"{path}: damaged XML ({error})") from error
    except DefusedXmlException as error:
        raise DataError(f"{path}: XML with a document type or entities is refused") from error
    except OSError as error:
        raise DataError(f"{path}: {error.strerror}") from error
    except _NotCvat as error:
        raise DataError(f"{path}: {error}") from error


class _NotCvat(DataError):
    """Another kind of XML."""


def _walk(file: IO[bytes], named: dict[str, None]) -> Iterator[tuple[_Element, list[_Element]]]:
    trail: list[str] = []
    root: Any = None
    for event, element in iterparse(file, events=("start", "end"), forbid_dtd=True):
        if event == "start":
            root = element if root is None else root
            if root.tag != "annotations":
                raise _NotCvat(f"the root is {root.tag!r}; CVAT's is 'annotations'")
            trail.append(element.tag)
            continue
        trail.pop()
        if trail[-2:] == ["labels", "label"] and element.tag == "name":
            named[(element.text or "").strip()] = None
        if len(trail) != 1:
            continue
        if element.tag == "version" and (element.text or "").strip() != "1.1":
            raise _NotCvat(f"version {element.text!r}; only 1.1 is known")
        if element.tag == "track":
            raise _NotCvat("made for a video; export the task as CVAT for images 1.1")
        if element.tag == "image":
            yield _Element("image", dict(element.attrib)), [_Element(e.tag, dict(e.attrib)) for e in element]
        root.clear()


def _annotation(
    where: str, folder: Path, image: _Element, shapes: list[_Element], classes: tuple[str, ...]
) -> Annotation:
    width, height = (int(image.number(name)) for name in ("width", "height"))
    check_size(width, height)
    name = image_name(image.values.get("name", ""), folder)
    left_out: list[Omitted] = []

    def regions() -> Iterator[Region]:
        for k, shape in sorted(enumerate(shapes, start=1), key=lambda one: one[1].order):
            try:
                label = known_label(shape.values.get("label", ""), classes)
                region = _region(shape, label, width, height)
            except DataError as error:
                raise DataError(f"{shape.tag} {k}: {error}") from error
            if region:
                yield region
            else:
                left_out.append(omitted(where, name, f"{shape.tag} {k} covers no pixel", "out of scope"))

    return Annotation(where, name, width, height, held(regions()), tuple(left_out))


def _region(shape: _Element, label: str, width: int, height: int) -> Region | None:
    match shape.tag:
        case "mask":
            return _mask(shape, label, width, height)
        case "polygon":
            points = _points(shape.values.get("points", ""))
        case "box":
            left, top, right, bottom = (shape.number(name) for name in ("xtl", "ytl", "xbr", "ybr"))
            points = points_of([left, top, right, top, right, bottom, left, bottom], least=4)
        case "ellipse":
            angles = np.linspace(0, 2 * math.pi, _CORNERS, endpoint=False)
            round_one = np.stack([np.cos(angles), np.sin(angles)], axis=1) * [shape.number("rx"), shape.number("ry")]
            points = points_of((round_one + np.array([shape.number("cx"), shape.number("cy")])).tolist(), least=3)
        case _:
            return None
    if "rotation" in shape.values:
        points = _turned(points, shape.number("rotation"))
    return fill_edges(label, [points], width, height)


def _points(text: str) -> Points:
    """Of `x,y;x,y;...`."""
    if not re.fullmatch(r"[\d\s.,;eE+-]*", text):
        raise DataError("points that are no numbers")
    check_count(text.count(";"), "points")
    try:
        pairs = [[float(v) for v in pair.split(",")] for pair in text.split(";")]
    except ValueError as error:
        raise DataError("points that are no pairs of numbers") from error
    return points_of(pairs, least=3)


def _turned(points: Points, degrees: float) -> Points:
    """Turned clockwise about the middle of the box around them."""
    middle = (points.min(axis=0) + points.max(axis=0)) / 2
    cosine, sine = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    turned: Points = (points - middle) @ np.array([[cosine, sine], [-sine, cosine]]) + middle
    return turned


def _mask(shape: _Element, label: str, width: int, height: int) -> Region | None:
    left, top, columns, rows = (int(shape.number(name)) for name in ("left", "top", "width", "height"))
    if min(left, top) < 0 or min(columns, rows) < 1 or left + columns > width or top + rows > height:
        raise DataError(f"a mask of {columns} x {rows} pixels at ({left}, {top}) leaves the image")
    text = shape.values.get("rle", "")
    check_count(text.count(","), "runs")
    try:
        counts = [int(run) for run in text.split(",")]
    except ValueError as error:
        raise DataError("a run-length code that is no list of numbers") from error
    return region_of(label, runs.mask_of(counts, rows, columns), left=left, top=top)


class Writer:
    """One file; it is written at the end."""

    def __init__(self, out: Path, classes: tuple[str, ...]) -> None:
        self._path = new_file(out, ".xml")
        self._classes = classes
        self._images: list[str] = []

    def add(self, annotation: Annotation) -> Written:
        """Take one image."""
        lines = [_shape(region) for region in annotation.regions]
        head = f'id="{len(self._images)}" name="{html.escape(annotation.image)}"'
        size = f'width="{annotation.width}" height="{annotation.height}"'
        self._images.append("\n".join([f"  <image {head} {size}>", *lines, "  </image>\n"]))
        return Written()

    def close(self) -> None:
        """Write the file."""
        labels = "".join(
            f"        <label><name>{html.escape(label)}</name><type>any</type><attributes></attributes></label>\n"
            for label in self._classes
        )
        head = (
            '<?xml version="1.0" encoding="utf-8"?>\n<annotations>\n  <version>1.1</version>\n  <meta>\n    <task>\n'
            f"      <size>{len(self._images)}</size>\n      <mode>annotation</mode>\n"
            f"      <labels>\n{labels}      </labels>\n    </task>\n  </meta>\n"
        )
        self._path.write_text(head + "".join(self._images) + "</annotations>\n", encoding="utf-8")


def _shape(region: Region) -> str:
    common = f'label="{html.escape(region.label)}" source="manual" occluded="0"'
    polygons = edge_polygons(region)
    if polygons is not None and len(polygons) == 1:
        points = ";".join(f"{x:.2f},{y:.2f}" for x, y in polygons[0])
        return f'    <polygon {common} points="{points}" z_order="0">\n    </polygon>'
    height, width = region.mask.shape
    code = ", ".join(str(run) for run in runs.runs_of(region.mask))
    place = f'left="{region.left}" top="{region.top}" width="{width}" height="{height}"'
    return f'    <mask {common} rle="{code}" {place} z_order="0">\n    </mask>'
