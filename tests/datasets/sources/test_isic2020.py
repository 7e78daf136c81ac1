from __future__ import annotations

import csv
from collections import Counter
from pathlib import Path

import pytest

from epiluma.datasets import fields
from epiluma.datasets.record import DataError
from epiluma.datasets.sources import isic2020
from tests.datasets.published_isic import name, write_isic2020

TRUTH = "ISIC_2020_Training_GroundTruth.csv"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return write_isic2020(tmp_path / "set", 20)


def test_words_are_leaves_or_benign_without_one(root: Path) -> None:
    samples = isic2020.read(root).samples
    assert [(s.label, s.diagnosis, s.malignant) for s in samples[:9]] == [
        ("unknown", "", False),
        ("nevus", "NV", None),
        ("melanoma", "MEL", None),
        ("seborrheic keratosis", "BKL", None),
        ("lentigo NOS", "", False),
        ("lichenoid keratosis", "BKL", None),
        ("solar lentigo", "BKL", None),
        ("cafe-au-lait macule", "", False),
        ("atypical melanocytic proliferation", "", False),
    ]
    assert [s.patient for s in samples[:5]] == ["IP_0000000"] * 4 + ["IP_0000001"]
    assert samples[0].lesion == samples[9].lesion != samples[1].lesion


def test_the_first_version_has_no_lesions_and_the_second_is_preferred(root: Path) -> None:
    write_isic2020(root, 10, version=1)
    assert len(isic2020.read(root).samples) == 20
    (root / "ISIC_2020_Training_GroundTruth_v2.csv").unlink()
    samples = isic2020.read(root).samples
    assert len(samples) == 10
    assert {s.lesion for s in samples} == {""}


def test_the_publishers_duplicates_are_pairs(root: Path) -> None:
    assert isic2020.duplicates(root) == [(name(0), name(9))]
    (root / "ISIC_2020_Training_Duplicates.csv").unlink()
    with pytest.raises(DataError, match=r"Duplicates\.csv: No such file"):
        isic2020.duplicates(root)


@pytest.mark.parametrize(
    ("column", "value", "reason"),
    [
        ("diagnosis", "melanoma in situ", "unknown label 'melanoma in situ'; nearest: melanoma"),
        ("diagnosis", "melanoma", "diagnosis 'melanoma' and benign_malignant 'benign' disagree"),
        ("benign_malignant", "malignant", "benign_malignant 'malignant' and target '0' disagree"),
        ("benign_malignant", "", "benign_malignant '' and target '0' disagree"),
        ("target", "1", "benign_malignant 'benign' and target '1' disagree"),
        ("target", "", "target must be 0 or 1, not ''"),
        ("image_name", name(3), f"image {name(3)} is named twice"),
    ],
)
def test_a_bad_row_is_explained(root: Path, column: str, value: str, reason: str) -> None:
    path = root / "ISIC_2020_Training_GroundTruth_v2.csv"
    with path.open(newline="") as file:
        rows = list(csv.reader(file))
    rows[11][rows[0].index(column)] = value  # a nevus
    with path.open("w", newline="") as file:
        csv.writer(file).writerows(rows)
    reading = isic2020.read(root)
    (wrong,) = reading.omitted
    assert (reading.rows, wrong.kind, wrong.where) == (20, "broken", f"{path}: line 12")
    assert wrong.reason.startswith(reason)


@pytest.mark.real_data
def test_published_labels_without_images_are_all_explained_as_missing(published: Path) -> None:
    reading = isic2020.read(published / "isic_labels")
    assert not reading.samples
    assert Counter(row.kind for row in reading.omitted) == {"missing": 33_126}
    assert len(isic2020.duplicates(published / "isic_labels")) == 425


@pytest.mark.real_data
def test_the_published_labels_are_read_whole(published: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ids = [line.partition(",")[0] for line in (published / "isic_labels" / TRUTH).read_text().splitlines()[1:]]
    # Only the labels are there: let every image that they name be found.
    monkeypatch.setattr(fields, "index_images", lambda root, _: {i: root / f"{i}.jpg" for i in ids})
    reading = isic2020.read(published / "isic_labels")
    assert not reading.omitted
    # Rotemberg et al. 2021: 33,126 images of 2,056 patients, 584 of them melanomas.
    assert len({s.patient for s in reading.samples}) == 2056
    assert Counter(s.diagnosis for s in reading.samples) == {"": 27_170, "NV": 5193, "MEL": 584, "BKL": 179}
    assert {s.malignant for s in reading.samples if not s.diagnosis} == {False}
