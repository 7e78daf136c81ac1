"""BCN20000 (Hernández-Pérez et al. 2024, doi:10.1038/s41597-024-03387-w): dermoscopy from Hospital Clínic Barcelona.

Two published forms are read:

- ISIC Archive, collection 249: `metadata.csv` (isic_id, attribution, copyright_license, age_approx,
  anatom_site_general, diagnosis or, since 2024, diagnosis_1 to diagnosis_5, diagnosis_confirm_type, image_type,
  lesion_id, sex) and `<id>.jpg` beside it or in `images`;
- figshare: `bcn_20k_train.csv` (bcn_filename, age_approx, anatom_site_general, diagnosis, lesion_id, capture_date,
  sex, split) with `bcn_20k_train/<bcn_filename>`, and `test` likewise; diagnosis is an ISIC 2019 code.

A blank diagnosis is one that the publisher keeps back for testing.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from epiluma.datasets import fields, table
from epiluma.datasets.record import DataError, OutOfScope, Reading, Sample
from epiluma.datasets.sources import isic, isic_truth
from epiluma.datasets.sources.isic_diagnoses import leaf_of_levels, leaf_of_older

LICENCE = "CC BY-NC 4.0"
_METADATA = "metadata.csv"
_ARCHIVE_FOLDERS = ("images", ".")
_ARCHIVE_COLUMNS = {
    "isic_id", "attribution", "copyright_license", "age_approx", "anatom_site_general", "diagnosis_confirm_type",
    "image_type", "lesion_id", "sex",
}  # fmt: skip
_LEVELS = tuple(f"diagnosis_{level}" for level in range(1, 6))
_PARTS = ("train", "test")
_FIGSHARE_COLUMNS = {"bcn_filename", "age_approx", "anatom_site_general", "lesion_id", "sex"}
_CODES = {code: None if code == "UNK" else code for code in isic_truth.CODES}


def read(root: Path) -> Reading:
    """All images that the tables of either form name. Raises DataError."""
    if (root / _METADATA).is_file():
        archive = fields.index_images(root, _ARCHIVE_FOLDERS)
        rows = _with_diagnosis(root / _METADATA)
        return table.collect(rows, lambda row: _of_archive(row.values, archive), id_column="isic_id")
    tables = {part: [f"bcn_20k_{part}.csv", f"BCN_20k_{part}.csv"] for part in _PARTS}
    if not any(isic.first_file(root, names) for names in tables.values()):
        raise DataError(f"{root}: {_METADATA} or bcn_20k_train.csv is not there; give the folder that holds it")
    paths = isic.present(root, tables)
    images = fields.index_images(root, (folder for part in _PARTS for folder in _figshare_folders(part)))
    rows = isic.parted({part: table.rows(path, _FIGSHARE_COLUMNS) for part, path in paths.items()})
    return table.collect(rows, lambda row: _of_figshare(row.values, images), id_column="bcn_filename")


def _figshare_folders(part: str) -> tuple[str, ...]:
    return f"bcn_20k_{part}", f"BCN_20k_{part}", f"BCN_20k_{part}/bcn_20k_{part}"


def _of_archive(row: dict[str, str], images: dict[str, Path]) -> Sample:
    leaf, malignant, label = _archive_diagnosis(row)
    if row["image_type"] != "dermoscopic":
        raise DataError(f"image_type {row['image_type']!r} is not dermoscopic, as all images of this set are")
    return Sample(
        image_id=row["isic_id"],
        path=fields.image_of(row["isic_id"], images, f"the folder of {_METADATA} or in images"),
        diagnosis=leaf,
        malignant=None if leaf else malignant,
        label=label,
        lesion=row["lesion_id"],
        patient=row.get("patient_id", ""),
        source="bcn20000",
        modality="dermoscopy",
        licence=isic.licence_of(row["copyright_license"]),
        attribution=row["attribution"],
        confirmation=isic.confirmation_of(row["diagnosis_confirm_type"]),
        age=fields.age_of(row["age_approx"]),
        sex=fields.sex_of(row["sex"]),
        site=fields.known(row["anatom_site_general"]),
    )


def _with_diagnosis(path: Path) -> Iterator[table.Row]:
    """The table's rows. Raises DataError when it has no column of a diagnosis: a blank cell means something else."""
    for row in table.rows(path, _ARCHIVE_COLUMNS):
        if not row.fault and not {"diagnosis", _LEVELS[0]} & row.values.keys():
            raise DataError(f"{path}: column diagnosis or {_LEVELS[0]} is missing")
        yield row


def _archive_diagnosis(row: dict[str, str]) -> tuple[str, bool | None, str]:
    """Leaf, the publisher's word on malignancy, and its label. Raises OutOfScope for a blank one."""
    levels = [row[level] for level in _LEVELS if row.get(level)]
    if levels:
        return leaf_of_levels(levels), isic.malignant_of(levels[0]), "::".join(levels)
    if not (label := row.get("diagnosis", "")):
        raise OutOfScope("its diagnosis is not published")
    return leaf_of_older(label), isic.malignant_of(row.get("benign_malignant", "")), label


def _of_figshare(row: dict[str, str], images: dict[str, Path]) -> Sample:
    if not (label := row.get("diagnosis", "")):
        raise OutOfScope("its diagnosis is not published")
    leaf, part = fields.leaf_of(label, _CODES), row[isic.PART]
    image_id = Path(row["bcn_filename"]).stem
    return Sample(
        image_id=image_id,
        path=fields.image_of(image_id, images, _figshare_folders(part)[0]),
        diagnosis=leaf,
        label=label,
        lesion=row["lesion_id"],
        source="bcn20000",
        modality="dermoscopy",
        licence=LICENCE,
        age=fields.age_of(row["age_approx"]),
        sex=fields.sex_of(row["sex"]),
        site=fields.known(row["anatom_site_general"]),
        part=part,
    )
