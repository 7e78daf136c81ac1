"""PH2 (Mendonça et al. 2013, doi:10.1109/EMBC.2013.6610779): 200 dermoscopic images of melanocytic lesions.

Layout: `PH2_dataset.txt`, a table with `||` between its columns and a legend below it, and for each image
`PH2 Dataset images/IMD002/IMD002_Dermoscopic_Image/IMD002.bmp` with its mask `IMD002_lesion/IMD002_lesion.bmp`.
Masks are BMP as published: any readable image file will do. `PH2_dataset.xlsx` holds the same table and is not read.
Patients and lesions are not told apart: an image is a lesion. For research and education only.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from epiluma.datasets import fields, table
from epiluma.datasets.record import DataError, MissingImage, Reading, Sample

LICENCE = "research only"
_TABLE = "PH2_dataset.txt"
_IMAGES = "PH2 Dataset images"
_DIAGNOSIS: dict[str, str | None] = {"common nevus": "NV", "atypical nevus": "NV", "melanoma": "MEL"}
_LEGEND = dict(zip("012", _DIAGNOSIS, strict=True))
"""Clinical diagnosis by its number, as the legend below the table has it."""
_COLUMNS = ("Name", "Histological Diagnosis", "Clinical Diagnosis")
_NAME = re.compile(r"IMD[0-9]{1,6}")


def read(root: Path) -> Reading:
    """All images that the table names. Raises DataError for a missing or unreadable table."""
    also = "; PH2_dataset.xlsx is, but only the text table of the same archive is read"
    path = table.in_folder(root, _TABLE, also=also if (root / "PH2_dataset.xlsx").is_file() else "")
    return table.collect(_rows(path), lambda row: _sample(row.values, root), id_column="Name")


def _rows(path: Path) -> Iterator[table.Row]:
    """Rows of the table. The legend is passed over; a line that names an image is a row, however it is damaged."""
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except OSError as error:
        raise DataError(f"{path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise table.not_utf8(path) from error
    names: list[str] = []
    for number, line in enumerate(lines, 1):
        if "||" not in line and not _NAME.search(line):
            continue
        where = f"{path}: line {number}"
        cells = [cell.strip() for cell in line.strip().removeprefix("||").removesuffix("||").split("||")]
        if not names:
            names = cells
            if missing := [column for column in _COLUMNS if column not in names]:
                raise DataError(f"{where}: column {', '.join(missing)} is missing")
        elif len(cells) != len(names):
            yield table.Row(where, {}, f"{len(cells)} values for {len(names)} columns")
        else:
            yield table.Row(where, dict(zip(names, cells, strict=True)))
    if not names:
        raise DataError(f"{path}: holds no table with || between its columns")


def _sample(row: dict[str, str], root: Path) -> Sample:
    name, number = row["Name"], row["Clinical Diagnosis"]
    if not _NAME.fullmatch(name):
        raise DataError(f"name {name!r} is not like IMD002")
    if number not in _LEGEND:
        raise DataError(f"clinical diagnosis {number!r} is none of 0 (common nevus), 1 (atypical nevus), 2 (melanoma)")
    folder = root / _IMAGES / name
    image, mask = folder / f"{name}_Dermoscopic_Image" / f"{name}.bmp", folder / f"{name}_lesion" / f"{name}_lesion.bmp"
    if not image.is_file():
        raise MissingImage(f"image {image.relative_to(root)} is not there")
    return Sample(
        image_id=name,
        path=image,
        diagnosis=fields.leaf_of(_LEGEND[number], _DIAGNOSIS),
        label=_LEGEND[number],
        source="ph2",
        modality="dermoscopy",
        licence=LICENCE,
        confirmation="histo" if row["Histological Diagnosis"] else "",
        mask=mask if mask.is_file() else None,
    )
