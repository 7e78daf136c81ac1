"""Pascal VOC: class and object masks as palette PNG, and boxes as XML.

`SegmentationClass/NAME.png` holds classes, `SegmentationObject/NAME.png` tells their instances apart,
`Annotations/NAME.xml` names the image and the boxes. Convention: the masks are the truth; boxes count pixels from 1
and include the last one. 255 (the border that VOC leaves undecided) is background. Images that have boxes only become
rectangles. Numbers are named by `labelmap.txt`, by the caller, or else are the twenty of VOC 2012. Objects cannot
overlap: the later one is kept.
"""

from __future__ import annotations

import html
import math
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple
from xml.etree.ElementTree import ParseError  # nosec B405

import numpy as np
from defusedxml import DefusedXmlException
from defusedxml.ElementTree import fromstring

from epiluma.datasets.annotations import plane
from epiluma.datasets.annotations.classes import VOC_2012, Classes, numbered, read_labelmap, voc_colours
from epiluma.datasets.annotations.files import (
    Source,
    Written,
    attempt,
    empty_folder,
    file_for,
    files_below,
    image_name,
    known_label,
    read_bytes,
    stem_of,
)  # fmt: skip
from epiluma.datasets.annotations.region import Annotation, Region, check_size, held, region_of
from epiluma.datasets.record import DataError

VOID = 255
CLASS, OBJECT, BOXES = "SegmentationClass", "SegmentationObject", "Annotations"
_LABELMAP = "labelmap.txt"


class _Box(NamedTuple):
    label: str
    left: int
    top: int
    right: int
    bottom: int
    """First and last column and row, from 0."""


class _Boxes(NamedTuple):
    """What an image's XML says."""

    image: str
    width: int
    height: int
    boxes: list[_Box]


def recognise(path: Path) -> bool:
    """A folder with class masks, or with XML files in `Annotations`."""
    return (path / CLASS).is_dir() or bool((path / BOXES).is_dir() and files_below(path / BOXES, ".xml"))


def read(source: Path, labels: Sequence[str] = ()) -> Source:
    """Every image with a mask or an XML file. Raises DataError when `source` is not in VOC's layout."""
    if not recognise(source):
        raise DataError(f"{source}: neither {CLASS} nor {BOXES} is there; name the folder that holds them")
    classes: Classes = numbered(VOC_2012)
    palette = voc_colours().astype(int)
    colours = {r << 16 | g << 8 | b: number for number, (r, g, b) in enumerate(palette.tolist())}
    if (source / _LABELMAP).is_file():
        classes, named = read_labelmap(source / _LABELMAP)
        colours = {**{colour: n for colour, n in colours.items() if n == VOID}, **named}
    classes = numbered(labels) if labels else classes
    stems = {
        path.relative_to(source / folder).with_suffix("").as_posix()
        for folder, suffix in ((CLASS, ".png"), (BOXES, ".xml"))
        if (source / folder).is_dir()
        for path in files_below(source / folder, suffix)
    }
    items = (
        attempt(f"{source}: {stem}", stem, partial(_annotation, source, stem, classes, colours))
        for stem in sorted(stems)
    )
    return Source(tuple(classes.values()), items)


def _annotation(source: Path, stem: str, classes: Classes, colours: Mapping[int, int]) -> Annotation:
    where = f"{source}: {stem}"
    mask, xml = source / CLASS / f"{stem}.png", source / BOXES / f"{stem}.xml"
    said = _read_xml(xml, list(classes.values())) if xml.is_file() else None
    image = image_name(said.image if said else f"{stem}.jpg", source)  # VOC's images are JPEG
    if not mask.is_file():
        assert said is not None
        return Annotation(where, image, said.width, said.height, held(_rectangles(said)))
    values = plane.plane_of(read_bytes(mask), colours)
    height, width = values.shape
    if said and (said.width, said.height) != (width, height):
        raise DataError(f"its mask has {width} x {height} pixels, its XML says {said.width} x {said.height}")
    values = np.where(values == VOID, 0, values)
    objects = source / OBJECT / f"{stem}.png"
    if not objects.is_file():
        return Annotation(where, image, width, height, held(plane.class_regions(values, classes)))
    palette = voc_colours().astype(int).tolist()
    instances = plane.plane_of(read_bytes(objects), {r << 16 | g << 8 | b: k for k, (r, g, b) in enumerate(palette)})
    if instances.shape != values.shape:
        raise DataError(
            f"its object mask has {instances.shape[1]} x {instances.shape[0]} pixels, not {width} x {height}"
        )
    return Annotation(where, image, width, height, held(_instances(values, instances, classes)))


def _instances(values: plane.Plane, instances: plane.Plane, classes: Classes) -> Iterator[Region]:
    """A region per object, then one per class for what no object claims."""
    instances = np.where(values == 0, 0, instances)
    for number in (int(n) for n in np.unique(instances) if n not in (0, VOID)):
        yield from plane.class_regions(np.where(instances == number, values, 0), classes)
    yield from plane.class_regions(np.where((instances == 0) | (instances == VOID), values, 0), classes)


def _rectangles(said: _Boxes) -> Iterator[Region]:
    for k, box in enumerate(said.boxes, start=1):
        left, right = max(box.left, 0), min(box.right, said.width - 1)
        top, bottom = max(box.top, 0), min(box.bottom, said.height - 1)
        if right < left or bottom < top:
            raise DataError(f"object {k}: a box without a pixel in the image")
        region = region_of(box.label, np.ones((bottom - top + 1, right - left + 1), bool), left=left, top=top)
        assert region is not None
        yield region


def _read_xml(path: Path, classes: Sequence[str]) -> _Boxes:
    try:
        root = fromstring(read_bytes(path), forbid_dtd=True)
    except ParseError as error:
        raise DataError(f"{path.name}: damaged XML ({error})") from error
    except DefusedXmlException as error:
        raise DataError(f"{path.name}: XML with a document type or entities is refused") from error

    def number(text: str | None, what: str) -> int:
        try:
            value = float(text or "")
        except ValueError:
            value = math.nan
        if not abs(value) <= 100_000:
            raise DataError(f"{path.name}: {what} is missing or no number of pixels")
        return math.floor(value + 0.5)  # VOC 2011 has some fractions

    width, height = (number(root.findtext(f"size/{side}"), side) for side in ("width", "height"))
    check_size(width, height)
    boxes = []
    for k, element in enumerate(root.findall("object"), start=1):
        try:
            label = known_label(element.findtext("name") or "", classes)
        except DataError as error:
            raise DataError(f"{path.name}: object {k}: {error}") from error
        sides = [number(element.findtext(f"bndbox/{s}"), f"object {k}: {s}") for s in ("xmin", "ymin", "xmax", "ymax")]
        boxes.append(_Box(label, *(side - 1 for side in sides)))
    return _Boxes(root.findtext("filename") or f"{path.stem}.jpg", width, height, boxes)


class Writer:
    """Class masks, object masks, XML and `labelmap.txt`."""

    def __init__(self, out: Path, classes: tuple[str, ...]) -> None:
        if len(classes) >= VOID:
            raise DataError(f"{len(classes)} classes, more than the {VOID - 1} of Pascal VOC")
        if odd := [label for label in classes if ":" in label or label.startswith("#")]:
            raise DataError(f"the label {odd[0]!r} cannot stand in {_LABELMAP}, where ':' and '#' have a meaning")
        self._out = empty_folder(out)
        self._numbers = {label: number for number, label in enumerate(classes, start=1)}
        self._stems: list[str] = []
        for folder in (CLASS, OBJECT, BOXES):
            (out / folder).mkdir()

    def add(self, annotation: Annotation) -> Written:
        """Write one image."""
        if len(annotation.regions) >= VOID:
            raise DataError(f"{len(annotation.regions)} objects, more than the {VOID - 1} of Pascal VOC")
        xml = file_for(self._out / BOXES, annotation.image, ".xml")
        objects, lost = plane.paint(annotation, list(range(1, len(annotation.regions) + 1)))
        of_object = np.array([0, *(self._numbers[region.label] for region in annotation.regions)], np.uint8)
        plane.write_plane(file_for(self._out / CLASS, annotation.image, ".png"), of_object[objects])
        plane.write_plane(file_for(self._out / OBJECT, annotation.image, ".png"), objects)
        xml.write_text(_xml(annotation, objects), encoding="utf-8")
        self._stems.append(stem_of(annotation.image))
        return plane.report(annotation, lost)

    def close(self) -> None:
        """Write the names of the classes, and the list of images."""
        lines = ["# label:color_rgb:parts:actions"]
        for label, (red, green, blue) in zip(["background", *self._numbers], voc_colours().tolist(), strict=False):
            lines.append(f"{label}:{red},{green},{blue}::")
        (self._out / _LABELMAP).write_text("\n".join(lines) + "\n", encoding="utf-8")
        listing = self._out / "ImageSets" / "Segmentation" / "default.txt"
        listing.parent.mkdir(parents=True)
        listing.write_text("".join(f"{stem}\n" for stem in self._stems), encoding="utf-8")


def _xml(annotation: Annotation, objects: plane.Plane) -> str:
    lines = [
        "<annotation>",
        "  <folder></folder>",
        f"  <filename>{html.escape(annotation.image)}</filename>",
        f"  <size><width>{annotation.width}</width><height>{annotation.height}</height><depth>3</depth></size>",
        "  <segmented>1</segmented>",
    ]
    for k, region in enumerate(annotation.regions, start=1):
        shown = region_of(region.label, objects[region.box] == k, left=region.left, top=region.top)
        if shown:
            right, bottom = shown.left + shown.mask.shape[1], shown.top + shown.mask.shape[0]
            box = (
                f"<bndbox><xmin>{shown.left + 1}</xmin><ymin>{shown.top + 1}</ymin>"
                f"<xmax>{right}</xmax><ymax>{bottom}</ymax></bndbox>"
            )
            name = f"<name>{html.escape(region.label)}</name><pose>Unspecified</pose>"
            lines.append(f"  <object>{name}<truncated>0</truncated><difficult>0</difficult>{box}</object>")
    return "\n".join([*lines, "</annotation>"]) + "\n"
