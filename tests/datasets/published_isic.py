"""Small copies of the ISIC sets in the exact layout of their publishers; the pictures are drawn."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import numpy as np
from PIL import Image

ISIC_2019 = ("MEL", "NV", "BCC", "AK", "BKL", "DF", "VASC", "SCC", "UNK")
ISIC_2018 = ("MEL", "NV", "BCC", "AKIEC", "BKL", "DF", "VASC")
SIDES = (48, 36)


def write_csv(path: Path, rows: Iterable[Sequence[object]], header: Sequence[str] | None = None) -> None:
    """A table; without a header where the publisher gives none."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerows([header, *rows] if header else rows)


def draw(path: Path, seed: int) -> None:
    """A brown disc on skin, different for every seed."""
    random = np.random.default_rng(seed)
    width, height = SIDES
    inside = _disc(seed)[..., None]
    photo = np.where(inside, random.uniform(60, 120, 3), random.uniform(170, 230, 3)) + random.normal(
        0, 6, (height, width, 3)
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(photo.clip(0, 255).astype(np.uint8)).save(path, quality=90)


def draw_mask(path: Path, seed: int) -> None:
    """The mask of the same disc."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(_disc(seed).astype(np.uint8) * 255).save(path)


def _disc(seed: int) -> np.ndarray:
    random = np.random.default_rng([seed, 1])
    width, height = SIDES
    y, x = np.mgrid[:height, :width]
    return np.hypot(x - width / 2 - random.normal(0, 2), y - height / 2) < random.uniform(8, 14)


def name(i: int) -> str:
    """Image id of the i-th photo."""
    return f"ISIC_{9_100_000 + i:07d}"


def one_hot(code: str, codes: Sequence[str]) -> list[str]:
    """0.0 and 1.0 as in the ground truths."""
    assert code in codes
    return ["1.0" if code == other else "0.0" for other in codes]


def shares(count: int, *parts: str) -> list[str]:
    """A part for each of `count` images: half to the first, the rest in turn to the others."""
    return [parts[0] if i < count / 2 or len(parts) == 1 else parts[1 + i % (len(parts) - 1)] for i in range(count)]


def write_isic2016(root: Path, count: int) -> Path:
    parts = shares(count, "Training", "Test")
    for i, part in enumerate(parts):
        draw(root / f"ISBI2016_ISIC_Part3_{part}_Data" / f"{name(i)}.jpg", i)
        draw_mask(root / f"ISBI2016_ISIC_Part1_{part}_GroundTruth" / f"{name(i)}_Segmentation.png", i)
    words = {"Training": ("benign", "malignant"), "Test": ("0.0", "1.0")}
    for part, labels in words.items():
        rows = [(name(i), labels[i % 4 == 0]) for i in range(count) if parts[i] == part]
        write_csv(root / f"ISBI2016_ISIC_Part3_{part}_GroundTruth.csv", rows)
    return root


def write_isic2017(root: Path, count: int) -> Path:
    parts = shares(count, "Training", "Validation", "Test_v2")
    for i, part in enumerate(parts):
        draw(root / f"ISIC-2017_{part}_Data" / f"{name(i)}.jpg", i)
        draw_mask(root / f"ISIC-2017_{part}_Data" / f"{name(i)}_superpixels.png", i)
        draw_mask(root / f"ISIC-2017_{part}_Part1_GroundTruth" / f"{name(i)}_segmentation.png", i)
    for part in ("Training", "Validation", "Test_v2"):
        chosen = [i for i in range(count) if parts[i] == part]
        truth = [(name(i), float(i % 3 == 1), float(i % 3 == 2)) for i in chosen]
        header = ("image_id", "melanoma", "seborrheic_keratosis")
        write_csv(root / f"ISIC-2017_{part}_Part3_GroundTruth.csv", truth, header)
        people = [
            (name(i), "unknown" if i % 9 == 0 else 5 * (i % 17), ("male", "female", "unknown")[i % 3]) for i in chosen
        ]
        path = root / f"ISIC-2017_{part}_Data" / f"ISIC-2017_{part}_Data_metadata.csv"
        write_csv(path, people, ("image_id", "age_approximate", "sex"))
    return root


def write_isic2018_masks(root: Path, count: int) -> Path:
    for i, part in enumerate(shares(count, "Training", "Validation", "Test")):
        draw(root / f"ISIC2018_Task1-2_{part}_Input" / f"{name(i)}.jpg", i)
        draw_mask(root / f"ISIC2018_Task1_{part}_GroundTruth" / f"{name(i)}_segmentation.png", i)
        version = "_v3" if part == "Training" else ""
        for attribute in ("globules", "milia_like_cyst", "negative_network", "pigment_network", "streaks"):
            path = root / f"ISIC2018_Task2_{part}_GroundTruth{version}" / f"{name(i)}_attribute_{attribute}.png"
            draw_mask(path, i)
    for part in ("Training", "Validation", "Test"):
        (root / f"ISIC2018_Task1-2_{part}_Input" / "ATTRIBUTION.txt").write_text("drawn\n")
    return root


def write_isic2018_diagnoses(root: Path, count: int) -> Path:
    parts = shares(count, "Training", "Validation", "Test")
    for i, part in enumerate(parts):
        draw(root / f"ISIC2018_Task3_{part}_Input" / f"{name(i)}.jpg", i)
    for part in ("Training", "Validation", "Test"):
        stem = f"ISIC2018_Task3_{part}_GroundTruth"
        rows = [(name(i), *one_hot(ISIC_2018[i % 7], ISIC_2018)) for i in range(count) if parts[i] == part]
        write_csv(root / stem / f"{stem}.csv", rows, ("image", *ISIC_2018))
    confirmed = (
        "histopathology", "serial imaging showing no change", "single image expert consensus",
        "confocal microscopy with consensus dermoscopy",
    )  # fmt: skip
    rows = [
        (name(i), f"HAM_{i - i % 14 + i % 7:07d}", confirmed[i % 4]) for i in range(count) if parts[i] == "Training"
    ]
    header = ("image", "lesion_id", "diagnosis_confirm_type")
    write_csv(root / "ISIC2018_Task3_Training_LesionGroupings.csv", rows, header)
    akiec = [i for i in range(count) if i % 7 == 3 and parts[i] == "Training"]
    truth = [(name(i), *one_hot(("AK", "SCC")[i % 2], ISIC_2019)) for i in akiec]
    write_csv(root / "ISIC_2019_Training_GroundTruth.csv", truth, ("image", *ISIC_2019))
    return root


def write_isic2019(root: Path, count: int) -> Path:
    """Also three test images that are `UNK`, out of scope and not among the `count`."""
    parts = [*shares(count, "Training", "Test"), *["Test"] * 3]
    codes = [*(ISIC_2019[i % 8] for i in range(count)), *["UNK"] * 3]
    ids = [name(i) + ("_downsampled" if i % 10 == 9 and i < count else "") for i in range(count + 3)]
    for i, part in enumerate(parts):
        draw(root / f"ISIC_2019_{part}_Input" / f"{ids[i]}.jpg", i)
    sites = ("anterior torso", "head/neck", "")
    for part in ("Training", "Test"):
        chosen = [i for i in range(count + 3) if parts[i] == part]
        truth = [(ids[i], *one_hot(codes[i], ISIC_2019)) for i in chosen]
        write_csv(root / f"ISIC_2019_{part}_GroundTruth.csv", truth, ("image", *ISIC_2019))
        lesions = [
            [f"BCN_{i // 16 * 8 + i % 8:07d}" if i % 10 != 9 else ""] if part == "Training" else [] for i in chosen
        ]
        rows = [
            (ids[i], 5 * (i % 17) if i % 5 else "", sites[i % 3], *lesion, ("male", "female", "")[i % 3])
            for i, lesion in zip(chosen, lesions, strict=True)
        ]
        header = ("image", "age_approx", "anatom_site_general", *(["lesion_id"] if part == "Training" else []), "sex")
        write_csv(root / f"ISIC_2019_{part}_Metadata.csv", rows, header)
    return root


def write_isic2020(root: Path, count: int, *, version: int = 2) -> Path:
    diagnoses = ("unknown", "nevus", "melanoma", "seborrheic keratosis", "lentigo NOS", "lichenoid keratosis",
                 "solar lentigo", "cafe-au-lait macule", "atypical melanocytic proliferation")  # fmt: skip
    rows = []
    for i in range(count):
        draw(root / "train" / f"{name(i)}.jpg", i)
        diagnosis = diagnoses[i % 9]
        lesion = [f"IL_{i - i % 18 + i % 9:07d}"] if version == 2 else []
        word = "malignant" if diagnosis == "melanoma" else "benign"
        rows.append(
            (name(i), f"IP_{i // 4:07d}", *lesion, "male", "45.0", "torso", diagnosis, word, int(word != "benign"))
        )
    header = ("image_name", "patient_id", *(["lesion_id"] if version == 2 else []), "sex", "age_approx",
              "anatom_site_general_challenge", "diagnosis", "benign_malignant", "target")  # fmt: skip
    write_csv(root / f"ISIC_2020_Training_GroundTruth{'_v2' if version == 2 else ''}.csv", rows, header)
    pairs = [(name(0), name(9))]
    write_csv(root / "ISIC_2020_Training_Duplicates.csv", pairs, ("image_name_1", "image_name_2"))
    return root


SLICE_3D = (
    # iddx_2, iddx_3 and iddx_4 below iddx_1
    ("Benign", "", "", ""),
    ("Benign", "Benign melanocytic proliferations", "Nevus", "Nevus, Atypical, Dysplastic, or Clark"),
    ("Malignant", "Malignant melanocytic proliferations (Melanoma)", "Melanoma in situ", ""),
    ("Malignant", "Malignant adnexal epithelial proliferations - Follicular", "Basal cell carcinoma", ""),
    ("Malignant", "Malignant epidermal proliferations", "Squamous cell carcinoma, Invasive", ""),
    ("Indeterminate", "Indeterminate epidermal proliferations", "Solar or actinic keratosis", ""),
    ("Indeterminate", "Indeterminate melanocytic proliferations", "Atypical melanocytic neoplasm", ""),
    ("Benign", "Benign epidermal proliferations", "Seborrheic keratosis", "Seborrheic keratosis, Clonal"),
    ("Benign", "Benign soft tissue proliferations - Fibro-histiocytic", "Dermatofibroma", ""),
    ("Benign", "Benign soft tissue proliferations - Vascular", "Hemangioma", "Hemangioma, Cherry"),
    ("Benign", "Benign soft tissue proliferations - Fibro-histiocytic", "Scar", ""),
    ("Benign", "Cysts", "", ""),
)


def write_isic2024(root: Path, count: int) -> Path:
    licences = ("CC-BY-NC", "CC-BY", "CC-0")
    header = (
        "isic_id", "target", "patient_id", "age_approx", "sex", "anatom_site_general", "clin_size_long_diam_mm",
        "image_type", "tbp_tile_type", "tbp_lv_A", "attribution", "copyright_license", "lesion_id", "iddx_full",
        "iddx_1", "iddx_2", "iddx_3", "iddx_4", "iddx_5", "mel_mitotic_index", "mel_thick_mm",
        "tbp_lv_dnn_lesion_confidence",
    )  # fmt: skip
    rows = []
    for i in range(count):
        draw(root / "train-image" / "image" / f"{name(i)}.jpg", i)
        levels = SLICE_3D[i % len(SLICE_3D)]
        full = "::".join(level for level in levels if level)
        lesion = f"IL_{i:07d}" if levels[1] else ""
        rows.append((
            name(i), int(levels[0] == "Malignant"), f"IP_{i // 8:07d}", "60.0" if i % 7 else "", "male",
            "posterior torso", "3.04", "TBP tile: close-up", "3D: white", "20.24",
            "Memorial Sloan Kettering Cancer Center", licences[i % 3], lesion, full, *levels, "", "", "", "97.5",
        ))  # fmt: skip
    write_csv(root / "train-metadata.csv", rows, header)
    return root


BCN = (
    ("Benign", "Benign melanocytic proliferations", "Nevus"),
    ("Malignant", "Malignant melanocytic proliferations (Melanoma)", "Melanoma, NOS"),
    ("Malignant", "Malignant melanocytic proliferations (Melanoma)", "Melanoma metastasis"),
    ("Malignant", "Malignant adnexal epithelial proliferations - Follicular", "Basal cell carcinoma"),
    ("Benign", "Benign epidermal proliferations", "Seborrheic keratosis"),
    ("Benign", "Benign epidermal proliferations", "Solar lentigo"),
    ("Indeterminate", "Indeterminate epidermal proliferations", "Solar or actinic keratosis"),
    ("Malignant", "Malignant epidermal proliferations", "Squamous cell carcinoma, NOS"),
    ("Benign", "Benign soft tissue proliferations - Fibro-histiocytic", "Scar"),
    ("Benign", "Benign soft tissue proliferations - Vascular", ""),
)


def write_bcn20000(root: Path, count: int) -> Path:
    """The Archive's form; also two images whose diagnosis is kept back, not among the `count`."""
    rows = []
    for i in range(count + 2):
        draw(root / f"{name(i)}.jpg", i)
        levels = BCN[i % len(BCN)] if i < count else ("", "", "")
        rows.append((
            name(i), "Department of Dermatology, Hospital Clínic de Barcelona", "CC-BY-NC", "55", "anterior torso", "",
            *levels, "histopathology" if i % 2 else "", "dermoscopic", f"IL_{i - i % 20 + i % 10:07d}", "female",
        ))  # fmt: skip
    header = (
        "isic_id", "attribution", "copyright_license", "age_approx", "anatom_site_general", "anatom_site_special",
        "diagnosis_1", "diagnosis_2", "diagnosis_3", "diagnosis_confirm_type", "image_type", "lesion_id", "sex",
    )  # fmt: skip
    write_csv(root / "metadata.csv", rows, header)
    return root


WRITERS: dict[str, Callable[[Path, int], Path]] = {
    "bcn20000": write_bcn20000,
    "isic2016": write_isic2016,
    "isic2017": write_isic2017,
    "isic2018-task1-2": write_isic2018_masks,
    "isic2018-task3": write_isic2018_diagnoses,
    "isic2019": write_isic2019,
    "isic2020": write_isic2020,
    "isic2024": write_isic2024,
}
