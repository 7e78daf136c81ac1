"""ISIC 2020 (Rotemberg et al. 2021, doi:10.1038/s41597-021-00815-z): 33,126 images of 2,056 patients, 584 melanomas.

Layout, as unpacked from https://challenge.isic-archive.com/data/#2020: `train/<id>.jpg` and
`ISIC_2020_Training_GroundTruth_v2.csv` or the first version without `_v2`, which lacks lesion_id (image_name,
patient_id, lesion_id, sex, age_approx, anatom_site_general_challenge, diagnosis, benign_malignant, target);
`ISIC_2020_Training_Duplicates.csv` names pairs of the same photo. The labels of the test images are not published.
"""

from __future__ import annotations

from pathlib import Path

from epiluma.datasets import fields, table
from epiluma.datasets.record import DataError, Reading, Sample
from epiluma.datasets.sources import isic
from epiluma.datasets.sources.isic_diagnoses import leaf_of_older

LICENCE = "CC BY-NC 4.0"
_TRUTH = ("ISIC_2020_Training_GroundTruth_v2.csv", "ISIC_2020_Training_GroundTruth.csv")
_DUPLICATES = "ISIC_2020_Training_Duplicates.csv"
_FOLDERS = ("train", "ISIC_2020_Training_JPEG/train", "ISIC_2020_Training_JPEG", "jpeg/train")
_COLUMNS = {
    "image_name", "patient_id", "sex", "age_approx", "anatom_site_general_challenge", "diagnosis",
    "benign_malignant", "target",
}  # fmt: skip


def read(root: Path) -> Reading:
    """All training images; an `unknown` diagnosis has no leaf and is benign or not by the publisher's word.

    Raises DataError.
    """
    truth = isic.present(root, {"train": _TRUTH})["train"]
    images = fields.index_images(root, _FOLDERS)
    return table.collect(table.rows(truth, _COLUMNS), lambda row: _sample(row.values, images), id_column="image_name")


def duplicates(root: Path) -> list[tuple[str, str]]:
    """Pairs of image ids that the publisher found to be the same photo. Raises DataError."""
    names = ("image_name_1", "image_name_2")
    rows = table.sound_rows(root / _DUPLICATES, set(names))
    return [(row.values[names[0]], row.values[names[1]]) for row in rows]


def _sample(row: dict[str, str], images: dict[str, Path]) -> Sample:
    image_id = row["image_name"]
    leaf, malignant = leaf_of_older(row["diagnosis"]), isic.malignant_of(row["benign_malignant"])
    if malignant is None or malignant != isic.flag(row, "target"):
        raise DataError(f"benign_malignant {row['benign_malignant']!r} and target {row['target']!r} disagree")
    if malignant != (leaf == "MEL"):
        raise DataError(f"diagnosis {row['diagnosis']!r} and benign_malignant {row['benign_malignant']!r} disagree")
    return Sample(
        image_id=image_id,
        path=fields.image_of(image_id, images, _FOLDERS[0]),
        diagnosis=leaf,
        malignant=None if leaf else malignant,
        label=row["diagnosis"],
        lesion=row.get("lesion_id", ""),
        patient=row["patient_id"],
        source="isic2020",
        modality="dermoscopy",
        licence=LICENCE,
        age=fields.age_of(row["age_approx"]),
        sex=fields.sex_of(row["sex"]),
        site=fields.known(row["anatom_site_general_challenge"]),
        part="train",
    )
