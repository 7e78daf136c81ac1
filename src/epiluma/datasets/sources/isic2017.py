"""ISIC 2017 (Codella et al. 2018, doi:10.1109/ISBI.2018.8363547): melanoma, seborrheic keratosis or nevus.

Layout, as unpacked from https://challenge.isic-archive.com/data/#2017, for `Training`, `Validation` and `Test_v2`:
`ISIC-2017_Training_Data/<id>.jpg` (beside them superpixels, which are no photos),
`ISIC-2017_Training_Part3_GroundTruth.csv` (image_id, melanoma, seborrheic_keratosis),
`ISIC-2017_Training_Data_metadata.csv` (image_id, age_approximate, sex; in the folder of the images or beside it),
`ISIC-2017_Training_Part1_GroundTruth/<id>_segmentation.png`. What is neither of the two is a nevus.

Also read is a digest of it: the same folders of images, squashed to squares, and one `labels.csv` for all parts.
"""

from __future__ import annotations

from pathlib import Path

from epiluma.datasets import fields, table
from epiluma.datasets.record import DataError, Reading, Sample
from epiluma.datasets.sources import isic

LICENCE = "CC0 1.0"
_NAMES = {"train": "Training", "validation": "Validation", "test": "Test_v2"}
_DIGEST = "labels.csv"
_DIGEST_PARTS = {"training": "train", "validation": "validation", "test": "test"}
_LABELS = {"melanoma": "MEL", "seborrheic_keratosis": "BKL", "nevus": "NV"}
_FLAGS = {"image_id", "melanoma", "seborrheic_keratosis"}


def read(root: Path) -> Reading:
    """All images that the ground truth of Part 3 names, of the parts that are there. Raises DataError."""
    images = fields.index_images(root, isic.nested(*(f"ISIC-2017_{name}_Data" for name in _NAMES.values())))
    candidates = {part: [f"ISIC-2017_{name}_Part3_GroundTruth.csv"] for part, name in _NAMES.items()}
    digest = root / _DIGEST
    if digest.is_file() and not any((root / names[0]).is_file() for names in candidates.values()):
        rows = table.rows(digest, _FLAGS | {"split", "age", "sex", "site_isic2019"})
        return table.collect(rows, lambda row: _of_digest(row.values, root, images), id_column="image_id")
    truths = isic.present(root, candidates)
    people: dict[str, dict[str, str]] = {}
    for part in truths:
        people.update(_metadata(root, _NAMES[part]))
    rows = isic.parted({part: table.rows(path, _FLAGS) for part, path in truths.items()})
    return table.collect(rows, lambda row: _published(row.values, root, images, people), id_column="image_id")


def _metadata(root: Path, name: str) -> dict[str, dict[str, str]]:
    """Age and sex by image; empty where that table was not fetched: it says nothing that groups images."""
    file = f"ISIC-2017_{name}_Data_metadata.csv"
    path = isic.first_file(root, [file, *(f"{folder}/{file}" for folder in isic.nested(f"ISIC-2017_{name}_Data"))])
    return isic.by_image(path, {"age_approximate", "sex"}, "image_id") if path else {}


def _published(row: dict[str, str], root: Path, images: dict[str, Path], people: dict[str, dict[str, str]]) -> Sample:
    person = people.get(row["image_id"], {})
    facts = {"age": person.get("age_approximate", ""), "sex": person.get("sex", ""), "site_isic2019": ""}
    return _sample(row | facts, root, images, part=row[isic.PART], geometry="original")


def _of_digest(row: dict[str, str], root: Path, images: dict[str, Path]) -> Sample:
    if row["split"] not in _DIGEST_PARTS:
        raise DataError(f"split {row['split']!r} is none of {', '.join(_DIGEST_PARTS)}")
    return _sample(row, root, images, part=_DIGEST_PARTS[row["split"]], geometry="squashed")


def _sample(row: dict[str, str], root: Path, images: dict[str, Path], *, part: str, geometry: str) -> Sample:
    image_id, label = row["image_id"], _label(row)
    masks = isic.nested(f"ISIC-2017_{_NAMES[part]}_Part1_GroundTruth")
    return Sample(
        image_id=image_id,
        path=fields.image_of(image_id, images, f"ISIC-2017_{_NAMES[part]}_Data"),
        diagnosis=fields.leaf_of(label, _LABELS),
        label=label,
        source="isic2017",
        modality="dermoscopy",
        licence=LICENCE,
        age=fields.age_of(row["age"]),
        sex=fields.sex_of(row["sex"]),
        site=fields.known(row["site_isic2019"]),
        part=part,
        mask=isic.first_mask(root, masks, f"{image_id}_segmentation.png"),
        geometry=geometry,
    )


def _label(row: dict[str, str]) -> str:
    melanoma, keratosis = isic.flag(row, "melanoma"), isic.flag(row, "seborrheic_keratosis")
    if melanoma and keratosis:
        raise DataError("it is both melanoma and seborrheic_keratosis")
    return "melanoma" if melanoma else "seborrheic_keratosis" if keratosis else "nevus"
