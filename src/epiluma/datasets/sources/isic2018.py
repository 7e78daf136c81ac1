"""ISIC 2018 (Codella et al. 2019, arXiv:1902.03368), as unpacked from https://challenge.isic-archive.com/data/#2018.

Tasks 1 and 2 (lesion and attribute masks, no diagnosis) share `ISIC2018_Task1-2_Training_Input/<id>.jpg`; the masks
are `ISIC2018_Task1_Training_GroundTruth/<id>_segmentation.png` and
`ISIC2018_Task2_Training_GroundTruth_v3/<id>_attribute_<name>.png`. There is no table: a row is an image or a mask.

Task 3 (diagnosis; its training images are HAM10000): `ISIC2018_Task3_Training_Input/<id>.jpg`,
`ISIC2018_Task3_Training_GroundTruth/ISIC2018_Task3_Training_GroundTruth.csv` (image, then one 0/1 column a class) and
`ISIC2018_Task3_Training_LesionGroupings.csv` (image, lesion_id, diagnosis_confirm_type).

`Validation` and `Test` likewise, without `_v3` and without groupings. A part is there when its ground truth is.
AKIEC joins AK and SCC; the ISIC 2019 ground truth tells them apart for the images that it has.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from epiluma.datasets import fields, table
from epiluma.datasets.record import DataError, Reading, Sample
from epiluma.datasets.sources import isic, isic_truth

LICENCE = "CC BY-NC 4.0"
ATTRIBUTES = ("globules", "milia_like_cyst", "negative_network", "pigment_network", "streaks")
_NAMES = {"train": "Training", "validation": "Validation", "test": "Test"}
_CLASSES = {
    "MEL": "MEL",
    "NV": "NV",
    "BCC": "BCC",
    "AKIEC": isic_truth.AKIEC,  # no leaf: see `_leaf`
    "BKL": "BKL",
    "DF": "DF",
    "VASC": "VASC",
}


def read_masks(root: Path) -> Reading:
    """Tasks 1 and 2: all images of the parts whose masks are there. Raises DataError when no part is."""
    rows = [row for part in _NAMES for row in _listed(root, part)]
    if not any(_mask_folder(root, part) or _attribute_folder(root, part) for part in _NAMES):
        wanted = "ISIC2018_Task1_Training_GroundTruth or ISIC2018_Task2_Training_GroundTruth_v3"
        raise DataError(f"{root}: {wanted} is not there; give the folder that holds it")
    images = fields.index_images(root, (folder for part in _NAMES for folder in _input_folders(part)))
    return table.collect(rows, lambda row: _masked(row.values, root, images), id_column="image")


def attributes(root: Path) -> dict[str, dict[str, Path]]:
    """Task 2: image id -> name of the attribute -> its mask, of the parts that are there.

    Every image has all five masks, black where the attribute is absent. Raises DataError when one is missing or
    has an unknown name.
    """
    found: dict[str, dict[str, Path]] = {}
    for folder in filter(None, (_attribute_folder(root, part) for part in _NAMES)):
        for path in sorted(folder.glob("*.png")):
            image_id, _, name = path.stem.partition("_attribute_")
            if name not in ATTRIBUTES:
                raise DataError(f"{path}: unknown attribute {name!r}; known are {', '.join(ATTRIBUTES)}")
            found.setdefault(image_id, {})[name] = path
    for image_id, masks in found.items():
        if missing := set(ATTRIBUTES) - set(masks):
            folder = next(iter(masks.values())).parent
            raise DataError(f"{folder}: {image_id} has no mask of {', '.join(sorted(missing))}")
    return found


def _input_folders(part: str) -> tuple[str, ...]:
    return isic.nested(f"ISIC2018_Task1-2_{_NAMES[part]}_Input")


def _mask_folder(root: Path, part: str) -> Path | None:
    folders = isic.nested(f"ISIC2018_Task1_{_NAMES[part]}_GroundTruth")
    return next((root / folder for folder in reversed(folders) if (root / folder).is_dir()), None)


def _attribute_folder(root: Path, part: str) -> Path | None:
    # The first two versions of the training masks had mistakes and were withdrawn.
    version = "_v3" if part == "train" else ""
    folders = isic.nested(f"ISIC2018_Task2_{_NAMES[part]}_GroundTruth{version}")
    return next((root / folder for folder in reversed(folders) if (root / folder).is_dir()), None)


def _listed(root: Path, part: str) -> Iterator[table.Row]:
    """One row for each image or lesion mask of a part; none when the part has no masks."""
    masks = _mask_folder(root, part)
    if masks is None and _attribute_folder(root, part) is None:
        return
    images = fields.index_images(root, _input_folders(part))
    of_masks = {path.name.removesuffix("_segmentation.png") for path in masks.glob("*.png")} if masks else set()
    for image_id in sorted(images.keys() | of_masks):
        where = images.get(image_id) or (masks or root) / f"{image_id}_segmentation.png"
        yield table.Row(str(where), {"image": image_id, isic.PART: part})


def _masked(row: dict[str, str], root: Path, images: dict[str, Path]) -> Sample:
    image_id, part = row["image"], row[isic.PART]
    path = fields.image_of(image_id, images, _input_folders(part)[0])
    folder = _mask_folder(root, part)
    mask = folder / f"{image_id}_segmentation.png" if folder else None
    if mask and not mask.is_file():
        raise DataError(f"image {image_id} has no mask in {mask.parent.name}")
    return Sample(
        image_id=image_id,
        path=path,
        diagnosis="",
        source="isic2018-task1-2",
        modality="dermoscopy",
        licence=LICENCE,
        part=part,
        mask=mask,
    )


def read_diagnoses(root: Path, *, isic_2019: Path | None = None) -> Reading:
    """Task 3: all images that the ground truth names, of the parts that are there.

    `isic_2019` is the ISIC 2019 ground truth; by default it is looked for as for HAM10000. Without it, and for
    images that it lacks, AKIEC has no leaf and is malignant. Raises DataError.
    """
    truths = isic.present(root, {part: _beside(f"ISIC2018_Task3_{name}_GroundTruth") for part, name in _NAMES.items()})
    labels = isic_truth.find(root, isic_2019)
    if labels is None and isic_2019 is not None:
        raise DataError(f"{isic_2019}: is not there")
    akiec = isic_truth.read(labels) if labels else {}
    lesions: dict[str, dict[str, str]] = {}
    for part in truths:
        lesions.update(_groupings(root, part))
    folders = isic.nested(*(f"ISIC2018_Task3_{name}_Input" for name in _NAMES.values()))
    images = fields.index_images(root, folders)
    columns = {"image", *_CLASSES}
    rows = isic.parted({part: table.rows(path, columns) for part, path in truths.items()})
    return table.collect(rows, lambda row: _diagnosed(row.values, images, lesions, akiec), id_column="image")


def _beside(name: str) -> list[str]:
    return [f"{name}/{name}.csv", f"{name}.csv"]


def _groupings(root: Path, part: str) -> dict[str, dict[str, str]]:
    """Lesion and confirmation by image. Only the training part has them, and must: 10,015 images of 7,470 lesions."""
    name = f"ISIC2018_Task3_{_NAMES[part]}_LesionGroupings.csv"
    path = isic.first_file(root, [name, f"ISIC2018_Task3_{_NAMES[part]}_GroundTruth/{name}"])
    if path is not None:
        return isic.by_image(path, {"lesion_id", "diagnosis_confirm_type"}, "image")
    if part == "train":
        raise DataError(f"{root}: {name} is not there; without it photos of one lesion could not be kept together")
    return {}


def _diagnosed(
    row: dict[str, str], images: dict[str, Path], lesions: dict[str, dict[str, str]], truth: dict[str, str]
) -> Sample:
    image_id, part = row["image"], row[isic.PART]
    label = isic.one_hot(row, list(_CLASSES))
    lesion = lesions.get(image_id, {})
    if part == "train" and not lesion.get("lesion_id"):
        raise DataError(f"{image_id} has no lesion_id; photos of one lesion could not be kept together")
    leaf = _CLASSES[label] if label != "AKIEC" else isic_truth.ak_or_scc(image_id, truth)
    return Sample(
        image_id=image_id,
        path=fields.image_of(image_id, images, f"ISIC2018_Task3_{_NAMES[part]}_Input"),
        diagnosis=leaf,
        malignant=None if leaf else True,
        label=label,
        lesion=lesion.get("lesion_id", ""),
        source="isic2018-task3",
        modality="dermoscopy",
        licence=LICENCE,
        confirmation=isic.confirmation_of(lesion.get("diagnosis_confirm_type", "")),
        part=part,
    )
