"""Small drawn copies of published sets, file by file as their publishers lay them out."""

from __future__ import annotations

import csv
import hashlib
from collections.abc import Callable, Iterable
from functools import cache
from pathlib import Path

import numpy as np
from PIL import Image

from epiluma.imaging.synthetic import draw_lesion

ORDER = ("NV", "MEL", "BKL", "BCC", "NV", "AK", "DF", "SCC", "VASC", "NV")
"""Diagnoses in turn."""
PAD_COLUMNS = [
    "patient_id",
    "lesion_id",
    "smoke",
    "drink",
    "background_father",
    "background_mother",
    "age",
    "pesticide",
    "gender",
    "skin_cancer_history",
    "cancer_history",
    "has_piped_water",
    "has_sewage_system",
    "fitspatrick",
    "region",
    "diameter_1",
    "diameter_2",
    "diagnostic",
    "itch",
    "grew",
    "hurt",
    "changed",
    "bleed",
    "elevation",
    "img_id",
    "biopsed",
]
PH2_HEADER = (
    "||   Name || Histological Diagnosis || Clinical Diagnosis || Asymmetry | Pigment Network | Dots/Globules |"
    " Streaks | Regression Areas | Blue-Whitish Veil ||           Colors ||"
)
PH2_LEGEND = """

Legends:

Clinical Diagnosis:
    0 - Common Nevus;
    1 - Atypical Nevus;
    2 - Melanoma.

Colors:
    1 - White;  2 - Red;  3 - Light-Brown;  4 - Dark-Brown;  5 - Blue-Gray;  6 - Black
"""
FITZPATRICK_COLUMNS = [
    "md5hash",
    "fitzpatrick_scale",
    "fitzpatrick_centaur",
    "label",
    "nine_partition_label",
    "three_partition_label",
    "qc",
    "url",
    "url_alphanum",
]


def table(path: Path, columns: Iterable[str], rows: Iterable[Iterable[object]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows([tuple(columns), *rows])


@cache
def drawn(seed: int, diagnosis: str, *, size: tuple[int, int] = (64, 48)) -> tuple[Image.Image, Image.Image]:
    """A photo and its mask, 0 and 255; the sets share what they can, since drawing takes most of the time."""
    lesion = draw_lesion(seed, diagnosis=diagnosis, size=size)
    return Image.fromarray(lesion.image), Image.fromarray(lesion.mask.astype(np.uint8) * 255)


def save(image: Image.Image, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    image.save(path)


def write_padufes20(root: Path, count: int) -> Path:
    """PNG in three parts and no masks; every third lesion has a second photo."""
    label = {"NV": "NEV", "MEL": "MEL", "BKL": "SEK", "BCC": "BCC", "AK": "ACK", "SCC": "SCC"}
    rows = []
    for i in range(count):
        lesion = i - 1 if i % 3 == 2 else i
        code = [code for code in ORDER if code in label][lesion % 8 % 7]
        biopsed = code in {"MEL", "BCC", "SCC"}
        image_id = f"PAT_{lesion}_{lesion * 7}_{100 + i}.png"
        facts = {
            "patient_id": f"PAT_{lesion}", "lesion_id": lesion * 7, "age": 8 + lesion, "gender": "FEMALE",
            "fitspatrick": f"{1 + lesion % 6}.0", "region": "FOREARM", "diagnostic": label[code], "itch": "UNK",
            "img_id": image_id, "biopsed": biopsed, "background_father": "POMERANIA",
        }  # fmt: skip
        rows.append([facts.get(column, "") for column in PAD_COLUMNS])
        save(drawn(lesion, code)[0], root / "images" / f"imgs_part_{1 + i % 3}" / image_id)
    table(root / "metadata.csv", PAD_COLUMNS, rows)
    return root


def write_ph2(root: Path, count: int) -> Path:
    lines = [PH2_HEADER]
    for i in range(count):
        name, number = f"IMD{i + 2:03}", i % 3
        histology = ("", "", "Melanoma")[number]
        lines.append(
            f"|| {name} || {histology:>22} || {number:>18} || {0:>9} | {'T':>15} | {'A':>13} | {'A':>7} | {'A':>16} |"
            f" {'A':>17} || {'4':>16} ||"
        )
        image, mask = drawn(i, ("NV", "NV", "MEL")[number])
        folder = root / "PH2 Dataset images" / name
        save(image, folder / f"{name}_Dermoscopic_Image" / f"{name}.bmp")
        save(mask.convert("1"), folder / f"{name}_lesion" / f"{name}_lesion.bmp")
    (root / "PH2_dataset.txt").write_text("\r\n".join(lines) + PH2_LEGEND, encoding="utf-8")
    return root


def write_fitzpatrick17k(root: Path, count: int) -> Path:
    label = {
        "NV": "nevocytic nevus", "MEL": "malignant melanoma", "BKL": "seborrheic keratosis", "DF": "dermatofibroma",
        "BCC": "basal cell carcinoma", "AK": "actinic keratosis", "SCC": "squamous cell carcinoma",
        "VASC": "pyogenic granuloma",
    }  # fmt: skip
    rows = []
    for i in range(count):
        code = ORDER[i % len(ORDER)]
        name = hashlib.md5(str(i).encode(), usedforsecurity=False).hexdigest()
        url = f"https://www.example.org/site/images/{i}.jpg"
        scale = (-1, 1, 2, 3, 4, 5, 6)[i % 7]
        rows.append([name, scale, scale, label[code], "benign melanocyte", "benign", "", url, f"{i}jpg.jpg"])
        save(drawn(i, code)[0], root / "data" / "finalfitz17k" / f"{name}.jpg")
    table(root / "fitzpatrick17k.csv", FITZPATRICK_COLUMNS, rows)
    return root


def write_ddi(root: Path, count: int) -> Path:
    """The first column is the row's number, without a name."""
    disease = {
        "NV": "melanocytic-nevi", "MEL": "melanoma-in-situ", "BKL": "seborrheic-keratosis", "DF": "dermatofibroma",
        "BCC": "basal-cell-carcinoma", "AK": "actinic-keratosis", "SCC": "squamous-cell-carcinoma", "VASC": "angioma",
    }  # fmt: skip
    rows = []
    for i in range(count):
        code = ORDER[i % len(ORDER)]
        file = f"{i + 1:06}.png"
        rows.append([i, i + 1, file, (12, 34, 56)[i % 3], code in {"MEL", "BCC", "SCC"}, disease[code]])
        save(drawn(i, code)[0], root / file)
    table(root / "ddi_metadata.csv", ["", "DDI_ID", "DDI_file", "skin_tone", "malignant", "disease"], rows)
    return root


def write_dermamnist(root: Path, count: int, *, side: int = 64) -> Path:
    """Seven tenths to train, one to val, two to test."""
    codes = ("AK", "BCC", "BKL", "DF", "MEL", "NV", "VASC")
    images = np.stack([np.asarray(drawn(i, codes[i % 7], size=(side, side))[0]) for i in range(count)])
    labels = np.array([[i % 7] for i in range(count)], np.uint8)
    first, second = 7 * count // 10, 8 * count // 10
    arrays = {}
    for part, piece in {"train": slice(first), "val": slice(first, second), "test": slice(second, None)}.items():
        arrays |= {f"{part}_images": images[piece], f"{part}_labels": labels[piece]}
    root.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(root / ("dermamnist.npz" if side == 28 else f"dermamnist_{side}.npz"), **arrays)
    return root


def write_folders(root: Path, count: int) -> Path:
    """Parts, and in them folders under names, codes and synonyms."""
    name = {"NV": "nevus", "MEL": "Melanoma", "BCC": "basal_cell_carcinoma", "BKL": "seborrheic keratosis"}
    for i in range(count):
        code = ORDER[i % len(ORDER)]
        part = ("train", "train", "val", "test")[i % 4]
        save(drawn(i, code)[0], root / part / name.get(code, code.lower()) / f"{i}.jpg")
    terms = 'modality = "dermoscopy"\nlicence = "CC0-1.0"\nattribution = "drawn"\n'
    (root / "labels.toml").write_text(terms, encoding="utf-8")
    return root


def write_csv(root: Path, count: int) -> Path:
    """Every third lesion has a second photo."""
    rows = []
    for i in range(count):
        lesion = i - 1 if i % 3 == 2 else i
        code = ORDER[lesion % len(ORDER)]
        image, mask = drawn(lesion, code)
        save(image, root / "photos" / f"{i}.jpg")
        save(mask, root / "masks" / f"{i}.png")
        rows.append([f"photos/{i}.jpg", code, f"L{lesion}", f"masks/{i}.png", 40 + lesion, "m", "arm", 2, "histo"])
    columns = ["image", "diagnosis", "lesion", "mask", "age", "sex", "site", "skin_type", "confirmation"]
    table(root / "dataset.csv", columns, rows)
    (root / "dataset.toml").write_text('modality = "dermoscopy"\nlicence = "CC0-1.0"\n', encoding="utf-8")
    return root


WRITERS: dict[str, Callable[[Path, int], Path]] = {
    "csv": write_csv,
    "ddi": write_ddi,
    "dermamnist": write_dermamnist,
    "fitzpatrick17k": write_fitzpatrick17k,
    "folder": write_folders,
    "padufes20": write_padufes20,
    "ph2": write_ph2,
}
