from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from epiluma.datasets import fields
from epiluma.datasets.record import DataError
from epiluma.datasets.sources import isic2019, isic_truth
from tests.datasets.published_isic import name, write_isic2019

METADATA = "ISIC_2019_Training_Metadata.csv"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return write_isic2019(tmp_path / "set", 32)


def test_every_fact_of_both_tables_is_in_the_samples(root: Path) -> None:
    samples = isic2019.read(root).samples
    assert [s.diagnosis for s in samples] == list(isic_truth.CODES[:8]) * 4
    assert [s.part for s in samples] == ["train"] * 16 + ["test"] * 16
    assert [s.age for s in samples[:4]] == [None, 5, 10, 15]
    assert [s.sex for s in samples[:3]] == ["male", "female", ""]
    assert [s.site for s in samples[:3]] == ["anterior torso", "head/neck", ""]
    assert samples[0].lesion == samples[8].lesion == "BCN_0000000"
    assert {s.lesion for s in samples if s.part == "test"} == {""}, "the test metadata name no lesion"


def test_ids_that_end_in_downsampled_are_kept(root: Path) -> None:
    sample = isic2019.read(root).samples[9]
    assert sample.image_id == f"{name(9)}_downsampled"
    assert sample.path.name == f"{name(9)}_downsampled.jpg"


def test_unknown_is_out_of_scope(root: Path) -> None:
    omitted = isic2019.read(root).omitted
    assert [(row.image_id, row.kind) for row in omitted] == [(name(i), "out of scope") for i in (32, 33, 34)]
    assert {row.reason for row in omitted} == {"'UNK' is none of the taxonomy's diagnoses"}


def test_the_weights_in_the_published_test_labels_are_passed_over(root: Path) -> None:
    path = root / "ISIC_2019_Test_GroundTruth.csv"
    header, *rows = path.read_text().splitlines()
    weights = "score_weight,validation_weight"
    path.write_text("\n".join([f"{header},{weights}", *(f"{row},1.0,0.0" for row in rows)]) + "\n")
    assert len(isic2019.read(root).samples) == 32


def test_the_test_metadata_may_be_absent_but_not_those_of_training(root: Path) -> None:
    (root / "ISIC_2019_Test_Metadata.csv").unlink()
    assert {s.age for s in isic2019.read(root).samples if s.part == "test"} == {None}
    (root / METADATA).unlink()
    with pytest.raises(DataError, match=f"{METADATA}: is not there; without it photos of one lesion"):
        isic2019.read(root)


def test_a_training_image_that_the_metadata_lack_is_explained(root: Path) -> None:
    lines = (root / METADATA).read_text().splitlines()
    (root / METADATA).write_text("\n".join(lines[:1] + lines[2:]) + "\n")
    broken = [row for row in isic2019.read(root).omitted if row.kind == "broken"]
    assert [(row.image_id, row.reason) for row in broken] == [(name(0), f"{name(0)} is not in {METADATA}")]


def test_an_image_of_both_parts_is_explained(root: Path) -> None:
    train, test = ((root / f"ISIC_2019_{part}_GroundTruth.csv") for part in ("Training", "Test"))
    with test.open("a") as file:
        file.write(train.read_text().splitlines()[1] + "\n")
    (wrong,) = [row for row in isic2019.read(root).omitted if row.kind == "broken"]
    assert (wrong.image_id, wrong.reason) == (name(0), f"image {name(0)} is named twice")
    assert "ISIC_2019_Test_GroundTruth.csv: line " in wrong.where


def test_a_folder_without_the_set_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=rf"{tmp_path}: ISIC_2019_Training_GroundTruth\.csv or .* is not there"):
        isic2019.read(tmp_path)


@pytest.mark.real_data
def test_published_labels_without_images_are_all_explained_as_missing(published: Path) -> None:
    reading = isic2019.read(published / "isic_labels")
    assert not reading.samples
    assert Counter(row.kind for row in reading.omitted) == {"missing": 25_331}


@pytest.mark.real_data
def test_the_published_labels_are_read_whole(published: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    truth = isic_truth.read(published / "isic_labels" / isic_truth.FILE)
    # Only the labels are there: let every image that they name be found.
    monkeypatch.setattr(fields, "index_images", lambda root, _: {i: root / f"{i}.jpg" for i in truth})
    reading = isic2019.read(published / "isic_labels")
    assert not reading.omitted
    # https://challenge.isic-archive.com/landing/2019: 25,331 images; the sum over the classes of its ground truth.
    assert Counter(s.diagnosis for s in reading.samples) == {
        "NV": 12875, "MEL": 4522, "BCC": 3323, "BKL": 2624, "AK": 867, "SCC": 628, "VASC": 253, "DF": 239,
    }  # fmt: skip
    assert Counter(s.lesion[:4] for s in reading.samples) == {"BCN_": 12413, "HAM_": 10015, "": 2084, "MSK4": 819}
    assert sum(s.image_id.endswith("_downsampled") for s in reading.samples) == 2074
