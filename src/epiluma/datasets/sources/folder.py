"""A folder per class: `root/<label>/*.jpg`, or `root/{train,val,validation,test}/<label>/*.jpg`.

Labels are the folders' names: leaf codes, or names and synonyms of the taxonomy. `labels.toml` in the root states what
a folder cannot say, and maps any other name:

    modality = "clinical"           # or "dermoscopy"; required
    licence = "CC BY 4.0"           # required
    attribution = "Clinic of X"
    ignore = ["notes"]              # folders that hold no class
    taxonomy = "taxonomy.toml"      # diagnoses of one's own, in place of the eight of ISIC 2019

    [labels]
    "suspicious mole" = "MEL"       # folder -> leaf code
    "psoriasis" = ""                # out of scope

Hidden files and folders are passed over; every other file below the root's folders is a sample or is explained.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

from epiluma.datasets import fields, table, terms
from epiluma.datasets.record import DataError, OutOfScope, Reading, Sample

TERMS = "labels.toml"
_PARTS = {"train": "train", "val": "validation", "validation": "validation", "test": "test"}
_LITTER = {"thumbs.db", "desktop.ini", "__macosx"}
"""What operating systems leave behind, in small letters."""


def read(root: Path) -> Reading:
    """All images below `root`, labelled by their folders.

    Raises DataError when labels.toml is wrong or does not state modality and licence, when it names a folder that is
    not there, or when `root` holds no folder.
    """
    stated = terms.read(root / TERMS)
    for key, example in (("modality", "clinical"), ("licence", "CC BY 4.0")):
        if not getattr(stated, key):
            raise DataError(f'{root / TERMS}: {key} is not stated; write {key} = "{example}", or what is true, there')
    classes, others = _layout(root, stated)
    if not classes:
        raise DataError(f"{root}: holds no folder per class")
    names = {folder.name.strip().casefold() for folder, _ in classes}
    if unused := [name for name in stated.labels if name.strip().casefold() not in names]:
        raise DataError(f"{root / TERMS}: labels: {unused[0]!r} is no folder of {root}")
    rows = [row for folder, part in classes for row in _rows(root, folder, part)]
    rows += [row for folder in others for row in _loose(root, folder)]
    return table.collect(rows, partial(_sample, root=root, stated=stated), id_column="image")


def _layout(root: Path, stated: terms.Terms) -> tuple[list[tuple[Path, str]], list[Path]]:
    """Each class's folder with its part, and the folders above them, which should hold no image themselves."""
    folders = _folders(root, stated)
    parts = [f for f in folders if f.name.casefold() in _PARTS]
    if parts and (others := [f.name for f in folders if f not in parts]):
        raise DataError(f"{root}: holds parts ({parts[0].name}) and {others[0]}; move it, or name it under ignore")
    if not parts:
        return [(folder, "") for folder in folders], [root]
    classes = [(folder, _PARTS[part.name.casefold()]) for part in parts for folder in _folders(part, stated)]
    return classes, [root, *parts]


def _folders(place: Path, stated: terms.Terms) -> list[Path]:
    return [path for path in _visible(place) if path.is_dir() and path.name not in stated.ignore]


def _rows(root: Path, folder: Path, part: str) -> Iterator[table.Row]:
    for path in _visible(folder):
        name = path.relative_to(root).as_posix()
        if not path.is_dir():
            yield table.Row(str(path), {"image": name, "label": folder.name, "part": part})
            continue
        for below in sorted(path.rglob("*")):
            if below.is_file():
                values = {"image": below.relative_to(root).as_posix()}
                yield table.Row(str(below), values, f"lies in {name}, below its class's folder; move it up")


def _loose(root: Path, place: Path) -> Iterator[table.Row]:
    """Images that lie in no class's folder."""
    for path in _visible(place):
        if path.is_file() and path.suffix.casefold() in fields.IMAGE_SUFFIXES:
            yield table.Row(str(path), {"image": path.relative_to(root).as_posix()}, "lies in no class's folder")


def _visible(folder: Path) -> list[Path]:
    return [f for f in sorted(folder.iterdir()) if f.name.casefold() not in _LITTER and not f.name.startswith(".")]


def _sample(row: table.Row, *, root: Path, stated: terms.Terms) -> Sample:
    name = row.values["image"]
    path = root / name
    if path.suffix.casefold() not in fields.IMAGE_SUFFIXES:
        raise OutOfScope(f"{path.name} is no image file ({', '.join(sorted(fields.IMAGE_SUFFIXES))})")
    leaf = terms.leaf_of(row.values["label"], stated)
    return Sample(
        image_id=name,
        path=path,
        diagnosis=leaf,
        malignant=terms.malignant(leaf, stated),
        label=row.values["label"],
        source=terms.source_of(root),
        modality=stated.modality,
        licence=stated.licence,
        attribution=stated.attribution,
        part=row.values["part"],
    )
