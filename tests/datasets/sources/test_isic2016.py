from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from epiluma.datasets.record import DataError
from epiluma.datasets.sources import isic2016
from tests.datasets.published_isic import name, write_isic2016

TRUTH = "ISBI2016_ISIC_Part3_Training_GroundTruth.csv"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return write_isic2016(tmp_path / "set", 8)


def test_words_and_numbers_say_melanoma_or_benign(root: Path) -> None:
    samples = isic2016.read(root).samples
    assert [s.part for s in samples] == ["train"] * 4 + ["test"] * 4
    assert [s.label for s in samples] == ["malignant", *["benign"] * 3, "1.0", *["0.0"] * 3]
    assert [s.diagnosis for s in samples] == ["MEL", "", "", ""] * 2
    assert [s.malignant for s in samples] == [None, False, False, False] * 2, "benign, and no more is known"
    assert {s.licence for s in samples} == {"CC0 1.0"}


def test_masks_are_those_of_part_1_and_may_be_absent(root: Path) -> None:
    folder = root / "ISBI2016_ISIC_Part1_Test_GroundTruth"
    (folder / f"{name(5)}_Segmentation.png").unlink()
    masks = [s.mask for s in isic2016.read(root).samples]
    assert [i for i, mask in enumerate(masks) if mask is None] == [5]
    assert masks[4] == folder / f"{name(4)}_Segmentation.png"


def test_one_part_is_enough_and_images_may_be_those_of_part_1(root: Path) -> None:
    (root / "ISBI2016_ISIC_Part3_Test_GroundTruth.csv").unlink()
    (root / "ISBI2016_ISIC_Part3_Training_Data").rename(root / "ISBI2016_ISIC_Part1_Training_Data")
    assert Counter(s.part for s in isic2016.read(root).samples) == {"train": 4}


@pytest.mark.parametrize(
    ("line", "kind", "reason"),
    [
        (f"{name(1)},bening", "broken", "unknown label 'bening'; nearest: benign"),
        (f"{name(1)},0.5", "broken", "unknown label '0.5'"),
        (f"{name(1)}", "broken", "1 values for 2 columns"),
        (f"{name(1)},benign,0.0", "broken", "3 values for 2 columns"),
        (f"{name(0)},benign", "broken", f"image {name(0)} is named twice"),
        ("ISIC_1,benign", "missing", "image ISIC_1 is not in ISBI2016_ISIC_Part3_Training_Data"),
        ("image_id,label", "broken", "unknown label 'label'"),
    ],
)
def test_a_bad_row_is_explained(root: Path, line: str, kind: str, reason: str) -> None:
    lines = (root / TRUTH).read_text().splitlines()
    (root / TRUTH).write_text("\n".join([lines[0], line, "", *lines[2:]]) + "\n")
    reading = isic2016.read(root)
    (wrong,) = reading.omitted
    assert (reading.rows, wrong.kind, wrong.where) == (8, kind, f"{root / TRUTH}: line 2")
    assert wrong.reason.startswith(reason)


@pytest.mark.parametrize(
    ("content", "reason"),
    [(b"\xff\xfe\x00", "line 1: is not a table in UTF-8"), (b'"a,benign\n', "line 1: is no row of a table")],
)
def test_a_file_that_is_no_table_is_named(root: Path, content: bytes, reason: str) -> None:
    (root / TRUTH).write_bytes(content)
    with pytest.raises(DataError, match=f"{TRUTH}: {reason}"):
        isic2016.read(root)


def test_a_folder_without_the_set_is_named(tmp_path: Path) -> None:
    with pytest.raises(
        DataError, match=rf"{tmp_path}: {TRUTH} or ISBI2016_ISIC_Part3_Test_GroundTruth\.csv is not there"
    ):
        isic2016.read(tmp_path)
