"""The annotation formats by name. Adding one: a module beside this one, a line here."""

from __future__ import annotations

from pathlib import Path

from epiluma.datasets.annotations import coco, cvat, labelme, png, voc
from epiluma.datasets.annotations.files import Format
from epiluma.datasets.record import DataError

FORMATS = {
    "png": Format("a PNG mask per image, binary or by class", png.recognise, png.read, png.Writer),
    "labelme": Format("LabelMe 5, a JSON file per image", labelme.recognise, labelme.read, labelme.Writer),
    "coco": Format("COCO, one JSON file", coco.recognise, coco.read, coco.Writer),
    "cvat": Format("CVAT for images 1.1, one XML file", cvat.recognise, cvat.read, cvat.Writer),
    "voc": Format("Pascal VOC, masks and XML in its folders", voc.recognise, voc.read, voc.Writer),
}


def format_named(name: str) -> Format:
    """The format of that name. Raises DataError."""
    if name not in FORMATS:
        raise DataError(f"unknown annotation format {name!r}; known are {', '.join(FORMATS)}")
    return FORMATS[name]


def detect(path: Path) -> str:
    """The one format that a file or folder looks like. Raises DataError when that is none, or more than one."""
    if not path.exists():
        raise DataError(f"{path}: no such file or folder")
    found = [name for name, one in FORMATS.items() if one.recognise(path)]
    if len(found) != 1:
        what = f"could be {' or '.join(found)}" if found else f"is none of {', '.join(FORMATS)}"
        raise DataError(f"{path}: {what}; say which format it has")
    return found[0]
