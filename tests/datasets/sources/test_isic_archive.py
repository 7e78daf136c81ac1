"""A fetched part of the ISIC Archive: every fact of its table, and the archive's words for a diagnosis."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from epiluma.datasets.record import DataError, Reading
from epiluma.datasets.sources import isic_archive
from tests.datasets.published_archive import write_archive

NEVUS = {
    "isic_id": "ISIC_0000001",
    "attribution": "Memorial Sloan Kettering",
    "copyright_license": "CC-0",
    "diagnosis_1": "Benign",
    "diagnosis_2": "Benign melanocytic proliferations",
    "diagnosis_3": "Nevus",
    "image_type": "dermoscopic",
}
FACTS = {
    "age_approx": "85",
    "sex": "female",
    "anatom_site_general": "head/neck",
    "fitzpatrick_skin_type": "IV",
    "patient_id": "IP_0000003",
    "lesion_id": "IL_0000004",
    "diagnosis_confirm_type": "serial imaging showing no change",
}


def read(root: Path, *rows: dict[str, str], folder: str = "images") -> Reading:
    """Write a table with a row per dict, an empty file per image, and read it."""
    (root / folder).mkdir(exist_ok=True, parents=True)
    columns = list(dict.fromkeys(name for row in rows for name in row))
    with (root / "metadata.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, columns, restval="")
        writer.writeheader()
        writer.writerows(rows)
    for row in rows:
        (root / folder / f"{row['isic_id']}.jpg").touch()
    return isic_archive.read(root)


def paths(*levels: str) -> dict[str, str]:
    """A row with these levels of diagnosis."""
    row = {name: value for name, value in NEVUS.items() if not name.startswith("diagnosis")}
    return row | {f"diagnosis_{i}": level for i, level in enumerate(levels, start=1)}


def test_every_fact_of_the_table_is_in_the_sample(tmp_path: Path) -> None:
    (sample,) = read(tmp_path, NEVUS | FACTS).samples
    assert sample.image_id == "ISIC_0000001"
    assert sample.path == tmp_path / "images" / "ISIC_0000001.jpg"
    assert (sample.diagnosis, sample.malignant) == ("NV", None)
    assert sample.label == "Benign::Benign melanocytic proliferations::Nevus"
    assert (sample.lesion, sample.patient) == ("IL_0000004", "IP_0000003")
    assert (sample.source, sample.modality) == ("isic-archive", "dermoscopy")
    assert (sample.licence, sample.attribution) == ("CC0 1.0", "Memorial Sloan Kettering")
    assert (sample.confirmation, sample.age, sample.sex) == ("follow_up", 85, "female")
    assert (sample.site, sample.skin_type, sample.part, sample.mask) == ("head/neck", 4, "", None)


def test_what_the_archive_does_not_know_stays_empty(tmp_path: Path) -> None:
    (sample,) = read(tmp_path, NEVUS).samples
    assert (sample.lesion, sample.patient, sample.confirmation, sample.sex, sample.site) == ("", "", "", "", "")
    assert (sample.age, sample.skin_type) == (None, None)


def test_images_may_lie_beside_the_table_as_the_archives_own_tool_puts_them(tmp_path: Path) -> None:
    assert read(tmp_path, NEVUS, folder=".").samples[0].path == tmp_path / "ISIC_0000001.jpg"


@pytest.mark.parametrize(
    ("licence", "expected"), [("CC-0", "CC0 1.0"), ("CC-BY", "CC BY 4.0"), ("CC-BY-NC", "CC BY-NC 4.0")]
)
def test_each_image_has_its_own_licence(tmp_path: Path, licence: str, expected: str) -> None:
    other = NEVUS | {"isic_id": "ISIC_0000002", "copyright_license": "CC-BY-NC"}
    first, second = read(tmp_path, NEVUS | {"copyright_license": licence}, other).samples
    assert (first.licence, second.licence) == (expected, "CC BY-NC 4.0")


FAMILY = {
    "melanoma": ("Malignant", "Malignant melanocytic proliferations (Melanoma)"),
    "melanocytic": ("Benign", "Benign melanocytic proliferations"),
    "epidermal": ("Benign", "Benign epidermal proliferations"),
    "cancer": ("Malignant", "Malignant epidermal proliferations"),
    "follicular": ("Malignant", "Malignant adnexal epithelial proliferations - Follicular"),
    "actinic": ("Indeterminate", "Indeterminate epidermal proliferations"),
    "fibrous": ("Benign", "Benign soft tissue proliferations - Fibro-histiocytic"),
    "vascular": ("Benign", "Benign soft tissue proliferations - Vascular"),
}


@pytest.mark.parametrize(
    ("family", "name", "subtype", "leaf"),
    [
        ("melanoma", "Melanoma Invasive", "Melanoma Invasive, Superficial spreading", "MEL"),
        ("melanoma", "Melanoma in situ", "Melanoma in situ, Lentigo maligna type", "MEL"),
        ("melanoma", "Melanoma, NOS", "", "MEL"),
        ("melanoma", "Melanoma metastasis", "", "MEL"),
        ("melanoma", "", "", "MEL"),
        ("melanocytic", "Nevus", "Nevus, Atypical, Dysplastic, or Clark", "NV"),
        ("follicular", "Basal cell carcinoma", "Basal cell carcinoma, Nodular", "BCC"),
        ("cancer", "Squamous cell carcinoma, Invasive", "", "SCC"),
        ("cancer", "Squamous cell carcinoma in situ", "Squamous cell carcinoma in situ, Bowens disease", "SCC"),
        ("cancer", "Squamous cell carcinoma, NOS", "", "SCC"),
        ("actinic", "Solar or actinic keratosis", "Actinic keratosis, Bowenoid", "AK"),
        ("epidermal", "Seborrheic keratosis", "Seborrheic keratosis, Clonal", "BKL"),
        ("epidermal", "Solar lentigo", "", "BKL"),
        ("epidermal", "Lichen planus like keratosis", "", "BKL"),
        ("epidermal", "Pigmented benign keratosis", "", "BKL"),
        ("fibrous", "Dermatofibroma", "Dermatofibroma, Cellular", "DF"),
        ("vascular", "Hemangioma", "Hemangioma, Cherry", "VASC"),
        ("vascular", "Angiokeratoma", "", "VASC"),
        ("vascular", "Venous lake", "", "VASC"),
    ],
)
def test_the_most_exact_known_level_decides(tmp_path: Path, family: str, name: str, subtype: str, leaf: str) -> None:
    (sample,) = read(tmp_path, paths(*FAMILY[family], name, subtype)).samples
    assert (sample.diagnosis, sample.malignant) == (leaf, None)
    levels = [level for level in (*FAMILY[family], name, subtype) if level]
    assert sample.label == "::".join(levels)


@pytest.mark.parametrize(
    ("levels", "malignant"),
    [
        (("Benign",), False),
        (("Malignant",), True),
        (("Indeterminate",), None),
        (FAMILY["melanocytic"], False),
        ((*FAMILY["melanocytic"], "Lentigo simplex"), False),
        ((*FAMILY["cancer"], "Keratoacanthoma"), True),
        ((*FAMILY["vascular"], "Glomus tumor"), False),
        (("Benign", "Cysts", "Steatocystoma"), False),
        (("Malignant", "Merkel cell proliferation", "Merkel cell carcinoma"), True),
        (("Malignant", "Lymphocytic proliferations - T-Cell/NK", "Mycosis fungoides", "Mycosis fungoides, X"), True),
        (("Benign", "Benign soft tissue proliferations - Neural", "Neurofibroma"), False),
        (("Indeterminate", "Indeterminate melanocytic proliferations", "Atypical Spitz tumor"), None),
    ],
)
def test_without_a_leaf_only_the_behaviour_is_kept(
    tmp_path: Path, levels: tuple[str, ...], malignant: bool | None
) -> None:
    (sample,) = read(tmp_path, paths(*levels)).samples
    assert (sample.diagnosis, sample.malignant) == ("", malignant)


@pytest.mark.parametrize(
    ("older", "leaf", "malignant"),
    [("nevus", "NV", None), ("melanoma", "MEL", None), ("lentigo NOS", "", False), ("solar lentigo", "BKL", None)],
)
def test_the_older_words_are_read(tmp_path: Path, older: str, leaf: str, malignant: bool | None) -> None:
    (sample,) = read(tmp_path, paths() | {"diagnosis": older, "benign_malignant": "benign"}).samples
    assert (sample.diagnosis, sample.malignant, sample.label) == (leaf, malignant, older)
    (both,) = read(tmp_path, paths("Benign") | {"diagnosis": older}).samples
    assert both.diagnosis == leaf, "a first level alone is less than an older word"


@pytest.mark.parametrize(
    ("image_type", "modality"),
    [
        ("dermoscopic", "dermoscopy"),
        ("clinical: close-up", "clinical"),
        ("clinical: overview", "clinical"),
        ("TBP tile: close-up", "clinical"),
        ("TBP tile: overview", "clinical"),
    ],
)
def test_the_type_of_image_gives_the_modality(tmp_path: Path, image_type: str, modality: str) -> None:
    assert read(tmp_path, NEVUS | {"image_type": image_type}).samples[0].modality == modality


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"image_type": "RCM: tile"}, "'RCM: tile' is none"),
        ({"image_type": ""}, "does not say how it was taken"),
        ({"image_manipulation": "synthetic"}, "it is synthetic"),
        ({"diagnosis_1": "", "diagnosis_2": "", "diagnosis_3": ""}, "gives no diagnosis"),
    ],
)
def test_what_cannot_be_used_is_counted(tmp_path: Path, change: dict[str, str], reason: str) -> None:
    reading = read(tmp_path, NEVUS | change, NEVUS | {"isic_id": "ISIC_0000002"})
    assert [sample.image_id for sample in reading.samples] == ["ISIC_0000002"]
    assert [(row.image_id, row.kind) for row in reading.omitted] == [("ISIC_0000001", "out of scope")]
    assert reason in reading.omitted[0].reason


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"diagnosis_3": "Nevuss"}, "unknown label 'Nevuss'; nearest: nevus"),
        ({"diagnosis_2": "Cystes", "diagnosis_3": ""}, "unknown label 'Cystes'; nearest: cysts"),
        ({"diagnosis_1": "benigne"}, "unknown label 'benigne'; nearest: benign"),
        ({"image_type": "photo"}, "unknown label 'photo'"),
        ({"copyright_license": "CC-BY-ND"}, "unknown licence 'CC-BY-ND'"),
        ({"fitzpatrick_skin_type": "VII"}, "fitzpatrick_skin_type 'VII' is none of I, II, III, IV, V, VI"),
        ({"diagnosis_confirm_type": "guess"}, "unknown label 'guess'"),
        ({"age_approx": "old"}, "age 'old' is not a number"),
        ({"sex": "x"}, "sex 'x'"),
    ],
)
def test_a_value_that_is_not_known_is_named_by_file_and_line(
    tmp_path: Path, change: dict[str, str], reason: str
) -> None:
    (row,) = read(tmp_path, NEVUS | change).omitted
    assert (row.kind, row.where) == ("broken", f"{tmp_path / 'metadata.csv'}: line 2")
    assert reason in row.reason


def test_a_fetch_that_did_not_come_to_its_end_is_told_from_a_wrong_folder(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=rf"{tmp_path}/metadata\.csv: is not there; give a folder that"):
        isic_archive.read(tmp_path)
    (tmp_path / "fetched.jsonl").touch()
    with pytest.raises(DataError, match="is not there yet; run the fetch again"):
        isic_archive.read(tmp_path)


def test_an_image_that_is_gone_is_named(tmp_path: Path) -> None:
    read(tmp_path, NEVUS)
    (tmp_path / "images" / "ISIC_0000001.jpg").unlink()
    (row,) = isic_archive.read(tmp_path).omitted
    assert (row.kind, row.reason) == ("missing", "image ISIC_0000001 is not in images or beside metadata.csv")


def test_a_drawn_part_of_the_archive_is_read_whole(tmp_path: Path) -> None:
    samples = isic_archive.read(write_archive(tmp_path / "set", 24)).samples
    assert len(samples) == 24
    assert {sample.diagnosis for sample in samples} == {"MEL", "NV", "BCC", "AK", "BKL", "SCC"}
    assert len({sample.lesion for sample in samples}) == 12
