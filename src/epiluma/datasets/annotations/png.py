"""PNG masks: a file per image, grey or palette, the value of a pixel is its class.

Binary masks are 0 and 255 (0 and 1 are read too). With several classes the numbers are named by `classes.json` or
`classes.txt` beside the files, or by the caller. The mask is the truth itself: there is no convention to get wrong.
Where regions of two classes overlap, the later one is kept. Instances of one class become one region.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

import msgspec
import numpy as np
from PIL import Image

from epiluma.datasets.annotations import plane
from epiluma.datasets.annotations.classes import Classes, Listing, numbered, read_listing
from epiluma.datasets.annotations.files import (
    Source,
    Written,
    attempt,
    empty_folder,
    file_for,
    files_below,
    image_name,
    read_bytes,
    stem_of,
)  # fmt: skip
from epiluma.datasets.annotations.region import Annotation, held
from epiluma.datasets.record import DataError, Omitted

ONLY_CLASS = "lesion"
"""What a binary mask shows when nobody says."""
ENDINGS = ("_segmentation", "_mask")
"""What publishers put behind the image's name (ISIC, HAM10000; PH2 and others)."""


def recognise(path: Path) -> bool:
    """A PNG, or a folder with some that is not in VOC's layout."""
    return bool(files_below(path, ".png")) and not (path / "SegmentationClass").is_dir()


def read(source: Path, labels: Sequence[str] = ()) -> Source:
    """Every PNG below `source`; names of images without suffix unless `classes.json` has them. Raises DataError."""
    folder = source.parent if source.is_file() else source
    classes, images = (numbered(labels), {}) if labels else read_listing(folder)
    classes = classes or {1: ONLY_CLASS}

    def items() -> Iterator[Annotation | Omitted]:
        for path in files_below(source, ".png"):
            inner = path.relative_to(folder).as_posix()
            yield attempt(str(path), inner, partial(_annotation, path, folder, images.get(inner, ""), classes))

    return Source(tuple(classes[number] for number in sorted(classes)), items())


def _annotation(path: Path, folder: Path, image: str, classes: Classes) -> Annotation:
    values = plane.plane_of(read_bytes(path))
    if len(classes) == 1:
        values = np.where(values == 255, next(iter(classes)), values)
    if not image:
        image = path.relative_to(folder).with_suffix("").as_posix()
        for ending in ENDINGS:
            image = image[: -len(ending)] if image.casefold().endswith(ending) and image != ending else image
    height, width = values.shape
    regions = held(plane.class_regions(values, classes))
    return Annotation(str(path), image_name(image, folder), width, height, regions)


class Writer:
    """A PNG per image and `classes.json`; 0 and 255 when there is one class."""

    def __init__(self, out: Path, classes: tuple[str, ...]) -> None:
        if len(classes) > 255:
            raise DataError(f"{len(classes)} classes, more than the 255 of a PNG mask")
        self._out = empty_folder(out)
        self._listing = Listing(classes=["background", *classes])
        self._numbers = {label: number for number, label in enumerate(classes, start=1)}

    def add(self, annotation: Annotation) -> Written:
        """Write one image."""
        path = file_for(self._out, annotation.image, ".png")
        values, lost = plane.paint(annotation, [self._numbers[region.label] for region in annotation.regions])
        if len(self._numbers) == 1:
            Image.fromarray((values * 255).astype(np.uint8)).save(path)
        else:
            plane.write_plane(path, values)
        if annotation.image != stem_of(annotation.image):
            self._listing.images[path.relative_to(self._out).as_posix()] = annotation.image
        return plane.report(annotation, lost)

    def close(self) -> None:
        """Write the names of the classes and of the images."""
        text = msgspec.json.format(msgspec.json.encode(self._listing), indent=2)
        (self._out / "classes.json").write_bytes(text + b"\n")
