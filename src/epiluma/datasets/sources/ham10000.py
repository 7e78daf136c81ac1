"""HAM10000 (Tschandl et al. 2018, doi:10.1038/sdata.2018.161), with AK and SCC told apart by ISIC 2019.

Layout: `HAM10000_metadata.csv` (or the Dataverse's tab-separated `HAM10000_metadata`), images in any of the
published folders, masks in `HAM10000_segmentations_lesion_tschandl`. HAM10000's own `akiec` joins actinic
keratosis with Bowen's disease; the ISIC 2019 ground truth (`ISIC_2019_Training_GroundTruth.csv`) splits it.
"""

from __future__ import annotations

from pathlib import Path

from epiluma.datasets import table
from epiluma.datasets.record import DataError, Sample

LICENCE = "CC BY-NC 4.0"
_DX = {"mel": "MEL", "nv": "NV", "bcc": "BCC", "bkl": "BKL", "df": "DF", "vasc": "VASC"}
_IMAGE_FOLDERS = ("images", "HAM10000_images_part_1", "HAM10000_images_part_2", ".")
_MASK_FOLDER = "HAM10000_segmentations_lesion_tschandl"
_ISIC_2019 = "ISIC_2019_Training_GroundTruth.csv"
_COLUMNS = {"lesion_id", "image_id", "dx", "dx_type", "age", "sex", "localization"}
_OLDEST = 120
"""Years; a larger age is a mistake in the table."""


def read(root: Path, *, isic_2019: Path | None = None) -> list[Sample]:
    """All images that the metadata names, in image-id order.

    `isic_2019` is the ISIC 2019 ground-truth file; by default it is looked for in `root`, beside it and in a
    folder `isic_labels` beside it. Raises DataError for a missing file, an unknown label, a bad row, or an
    image that is named twice or is not there.
    """
    metadata = next((root / n for n in ("HAM10000_metadata.csv", "HAM10000_metadata") if (root / n).is_file()), None)
    if metadata is None:
        raise DataError(f"{root}: HAM10000_metadata.csv is not there; give the folder that holds it")
    leaf_of_akiec = _read_isic_2019(_find_isic_2019(root, isic_2019))
    images = _index_images(root)
    samples: dict[str, Sample] = {}
    for where, row in table.rows(metadata, _COLUMNS, delimiter="," if metadata.suffix else "\t"):
        sample = _sample(row, where, root, images, leaf_of_akiec)
        if sample.image_id in samples:
            raise DataError(f"{where}: image {sample.image_id} is named twice")
        samples[sample.image_id] = sample
    return [samples[image_id] for image_id in sorted(samples)]


def _sample(row: dict[str, str], where: str, root: Path, images: dict[str, Path], akiec: dict[str, str]) -> Sample:
    image_id, dx = row["image_id"], row["dx"]
    if not row["lesion_id"]:
        raise DataError(f"{where}: {image_id} has no lesion_id; photos of one lesion could not be kept together")
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
        age=_age(row["age"], where),
        sex="" if row["sex"] == "unknown" else row["sex"],
        site="" if row["localization"] == "unknown" else row["localization"],
        mask=mask if mask.is_file() else None,
    )


def _age(years: str, where: str) -> int | None:
    if not years:
        return None
    try:
        age = float(years)
    except ValueError:
        age = -1.0
    if not 0 <= age <= _OLDEST:  # also refuses "nan"
        raise DataError(f"{where}: age {years!r} is not a number of years from 0 to {_OLDEST}")
    return int(age)


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
    leaf_of: dict[str, str] = {}
    for where, row in table.rows(path, {"image", "AK", "SCC"}):
        try:
            leaves = [leaf for leaf in ("AK", "SCC") if float(row[leaf]) == 1]
        except ValueError:
            raise DataError(f"{where}: AK and SCC must be 0 or 1, not {row['AK']!r} and {row['SCC']!r}") from None
        if len(leaves) > 1:
            raise DataError(f"{where}: {row['image']} is both AK and SCC")
        if leaves:
            leaf_of[row["image"]] = leaves[0]
    return leaf_of
