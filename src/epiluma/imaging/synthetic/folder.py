"""A small drawn data set in the layout that HAM10000 and ISIC 2019 were published in."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from epiluma.imaging.synthetic.draw import SIZE, draw_lesion

IMAGES = "images"
MASKS = "HAM10000_segmentations_lesion_tschandl"
METADATA = "HAM10000_metadata.csv"
ISIC_2019_LABELS = "ISIC_2019_Training_GroundTruth.csv"
NOTE = "README.txt"

FIRST_ID = 9_000_000
"""Image and lesion numbers start here, far above any published one."""

_LABELS = ("MEL", "NV", "BCC", "AK", "BKL", "DF", "VASC", "SCC", "UNK")
_ORDER = ("NV", "MEL", "BKL", "BCC", "NV", "AK", "VASC", "DF", "SCC", "MEL", "NV", "BKL")
"""Diagnoses in turn: every one is there from nine lesions on, and the common ones are the most."""

_DX = {"AK": "akiec", "SCC": "akiec"}
"""HAM10000 has one class for both; every other class is the code in small letters."""

_CONFIRMED = {
    "NV": ("follow_up", "histo", "consensus"),
    "BKL": ("histo", "consensus", "confocal"),
    "DF": ("histo", "consensus"),
    "VASC": ("histo", "consensus"),
}
"""How a diagnosis may have been confirmed; histology for those that are not listed, as published."""

_SITES = ("back", "lower extremity", "trunk", "upper extremity", "abdomen", "face", "chest", "neck", "scalp", "unknown")


@dataclass(frozen=True)
class _Row:
    """One photo of the set: the columns of the published table, and how to draw it."""

    image_id: str
    lesion_id: str
    diagnosis: str
    dx_type: str
    age: str
    sex: str
    localization: str
    seed: int
    photo: int


def write_folder(out: Path, *, count: int, seed: int = 0, size: tuple[int, int] = SIZE) -> Path:
    """Draw `count` photos of about count / 1.3 lesions into `out` as HAM10000 was published; returns `out`.

    Beside the images: the metadata table, the ISIC 2019 labels (which tell AK from SCC) and the lesion masks. The
    same arguments give the same files. Raises FileExistsError when `out` holds anything, so that drawings never
    mix with photographs, and ValueError when count is below 1.
    """
    if count < 1:
        raise ValueError(f"a data set needs at least one image, not {count}")
    out = Path(out)
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise FileExistsError(f"{out}: is not an empty folder; name a new one for the drawn data set")
    for name in (IMAGES, MASKS):
        (out / name).mkdir(parents=True)
    rows = list(_rows(count, seed))
    for row in rows:
        drawn = draw_lesion(row.seed, diagnosis=row.diagnosis, size=size, photo=row.photo)
        Image.fromarray(drawn.image).save(out / IMAGES / f"{row.image_id}.jpg", quality=92)
        mask = Image.fromarray(drawn.mask.astype(np.uint8) * 255)
        mask.save(out / MASKS / f"{row.image_id}_segmentation.png")
    _write_metadata(out / METADATA, rows)
    _write_labels(out / ISIC_2019_LABELS, rows)
    note = "Drawn by Epiluma, not photographed: every lesion, patient and diagnosis here is invented. CC0-1.0.\n"
    (out / NOTE).write_text(note, encoding="utf-8")
    return out


def _rows(count: int, seed: int) -> Iterator[_Row]:
    """`count` photos, lesion by lesion; three lesions in ten have a second photo."""
    random = np.random.default_rng(seed)
    made = lesion = 0
    while made < count:
        diagnosis = _ORDER[lesion % len(_ORDER)]
        photos = 2 if lesion % 10 in {2, 5, 8} else 1
        malignant = diagnosis in {"MEL", "BCC", "AK", "SCC"}
        age = 5 * int(np.clip(random.normal(13 if malignant else 10, 2.5), 1, 17))
        dx_type = str(random.choice(_CONFIRMED.get(diagnosis, ("histo",))))
        sex, site = str(random.choice(("male", "female"))), str(random.choice(_SITES))
        for photo in range(min(photos, count - made)):
            yield _Row(
                image_id=f"ISIC_{FIRST_ID + made}",
                lesion_id=f"HAM_{FIRST_ID + lesion}",
                diagnosis=diagnosis,
                dx_type=dx_type,
                age=f"{age}.0",
                sex=sex,
                localization=site,
                # Sets of different seeds share no lesion, however large they are.
                seed=seed * 1_000_003 + lesion,
                photo=photo,
            )
            made += 1
        lesion += 1


def _write_metadata(path: Path, rows: Iterable[_Row]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["lesion_id", "image_id", "dx", "dx_type", "age", "sex", "localization"])
        for row in rows:
            dx = _DX.get(row.diagnosis, row.diagnosis.lower())
            writer.writerow([row.lesion_id, row.image_id, dx, row.dx_type, row.age, row.sex, row.localization])


def _write_labels(path: Path, rows: Iterable[_Row]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["image", *_LABELS])
        for row in rows:
            writer.writerow([row.image_id, *("1.0" if label == row.diagnosis else "0.0" for label in _LABELS)])
