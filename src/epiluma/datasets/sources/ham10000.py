"""HAM10000 (Tschandl et al. 2018, doi:10.1038/sdata.2018.161), with AK and SCC told apart by ISIC 2019.

Layout: `HAM10000_metadata.csv` (or the Dataverse's tab-separated `HAM10000_metadata`), images in any of the
published folders, masks in `HAM10000_segmentations_lesion_tschandl`. HAM10000's own `akiec` joins actinic
keratosis with Bowen's disease; the ISIC 2019 ground truth (`ISIC_2019_Training_GroundTruth.csv`) splits it.
"""

from __future__ import annotations

from pathlib import Path

from epiluma.datasets import fields, table
from epiluma.datasets.record import DataError, Reading, Sample
from epiluma.datasets.sources import isic_truth

LICENCE = "CC BY-NC 4.0"
_DX = {
    "mel": "MEL",
    "nv": "NV",
    "bcc": "BCC",
    "bkl": "BKL",
    "df": "DF",
    "vasc": "VASC",
    "akiec": isic_truth.AKIEC,  # no leaf: `_leaf` asks the ISIC 2019 ground truth
}
_IMAGE_FOLDERS = ("images", "HAM10000_images_part_1", "HAM10000_images_part_2", ".")
_MASK_FOLDER = "HAM10000_segmentations_lesion_tschandl"
_COLUMNS = {"lesion_id", "image_id", "dx", "dx_type", "age", "sex", "localization"}


def read(root: Path, *, isic_2019: Path | None = None) -> Reading:
    """All images that the metadata names.

    `isic_2019` is the ISIC 2019 ground-truth file; by default it is looked for in `root`, beside it and in a
    folder `isic_labels` beside it. Raises DataError for a missing or unreadable table.
    """
    metadata = next((root / n for n in ("HAM10000_metadata.csv", "HAM10000_metadata") if (root / n).is_file()), None)
    if metadata is None:
        raise DataError(f"{root}: HAM10000_metadata.csv is not there; give the folder that holds it")
    labels = isic_truth.find(root, isic_2019)
    if labels is None:
        looked = ", ".join(str(place) for place in isic_truth.places(root, isic_2019))
        raise DataError(f"{isic_truth.FILE} is needed to tell AK from SCC; looked at {looked}")
    truth = isic_truth.read(labels)
    images = fields.index_images(root, _IMAGE_FOLDERS)
    rows = table.rows(metadata, _COLUMNS, delimiter="," if metadata.suffix else "\t")
    return table.collect(rows, lambda row: _sample(row.values, root, images, truth), id_column="image_id")


def _sample(row: dict[str, str], root: Path, images: dict[str, Path], truth: dict[str, str]) -> Sample:
    image_id, dx = row["image_id"], row["dx"]
    if not row["lesion_id"]:
        raise DataError(f"{image_id} has no lesion_id; photos of one lesion could not be kept together")
    path = fields.image_of(image_id, images, " or ".join(_IMAGE_FOLDERS[:-1]))
    mask = root / _MASK_FOLDER / f"{image_id}_segmentation.png"
    return Sample(
        image_id=image_id,
        path=path,
        diagnosis=_leaf(image_id, dx, truth),
        label=dx,
        lesion=row["lesion_id"],
        source="ham10000",
        modality="dermoscopy",
        licence=LICENCE,
        confirmation=row["dx_type"],
        age=fields.age_of(row["age"]),
        sex=fields.sex_of(row["sex"]),
        site=fields.known(row["localization"]),
        mask=mask if mask.is_file() else None,
    )


def _leaf(image_id: str, dx: str, truth: dict[str, str]) -> str:
    code = fields.leaf_of(dx, _DX)
    if code != isic_truth.AKIEC:
        return code
    if leaf := isic_truth.ak_or_scc(image_id, truth):
        return leaf
    raise DataError(f"{image_id} is akiec here and neither AK nor SCC in {isic_truth.FILE}")
