"""HAM10000 (Tschandl et al. 2018, doi:10.1038/sdata.2018.161), with AK and SCC told apart by ISIC 2019.

Layout: `HAM10000_metadata.csv` (or the Dataverse's tab-separated `HAM10000_metadata`), images in any of the
published folders, masks in `HAM10000_segmentations_lesion_tschandl`. HAM10000's own `akiec` joins actinic
keratosis with Bowen's disease; the ISIC 2019 ground truth (`ISIC_2019_Training_GroundTruth.csv`) splits it.
"""

from __future__ import annotations

import csv
from pathlib import Path

from epiluma.datasets.record import DataError, Sample

LICENCE = "CC BY-NC 4.0"
_DX = {"mel": "MEL", "nv": "NV", "bcc": "BCC", "bkl": "BKL", "df": "DF", "vasc": "VASC"}
_IMAGE_FOLDERS = ("images", "HAM10000_images_part_1", "HAM10000_images_part_2", ".")
_MASK_FOLDER = "HAM10000_segmentations_lesion_tschandl"
_ISIC_2019 = "ISIC_2019_Training_GroundTruth.csv"
_COLUMNS = {"lesion_id", "image_id", "dx", "dx_type", "age", "sex", "localization"}


def read(root: Path, *, isic_2019: Path | None = None) -> list[Sample]:
    """All images that the metadata names, in image-id order.

    `isic_2019` is the ISIC 2019 ground-truth file; by default it is looked for in `root`, beside it and in a
    folder `isic_labels` beside it. Raises DataError for a missing file, an unknown label, a bad row, or an
    image that is named twice or is not there.
    """
    table = next((root / n for n in ("HAM10000_metadata.csv", "HAM10000_metadata") if (root / n).is_file()), None)
    if table is None:
        raise DataError(f"{root}: HAM10000_metadata.csv is not there; give the folder that holds it")
    leaf_of_akiec = _read_isic_2019(_find_isic_2019(root, isic_2019))
    images = _index_images(root)
    samples: dict[str, Sample] = {}
    with table.open(encoding="utf-8", newline="") as file:
        reader = csv.DictReader(file, delimiter="\t" if table.suffix == "" else ",")
        if missing := _COLUMNS - set(reader.fieldnames or ()):
            raise DataError(f"{table}: column {', '.join(sorted(missing))} is missing")
        for number, row in enumerate(reader, 2):
            sample = _sample(row, f"{table}: row {number}", root, images, leaf_of_akiec)
            if sample.image_id in samples:
                raise DataError(f"{table}: row {number}: image {sample.image_id} is named twice")
            samples[sample.image_id] = sample
    return [samples[image_id] for image_id in sorted(samples)]


def _sample(row: dict[str, str], where: str, root: Path, images: dict[str, Path], akiec: dict[str, str]) -> Sample:
    image_id, dx = row["image_id"], row["dx"]
    if image_id not in images:
        raise DataError(f"{where}: image {image_id}.jpg is not in {' or '.join(_IMAGE_FOLDERS[:-1])}")
    if dx == "akiec":
        diagnosis = akiec.get(image_id)
        if diagnosis is None:
            raise DataError(f"{where}: {image_id} is akiec here and neither AK nor SCC in {_ISIC_2019}")
    elif dx in _DX:
        diagnosis = _DX[dx]
    else:
        raise DataError(f"{where}: unknown dx {dx!r}; known are {', '.join(sorted([*_DX, 'akiec']))}")
    try:
        age = int(float(row["age"])) if row["age"] else None
    except ValueError:
        raise DataError(f"{where}: age {row['age']!r} is not a number") from None
    mask = root / _MASK_FOLDER / f"{image_id}_segmentation.png"
    return Sample(
        image_id=image_id,
        path=images[image_id],
        diagnosis=diagnosis,
        lesion=row["lesion_id"],
        source="HAM10000",
        modality="dermoscopy",
        licence=LICENCE,
        confirmation=row["dx_type"],
        age=age,
        sex="" if row["sex"] == "unknown" else row["sex"],
        site="" if row["localization"] == "unknown" else row["localization"],
        mask=mask if mask.is_file() else None,
    )


def _index_images(root: Path) -> dict[str, Path]:
    images: dict[str, Path] = {}
    for folder in _IMAGE_FOLDERS:
        for path in (root / folder).glob("*.jpg"):
            images.setdefault(path.stem, path)
    return images


def _find_isic_2019(root: Path, given: Path | None) -> Path:
    places = [given] if given else [p / _ISIC_2019 for p in (root, root.parent, root.parent / "isic_labels")]
    for place in places:
        if place.is_file():
            return place
    looked = ", ".join(str(place) for place in places)
    raise DataError(f"{_ISIC_2019} is needed to tell AK from SCC; looked at {looked}")


def _read_isic_2019(path: Path) -> dict[str, str]:
    """Image id -> AK or SCC, for the images that are one of the two."""
    with path.open(encoding="utf-8", newline="") as file:
        reader = csv.DictReader(file)
        if missing := {"image", "AK", "SCC"} - set(reader.fieldnames or ()):
            raise DataError(f"{path}: column {', '.join(sorted(missing))} is missing")
        return {row["image"]: leaf for row in reader for leaf in ("AK", "SCC") if float(row[leaf]) == 1}
