from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from epiluma.datasets.record import DataError
from epiluma.datasets.sources import isic2017
from tests.datasets.published_isic import draw, name, write_csv, write_isic2017

DIGEST = ("image_id", "split", "melanoma", "seborrheic_keratosis", "dx", "age", "sex", "site_isic2019")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return write_isic2017(tmp_path / "set", 8)


def digest(root: Path, *rows: tuple[str, ...]) -> Path:
    write_csv(root / "labels.csv", rows, DIGEST)
    folders = {"training": "ISIC-2017_Training_Data", "validation": "ISIC-2017_Validation_Data"}
    for i, row in enumerate(rows):
        draw(root / folders.get(row[1], "ISIC-2017_Test_v2_Data") / f"{row[0]}.jpg", i)
    return root


def test_flags_are_diagnoses_and_neither_is_a_nevus(root: Path) -> None:
    samples = isic2017.read(root).samples
    assert [s.diagnosis for s in samples] == ["NV", "MEL", "BKL", "NV", "MEL", "BKL", "NV", "MEL"]
    assert [s.label for s in samples][:3] == ["nevus", "melanoma", "seborrheic_keratosis"]
    assert [s.part for s in samples] == ["train"] * 4 + ["validation", "test"] * 2
    assert [s.age for s in samples][:4] == [None, 5, 10, 15]
    assert [s.sex for s in samples][:3] == ["male", "female", ""]
    assert {s.geometry for s in samples} == {"original"}
    assert samples[5].mask == root / "ISIC-2017_Test_v2_Part1_GroundTruth" / f"{name(5)}_segmentation.png"


def test_superpixels_are_no_photos(root: Path) -> None:
    photo = root / "ISIC-2017_Training_Data" / f"{name(0)}.jpg"
    assert isic2017.read(root).samples[0].path == photo
    photo.unlink()
    (gone,) = isic2017.read(root).omitted
    assert (gone.image_id, gone.kind) == (name(0), "missing")


def test_ages_may_lie_beside_the_images_or_not_be_there(root: Path) -> None:
    expected = [s.age for s in isic2017.read(root).samples]
    table = root / "ISIC-2017_Training_Data" / "ISIC-2017_Training_Data_metadata.csv"
    table.rename(root / table.name)
    assert [s.age for s in isic2017.read(root).samples] == expected
    (root / table.name).unlink()
    assert [s.age for s in isic2017.read(root).samples] == [None] * 4 + expected[4:]


def test_an_archive_unpacked_in_a_folder_of_its_name_is_found(root: Path) -> None:
    outer = root / "ISIC-2017_Training_Data"
    outer.rename(root / "x")
    outer.mkdir()
    (root / "x").rename(outer / outer.name)
    reading = isic2017.read(root)
    assert not reading.omitted
    assert reading.samples[1].age == 5


@pytest.mark.parametrize(
    ("row", "kind", "reason"),
    [
        (f"{name(1)},1.0,1.0", "broken", "it is both melanoma and seborrheic_keratosis"),
        (f"{name(1)},2.0,0.0", "broken", "melanoma must be 0 or 1, not '2.0'"),
        (f"{name(4)},0.0,0.0", "broken", f"image {name(4)} is named twice"),
        ("ISIC_1,0.0,0.0", "missing", "image ISIC_1 is not in ISIC-2017_Training_Data"),
    ],
)
def test_a_bad_row_is_explained(root: Path, row: str, kind: str, reason: str) -> None:
    path = root / "ISIC-2017_Training_Part3_GroundTruth.csv"
    lines = path.read_text().splitlines()
    path.write_text("\n".join([*lines[:2], row, *lines[3:]]) + "\n")
    reading = isic2017.read(root)
    assert reading.rows == 8
    (wrong,) = reading.omitted
    assert (wrong.kind, wrong.reason) == (kind, reason)
    assert "_GroundTruth.csv: line " in wrong.where


def test_the_digest_is_squashed_and_has_sites_and_parts(tmp_path: Path) -> None:
    root = digest(
        tmp_path,
        ("ISIC_1", "training", "0", "0", "NV", "55", "female", "anterior torso"),
        ("ISIC_2", "validation", "1", "0", "MEL", "unknown", "unknown", ""),
        ("ISIC_3", "test", "0", "1", "SK", "", "", "head/neck"),
        ("ISIC_4", "tests", "0", "1", "SK", "", "", ""),
    )
    reading = isic2017.read(root)
    assert [(s.diagnosis, s.part, s.age, s.sex, s.site, s.geometry) for s in reading.samples] == [
        ("NV", "train", 55, "female", "anterior torso", "squashed"),
        ("MEL", "validation", None, "", "", "squashed"),
        ("BKL", "test", None, "", "head/neck", "squashed"),
    ]
    (wrong,) = reading.omitted
    assert wrong.reason == "split 'tests' is none of training, validation, test"


def test_the_published_tables_are_preferred_to_a_digest(root: Path) -> None:
    write_csv(root / "labels.csv", [], DIGEST)
    assert len(isic2017.read(root).samples) == 8


def test_a_folder_without_the_set_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=rf"{tmp_path}: ISIC-2017_Training_Part3_GroundTruth\.csv or .* is not there"):
        isic2017.read(tmp_path)


@pytest.mark.real_data
def test_the_digest_of_the_published_set_is_read_whole(published: Path) -> None:
    reading = isic2017.read(published / "ISIC2017")
    assert not reading.omitted
    # Codella et al. 2018, section 2.1: 2,000, 150 and 600 images; 374, 30 and 117 melanomas.
    assert Counter(s.part for s in reading.samples) == {"train": 2000, "validation": 150, "test": 600}
    assert Counter(s.diagnosis for s in reading.samples) == {"NV": 1843, "MEL": 521, "BKL": 386}
    melanomas = Counter(s.part for s in reading.samples if s.diagnosis == "MEL")
    assert melanomas == {"train": 374, "validation": 30, "test": 117}
    assert {s.geometry for s in reading.samples} == {"squashed"}
