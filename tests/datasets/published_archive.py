"""A drawn part of the ISIC Archive, in the form in which it is fetched."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path

from PIL import Image

from epiluma.imaging.synthetic import draw_lesion

_PATHS = {
    "MEL": ("Malignant", "Malignant melanocytic proliferations (Melanoma)", "Melanoma Invasive"),
    "NV": ("Benign", "Benign melanocytic proliferations", "Nevus"),
    "BCC": ("Malignant", "Malignant adnexal epithelial proliferations - Follicular", "Basal cell carcinoma"),
    "AK": ("Indeterminate", "Indeterminate epidermal proliferations", "Solar or actinic keratosis"),
    "BKL": ("Benign", "Benign epidermal proliferations", "Seborrheic keratosis"),
    "SCC": ("Malignant", "Malignant epidermal proliferations", "Squamous cell carcinoma, Invasive"),
}
_COLUMNS = (
    *("isic_id", "attribution", "copyright_license", "age_approx", "anatom_site_general", "diagnosis_1"),
    *("diagnosis_2", "diagnosis_3", "diagnosis_confirm_type", "image_type", "lesion_id", "patient_id", "sex"),
)


def write_archive(folder: Path, count: int) -> Path:
    """`count` images, two of each lesion, under the strictest of the archive's licences."""
    (folder / "images").mkdir(parents=True)
    rows = []
    for i in range(count):
        lesion = i // 2
        code = list(_PATHS)[lesion % len(_PATHS)]
        drawn = draw_lesion(lesion, diagnosis=code, size=(64, 48), photo=i % 2)
        Image.fromarray(drawn.image).save(folder / "images" / f"ISIC_{i:07d}.jpg", quality=90)
        facts = ("Hospital", "CC-BY-NC", 35 + lesion % 10 * 5, "anterior torso", *_PATHS[code], "histopathology")
        rows.append((f"ISIC_{i:07d}", *facts, "dermoscopic", f"IL_{lesion:07d}", f"IP_{lesion // 2:07d}", "female"))
    with (folder / "metadata.csv").open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([_COLUMNS, *rows])
    return folder


WRITERS: dict[str, Callable[[Path, int], Path]] = {"isic-archive": write_archive}
