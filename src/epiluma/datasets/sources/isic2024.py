"""ISIC 2024, SLICE-3D (Kurtansky et al. 2024, doi:10.1038/s41597-024-03743-w): 401,059 crops of 3D body photos.

Layout, as published for the Kaggle competition `isic-2024-challenge`: `train-metadata.csv` (isic_id, target,
patient_id, age_approx, sex, anatom_site_general, attribution, copyright_license, lesion_id, iddx_full, iddx_1 to
iddx_5, tbp_lv_*) and `train-image/image/<id>.jpg`. The same pixels in `train-image.hdf5` are not read. The crops
are no dermoscopy: they look like smartphone photos of 15 x 15 mm of skin. Licence and attribution differ by image.
Nearly all are `Benign` and no more, because nobody biopsied them; lesion_id is given for those with a diagnosis.
"""

from __future__ import annotations

from pathlib import Path

from epiluma.datasets import fields, table
from epiluma.datasets.record import DataError, Reading, Sample
from epiluma.datasets.sources import isic
from epiluma.datasets.sources.isic_diagnoses import leaf_of_levels

LICENCE = "CC BY-NC 4.0"
"""The strictest of the images' licences; each sample carries its own."""
_METADATA = "train-metadata.csv"
_IMAGES = "train-image/image"
_LEVELS = ("iddx_1", "iddx_2", "iddx_3")
_COLUMNS = {
    "isic_id", "target", "patient_id", "age_approx", "sex", "anatom_site_general", "attribution", "copyright_license",
    "lesion_id", "iddx_full", *_LEVELS,
}  # fmt: skip


def read(root: Path) -> Reading:
    """All training crops that the metadata names. Raises DataError, also when only the HDF5 file is there."""
    path = isic.present(root, {"train": [_METADATA]})["train"]
    if not (root / _IMAGES).is_dir() and (root / "train-image.hdf5").is_file():
        raise DataError(f"{root}: train-image.hdf5 is not read; unpack train-image/image, the same crops as JPEG")
    images = fields.index_images(root, (_IMAGES,))
    return table.collect(table.rows(path, _COLUMNS), lambda row: _sample(row.values, images), id_column="isic_id")


def _sample(row: dict[str, str], images: dict[str, Path]) -> Sample:
    image_id = row["isic_id"]
    leaf, malignant = leaf_of_levels([row[level] for level in _LEVELS]), isic.malignant_of(row["iddx_1"])
    # The target counts the indeterminate as 0; here they stay undecided.
    if bool(malignant) != isic.flag(row, "target"):
        raise DataError(f"iddx_1 {row['iddx_1']!r} and target {row['target']!r} disagree")
    return Sample(
        image_id=image_id,
        path=fields.image_of(image_id, images, _IMAGES),
        diagnosis=leaf,
        malignant=None if leaf else malignant,
        label=row["iddx_full"],
        lesion=fields.known(row["lesion_id"]),
        patient=row["patient_id"],
        source="isic2024",
        modality="clinical",
        licence=isic.licence_of(row["copyright_license"]),
        attribution=row["attribution"],
        age=fields.age_of(row["age_approx"]),
        sex=fields.sex_of(row["sex"]),
        site=fields.known(row["anatom_site_general"]),
        part="train",
    )
