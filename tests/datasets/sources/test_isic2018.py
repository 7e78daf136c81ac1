from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from epiluma.datasets.record import DataError
from epiluma.datasets.sources import isic2018
from tests.datasets.published_isic import name, write_isic2018_diagnoses, write_isic2018_masks

GROUPINGS = "ISIC2018_Task3_Training_LesionGroupings.csv"


@pytest.fixture
def masks(tmp_path: Path) -> Path:
    return write_isic2018_masks(tmp_path / "masks", 8)


@pytest.fixture
def diagnoses(tmp_path: Path) -> Path:
    return write_isic2018_diagnoses(tmp_path / "diagnoses", 28)


def test_images_of_tasks_1_and_2_have_masks_and_no_diagnosis(masks: Path) -> None:
    samples = isic2018.read_masks(masks).samples
    assert [s.part for s in samples] == ["train"] * 4 + ["validation", "test"] * 2
    assert {(s.diagnosis, s.malignant, s.label) for s in samples} == {("", None, "")}
    assert samples[4].mask == masks / "ISIC2018_Task1_Validation_GroundTruth" / f"{name(4)}_segmentation.png"


def test_an_image_without_a_mask_and_a_mask_without_an_image_are_explained(masks: Path) -> None:
    (masks / "ISIC2018_Task1_Test_GroundTruth" / f"{name(5)}_segmentation.png").unlink()
    (masks / "ISIC2018_Task1-2_Training_Input" / f"{name(2)}.jpg").unlink()
    reading = isic2018.read_masks(masks)
    assert reading.rows == 8
    assert [(row.image_id, row.kind, row.reason) for row in reading.omitted] == [
        (name(2), "missing", f"image {name(2)} is not in ISIC2018_Task1-2_Training_Input"),
        (name(5), "broken", f"image {name(5)} has no mask in ISIC2018_Task1_Test_GroundTruth"),
    ]


def test_without_task_1_the_images_of_task_2_have_no_lesion_mask(masks: Path) -> None:
    (masks / "ISIC2018_Task1_Training_GroundTruth").rename(masks / "elsewhere")
    samples = isic2018.read_masks(masks).samples
    assert [s.mask is None for s in samples] == [True] * 4 + [False] * 4


def test_a_part_without_ground_truth_is_not_there(masks: Path) -> None:
    for task in (1, 2):
        (masks / f"ISIC2018_Task{task}_Test_GroundTruth").rename(masks / f"elsewhere{task}")
    assert Counter(s.part for s in isic2018.read_masks(masks).samples) == {"train": 4, "validation": 2}


def test_every_image_has_five_attribute_masks(masks: Path) -> None:
    found = isic2018.attributes(masks)
    assert sorted(found) == [name(i) for i in range(8)]
    assert {tuple(of_image) for of_image in found.values()} == {isic2018.ATTRIBUTES}
    expected = masks / "ISIC2018_Task2_Training_GroundTruth_v3" / f"{name(0)}_attribute_streaks.png"
    assert found[name(0)]["streaks"] == expected
    assert isic2018.attributes(masks / "none") == {}


def test_a_missing_or_unknown_attribute_is_named(masks: Path) -> None:
    folder = masks / "ISIC2018_Task2_Test_GroundTruth"
    (folder / f"{name(5)}_attribute_streaks.png").unlink()
    with pytest.raises(DataError, match=f"{folder}: {name(5)} has no mask of streaks"):
        isic2018.attributes(masks)
    (folder / f"{name(5)}_attribute_streak.png").touch()
    with pytest.raises(DataError, match="unknown attribute 'streak'; known are globules, milia_like_cyst"):
        isic2018.attributes(masks)


def test_akiec_is_told_apart_where_isic_2019_has_the_image(diagnoses: Path) -> None:
    samples = isic2018.read_diagnoses(diagnoses).samples
    akiec = [(s.part, s.diagnosis, s.malignant) for s in samples if s.label == "AKIEC"]
    assert akiec == [
        ("train", "SCC", None), ("train", "AK", None), ("test", "", True), ("validation", "", True),
    ]  # fmt: skip
    assert [s.diagnosis for s in samples if s.label != "AKIEC"] == [s.label for s in samples if s.label != "AKIEC"]
    (diagnoses / "ISIC_2019_Training_GroundTruth.csv").unlink()
    without = [s for s in isic2018.read_diagnoses(diagnoses).samples if s.label == "AKIEC"]
    assert {(s.diagnosis, s.malignant) for s in without} == {("", True)}


def test_the_isic_2019_labels_can_be_anywhere_but_must_be_where_they_are_said_to_be(diagnoses: Path) -> None:
    truth = diagnoses / "ISIC_2019_Training_GroundTruth.csv"
    truth.rename(diagnoses.parent / "truth.csv")
    samples = isic2018.read_diagnoses(diagnoses, isic_2019=diagnoses.parent / "truth.csv").samples
    assert samples[3].diagnosis == "SCC"
    with pytest.raises(DataError, match=r"nowhere\.csv: is not there"):
        isic2018.read_diagnoses(diagnoses, isic_2019=diagnoses / "nowhere.csv")


def test_training_images_carry_lesion_and_confirmation(diagnoses: Path) -> None:
    samples = isic2018.read_diagnoses(diagnoses).samples
    assert samples[0].lesion == samples[7].lesion != samples[1].lesion
    assert [s.confirmation for s in samples[:4]] == ["histo", "follow_up", "consensus", "confocal"]
    assert {(s.lesion, s.confirmation) for s in samples if s.part != "train"} == {("", "")}


def test_training_images_without_lesions_are_refused(diagnoses: Path) -> None:
    lines = (diagnoses / GROUPINGS).read_text().splitlines()
    (diagnoses / GROUPINGS).write_text("\n".join(lines[:-1]) + "\n")
    (wrong,) = isic2018.read_diagnoses(diagnoses).omitted
    assert wrong.reason == f"{name(13)} has no lesion_id; photos of one lesion could not be kept together"
    (diagnoses / GROUPINGS).unlink()
    with pytest.raises(DataError, match=f"{GROUPINGS} is not there; without it photos of one lesion"):
        isic2018.read_diagnoses(diagnoses)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (("1.0", "0.0"), "one of MEL, NV, BCC, AKIEC, BKL, DF, VASC must be 1, not none"),
        (("0.0", "1.0"), "one of MEL, .* must be 1, not MEL and NV"),
        (("1.0", "x"), "MEL must be 0 or 1, not 'x'"),
    ],
)
def test_a_bad_row_is_explained(diagnoses: Path, change: tuple[str, str], reason: str) -> None:
    stem = "ISIC2018_Task3_Training_GroundTruth"
    path = diagnoses / stem / f"{stem}.csv"
    header, first, *others = path.read_text().splitlines()
    path.write_text("\n".join([header, first.replace(*change, 1), *others]) + "\n")
    (wrong,) = isic2018.read_diagnoses(diagnoses).omitted
    assert (wrong.kind, wrong.where) == ("broken", f"{path}: line 2")
    with pytest.raises(DataError, match=reason):
        raise DataError(wrong.reason)


@pytest.mark.parametrize(
    ("read", "wanted"),
    [
        (isic2018.read_masks, "ISIC2018_Task1_Training_GroundTruth or ISIC2018_Task2_Training_GroundTruth_v3"),
        (isic2018.read_diagnoses, "ISIC2018_Task3_Training_GroundTruth/ISIC2018_Task3_Training_GroundTruth.csv"),
    ],
)
def test_a_folder_without_the_set_is_named(tmp_path: Path, read: object, wanted: str) -> None:
    with pytest.raises(DataError, match=f"{tmp_path}: {wanted}.* is not there; give the folder that holds it"):
        read(tmp_path)  # type: ignore[operator]
