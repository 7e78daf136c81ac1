"""ISIC 2016 (ISBI challenge; Gutman et al. 2016, arXiv:1605.01397): melanoma or not, with lesion masks.

Layout, as unpacked from https://challenge.isic-archive.com/data/#2016:
`ISBI2016_ISIC_Part3_Training_Data/*.jpg` and `ISBI2016_ISIC_Part3_Training_GroundTruth.csv`, two columns without a
header: image id, `benign` or `malignant`; the same for `Test`, whose labels are 0.0 and 1.0; the masks of Part 1
are `ISBI2016_ISIC_Part1_Training_GroundTruth/<id>_Segmentation.png`. Parts 1, 3 and 3B have the same images.
"""

from __future__ import annotations

from pathlib import Path

from epiluma.datasets import fields, table
from epiluma.datasets.record import Reading, Sample
from epiluma.datasets.sources import isic

LICENCE = "CC0 1.0"
_NAMES = {"train": "Training", "test": "Test"}
_COLUMNS = ("image_id", "label")
_LABELS = {"benign": "", "0.0": "", "0": "", "malignant": "MEL", "1.0": "MEL", "1": "MEL"}
"""Malignant images of this challenge are melanomas; benign ones may be anything benign."""


def read(root: Path) -> Reading:
    """All images that the ground truth of Part 3 names, of the parts that are there. Raises DataError."""
    truths = isic.present(
        root,
        {
            part: [f"ISBI2016_ISIC_{task}_{name}_GroundTruth.csv" for task in ("Part3", "Part3B")]
            for part, name in _NAMES.items()
        },
    )
    folders = [f"ISBI2016_ISIC_{task}_{name}_Data" for name in _NAMES.values() for task in ("Part3", "Part3B", "Part1")]
    images = fields.index_images(root, isic.nested(*folders))
    rows = isic.parted({part: table.rows(path, _COLUMNS, names=_COLUMNS) for part, path in truths.items()})
    return table.collect(rows, lambda row: _sample(row.values, root, images), id_column="image_id")


def _sample(row: dict[str, str], root: Path, images: dict[str, Path]) -> Sample:
    image_id, part = row["image_id"], row[isic.PART]
    leaf = fields.leaf_of(row["label"], _LABELS)
    name = _NAMES[part]
    masks = isic.nested(f"ISBI2016_ISIC_Part1_{name}_GroundTruth", f"ISBI2016_ISIC_Part3B_{name}_Data")
    return Sample(
        image_id=image_id,
        path=fields.image_of(image_id, images, f"ISBI2016_ISIC_Part3_{name}_Data"),
        diagnosis=leaf,
        malignant=None if leaf else False,
        label=row["label"],
        source="isic2016",
        modality="dermoscopy",
        licence=LICENCE,
        part=part,
        mask=isic.first_mask(root, masks, f"{image_id}_Segmentation.png"),
    )
