from __future__ import annotations

import csv
from pathlib import Path

import pytest

from epiluma.datasets.record import DataError
from epiluma.datasets.sources import bcn20000
from tests.datasets.published_isic import BCN, draw, name, write_bcn20000, write_csv

FIGSHARE = (
    "bcn_filename",
    "age_approx",
    "anatom_site_general",
    "diagnosis",
    "lesion_id",
    "capture_date",
    "sex",
    "split",
)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return write_bcn20000(tmp_path / "set", 2 * len(BCN))


def rewrite(root: Path, change: object) -> None:
    with (root / "metadata.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    for row in rows:
        change(row)  # type: ignore[operator]
    write_csv(root / "metadata.csv", [list(row.values()) for row in rows], list(rows[0]))


def test_the_tree_of_the_archive_is_read(root: Path) -> None:
    samples = bcn20000.read(root).samples
    assert [(s.diagnosis, s.malignant) for s in samples[: len(BCN)]] == [
        ("NV", None), ("MEL", None), ("MEL", None), ("BCC", None), ("BKL", None), ("BKL", None), ("AK", None),
        ("SCC", None), ("", False), ("VASC", None),
    ]  # fmt: skip
    assert samples[0].label == "Benign::Benign melanocytic proliferations::Nevus"
    assert samples[0].lesion == samples[10].lesion != samples[1].lesion
    facts = {(s.age, s.sex, s.site, s.licence, s.modality) for s in samples}
    assert facts == {(55, "female", "anterior torso", "CC BY-NC 4.0", "dermoscopy")}
    assert {s.attribution for s in samples} == {"Department of Dermatology, Hospital Clínic de Barcelona"}
    assert [s.confirmation for s in samples[:2]] == ["", "histo"]


def test_a_diagnosis_that_is_kept_back_is_out_of_scope(root: Path) -> None:
    omitted = bcn20000.read(root).omitted
    assert [(row.image_id, row.kind, row.reason) for row in omitted] == [
        (name(i), "out of scope", "its diagnosis is not published") for i in (20, 21)
    ]


def test_the_older_words_of_the_archive_are_read(root: Path) -> None:
    older = {"Nevus": ("nevus", "benign"), "Scar": ("scar", "benign"), "Melanoma, NOS": ("melanoma", "malignant")}

    def change(row: dict[str, str]) -> None:
        words = older.get(row.pop("diagnosis_3"), ("other", ""))
        row["diagnosis"], row["benign_malignant"] = words if row.pop("diagnosis_1") else ("", "")
        row.pop("diagnosis_2")

    rewrite(root, change)
    reading = bcn20000.read(root)
    found = {(s.label, s.diagnosis, s.malignant) for s in reading.samples}
    assert found == {("nevus", "NV", None), ("scar", "", False), ("melanoma", "MEL", None), ("other", "", None)}
    assert len(reading.omitted) == 2


@pytest.mark.parametrize(
    ("column", "value", "kind", "reason"),
    [
        ("diagnosis_3", "Nevos", "broken", "unknown label 'Nevos'; nearest: nevus"),
        ("image_type", "clinical: close-up", "broken", "image_type 'clinical: close-up' is not dermoscopic"),
        ("diagnosis_confirm_type", "guess", "broken", "unknown label 'guess'"),
        ("copyright_license", "CC-BY-ND", "broken", "unknown licence 'CC-BY-ND'"),
        ("isic_id", "ISIC_1", "missing", "image ISIC_1 is not in the folder of metadata.csv or in images"),
    ],
)
def test_a_bad_row_is_explained(root: Path, column: str, value: str, kind: str, reason: str) -> None:
    def change(row: dict[str, str]) -> None:
        if row["isic_id"] == name(0):
            row[column] = value

    rewrite(root, change)
    reading = bcn20000.read(root)
    assert reading.rows == 22
    (wrong,) = [row for row in reading.omitted if row.kind != "out of scope"]
    assert (wrong.kind, wrong.where) == (kind, f"{root / 'metadata.csv'}: line 2")
    assert wrong.reason.startswith(reason)


def test_a_table_without_any_diagnosis_column_is_no_set_of_unpublished_ones(root: Path) -> None:
    def change(row: dict[str, str]) -> None:
        for level in (1, 2, 3):
            row.pop(f"diagnosis_{level}")

    rewrite(root, change)
    with pytest.raises(DataError, match=r"metadata\.csv: column diagnosis or diagnosis_1 is missing"):
        bcn20000.read(root)


def test_the_figshare_form_is_read(tmp_path: Path) -> None:
    for i, part in enumerate(("train", "train", "test", "test")):
        draw(tmp_path / f"bcn_20k_{part}" / f"BCN_000000000{i}.jpg", i)
    rows = [
        ("BCN_0000000000.jpg", "55.0", "anterior torso", "MEL", "BCN_0003884", "2012-05-16", "male", "train"),
        ("BCN_0000000001.jpg", "", "", "BKL", "BCN_0003884", "2012-05-16", "female", "train"),
    ]
    write_csv(tmp_path / "bcn_20k_train.csv", rows, FIGSHARE)
    rows = [
        ("BCN_0000000002.jpg", "55.0", "", "NV", "BCN_0000001", "2012-05-16", "male", "test"),
        ("BCN_0000000003.jpg", "55.0", "", "", "BCN_0000002", "2012-05-16", "male", "test"),
    ]
    write_csv(tmp_path / "bcn_20k_test.csv", rows, FIGSHARE)
    reading = bcn20000.read(tmp_path)
    assert [(s.image_id, s.diagnosis, s.part, s.lesion, s.age) for s in reading.samples] == [
        ("BCN_0000000000", "MEL", "train", "BCN_0003884", 55),
        ("BCN_0000000001", "BKL", "train", "BCN_0003884", None),
        ("BCN_0000000002", "NV", "test", "BCN_0000001", 55),
    ]
    assert [(row.image_id, row.kind) for row in reading.omitted] == [("BCN_0000000003.jpg", "out of scope")]


def test_a_folder_without_the_set_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=rf"{tmp_path}: metadata\.csv or bcn_20k_train\.csv is not there"):
        bcn20000.read(tmp_path)
