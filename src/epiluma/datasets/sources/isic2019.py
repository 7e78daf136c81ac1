"""ISIC 2019: eight diagnoses in 25,331 images, drawn from HAM10000, BCN20000 and MSK (cited in the catalog).

Layout, as unpacked from https://challenge.isic-archive.com/data/#2019:
`ISIC_2019_Training_Input/<id>.jpg`, `ISIC_2019_Training_GroundTruth.csv` (image, then one 0/1 column a class, with
`UNK` for none of them), `ISIC_2019_Training_Metadata.csv` (image, age_approx, anatom_site_general, lesion_id, sex).
`Test` likewise, without lesion_id. 2,074 ids of MSK images end in `_downsampled`, in the tables and in the file names;
without that ending they are the same photos in the Archive and in ISIC 2016 to 2018. The lesion_id says where an
image is from (`BCN_`, `HAM_`, `MSK4_`).
"""

from __future__ import annotations

from pathlib import Path

from epiluma.datasets import fields, table
from epiluma.datasets.record import DataError, Reading, Sample
from epiluma.datasets.sources import isic, isic_truth

LICENCE = "CC BY-NC 4.0"
_NAMES = {"train": "Training", "test": "Test"}
_LABELS = {code: None if code == "UNK" else code for code in isic_truth.CODES}
_METADATA = {"age_approx", "anatom_site_general", "sex"}


def read(root: Path) -> Reading:
    """All images that the ground truth names, of the parts that are there; `UNK` is out of scope. Raises DataError."""
    truths = isic.present(root, {part: [f"ISIC_2019_{name}_GroundTruth.csv"] for part, name in _NAMES.items()})
    facts: dict[str, dict[str, str]] = {}
    for part in truths:
        facts.update(_metadata(root, part))
    images = fields.index_images(root, isic.nested(*(f"ISIC_2019_{name}_Input" for name in _NAMES.values())))
    columns = {"image", *isic_truth.CODES}
    rows = isic.parted({part: table.rows(path, columns) for part, path in truths.items()})
    return table.collect(rows, lambda row: _sample(row.values, images, facts), id_column="image")


def _metadata(root: Path, part: str) -> dict[str, dict[str, str]]:
    """Facts by image; the training part's name the lesion, so that part cannot do without."""
    path = root / f"ISIC_2019_{_NAMES[part]}_Metadata.csv"
    if part == "train":
        if not path.is_file():
            raise DataError(f"{path}: is not there; without it photos of one lesion could not be kept together")
        return isic.by_image(path, _METADATA | {"lesion_id"}, "image")
    return isic.by_image(path, _METADATA, "image") if path.is_file() else {}


def _sample(row: dict[str, str], images: dict[str, Path], facts: dict[str, dict[str, str]]) -> Sample:
    image_id, part = row["image"], row[isic.PART]
    label = isic.one_hot(row, isic_truth.CODES)
    leaf = fields.leaf_of(label, _LABELS)
    if part == "train" and image_id not in facts:
        raise DataError(f"{image_id} is not in ISIC_2019_Training_Metadata.csv")
    known = facts.get(image_id, {})
    return Sample(
        image_id=image_id,
        path=fields.image_of(image_id, images, f"ISIC_2019_{_NAMES[part]}_Input"),
        diagnosis=leaf,
        label=label,
        lesion=known.get("lesion_id", ""),
        source="isic2019",
        modality="dermoscopy",
        licence=LICENCE,
        age=fields.age_of(known.get("age_approx", "")),
        sex=fields.sex_of(known.get("sex", "")),
        site=fields.known(known.get("anatom_site_general", "")),
        part=part,
    )
