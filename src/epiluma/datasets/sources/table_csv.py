"""A plain CSV, `dataset.csv` or `metadata.csv`: one row per image, for sets that nobody published.

Columns: `image` (path from the table's folder) and `diagnosis` (leaf code, name or synonym), both required; `lesion`,
`patient`, `age`, `sex`, `site`, `skin_type` (Fitzpatrick, 1 to 6), `mask` (path), `confirmation`, `part`, `modality`,
`licence`, `attribution`. What is the same for all rows can stand in `dataset.toml` instead, beside labels of one's own
and columns to pass over:

    modality = "dermoscopy"         # or "clinical"; here or in each row
    licence = "CC BY 4.0"           # here or in each row
    ignore = ["camera"]             # further columns

    [labels]
    "suspicious mole" = "MEL"       # label -> leaf code
    "psoriasis" = ""                # out of scope

A column that is in neither list is an error: a `patient_id` passed over in silence would be a leak.
"""

from __future__ import annotations

import difflib
import os
from functools import partial
from pathlib import Path

from epiluma.datasets import fields, table, terms
from epiluma.datasets.record import DataError, MissingImage, Reading, Sample

TABLES = ("dataset.csv", "metadata.csv")
TERMS = "dataset.toml"
_REQUIRED = {"image", "diagnosis"}
_COLUMNS = sorted({
    *_REQUIRED, "lesion", "patient", "age", "sex", "site", "skin_type", "mask", "confirmation", "part", "modality",
    "licence", "attribution",
})  # fmt: skip
_CONFIRMATIONS = ("histo", "follow_up", "consensus", "confocal")
_PARTS = ("train", "validation", "test")


def read(root: Path) -> Reading:
    """All images that the table names.

    Raises DataError when there is not exactly one table, when it cannot be read, or has an unknown column.
    """
    found = [root / name for name in TABLES if (root / name).is_file()]
    if len(found) != 1:
        raise DataError(f"{root}: holds {'both' if found else 'neither'} of {' and '.join(TABLES)}; keep one of them")
    stated = terms.read(root / TERMS)
    rows = list(table.rows(found[0], _REQUIRED))
    names = next((list(row.values) for row in rows if not row.fault), [])
    for name in names:
        if name not in _COLUMNS and name not in stated.ignore:
            near = difflib.get_close_matches(name.casefold(), _COLUMNS, n=1, cutoff=0.5)
            hint = f"nearest: {near[0]}" if near else f"known are {', '.join(_COLUMNS)}"
            raise DataError(
                f"{found[0]}: unknown column {name!r}; {hint}; rename it, or name it under ignore in {TERMS}"
            )
    return table.collect(rows, partial(_sample, root=root, stated=stated), id_column="image")


def _sample(row: table.Row, *, root: Path, stated: terms.Terms) -> Sample:
    cells = {name: value.strip() for name, value in row.values.items()}

    def cell(name: str) -> str:
        return cells.get(name, "")

    image = fields.inside(root, cell("image"))
    if image.suffix.casefold() not in fields.IMAGE_SUFFIXES:
        raise DataError(f"{cell('image')!r} is no image file ({', '.join(sorted(fields.IMAGE_SUFFIXES))})")
    leaf = terms.leaf_of(cell("diagnosis"), stated)
    return Sample(
        image_id=Path(os.path.normpath(cell("image"))).as_posix(),
        path=_there(image, root),
        diagnosis=leaf,
        malignant=terms.malignant(leaf, stated),
        label=cell("diagnosis"),
        lesion=cell("lesion"),
        patient=cell("patient"),
        source=terms.source_of(root),
        modality=_one_of("modality", cell("modality") or stated.modality, terms.MODALITIES),
        licence=_stated("licence", cell("licence") or stated.licence),
        attribution=cell("attribution") or stated.attribution,
        confirmation=cell("confirmation") and _one_of("confirmation", cell("confirmation"), _CONFIRMATIONS),
        age=fields.age_of(cell("age")),
        sex=fields.sex_of(cell("sex")),
        site=fields.known(cell("site")),
        skin_type=fields.skin_type_of(cell("skin_type")),
        part=cell("part") and _one_of("part", cell("part"), _PARTS),
        mask=_there(fields.inside(root, cell("mask")), root) if cell("mask") else None,
    )


def _there(path: Path, root: Path) -> Path:
    try:
        there = path.is_file()
    except OSError:  # a name that is too long to be one
        there = False
    if not there:
        raise MissingImage(f"{path.relative_to(root)} is not in {root}")
    return path


def _stated(column: str, value: str) -> str:
    if not value:
        raise DataError(f"{column} is stated neither in the row nor in {TERMS}")
    return value


def _one_of(column: str, value: str, known: tuple[str, ...]) -> str:
    if _stated(column, value) not in known:
        raise DataError(f"{column} {value!r} is none of {', '.join(known)}")
    return value
