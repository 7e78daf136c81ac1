from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from epiluma.imaging.synthetic import draw_lesion, write_folder
from epiluma.imaging.synthetic.folder import _rows
from epiluma.taxonomy import ISIC_2019

COUNT = 40


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_folder(tmp_path_factory.mktemp("drawn") / "set", count=COUNT, seed=3, size=(64, 48))


def table(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_the_files_are_where_the_publishers_put_them(folder: Path) -> None:
    ids = [f"ISIC_{9_000_000 + i}" for i in range(COUNT)]
    masks = folder / "HAM10000_segmentations_lesion_tschandl"
    assert sorted(path.name for path in (folder / "images").iterdir()) == [f"{name}.jpg" for name in ids]
    assert sorted(path.name for path in masks.iterdir()) == [f"{name}_segmentation.png" for name in ids]
    assert [row["image_id"] for row in table(folder / "HAM10000_metadata.csv")] == ids
    assert [row["image"] for row in table(folder / "ISIC_2019_Training_GroundTruth.csv")] == ids


@pytest.mark.real_data
@pytest.mark.parametrize(
    ("name", "published"),
    [
        ("HAM10000_metadata.csv", "HAM10000/HAM10000_metadata.csv"),
        ("ISIC_2019_Training_GroundTruth.csv", "isic_labels/ISIC_2019_Training_GroundTruth.csv"),
    ],
)
def test_the_tables_have_the_published_columns_and_values(
    folder: Path, data_root: Path, name: str, published: str
) -> None:
    real, drawn = table(data_root / published), table(folder / name)
    assert list(drawn[0]) == list(real[0])
    for column in drawn[0]:
        if not column.endswith(("_id", "image")):
            assert {row[column] for row in drawn} <= {row[column] for row in real}, column


def test_both_tables_tell_the_same_diagnosis(folder: Path) -> None:
    """dx is the small-letter code, and akiec for AK and SCC, which only the ISIC 2019 labels part."""
    metadata = table(folder / "HAM10000_metadata.csv")
    labels = table(folder / "ISIC_2019_Training_GroundTruth.csv")
    seen = set()
    for row, label in zip(metadata, labels, strict=True):
        (code,) = (name for name, value in label.items() if value == "1.0")
        seen.add(code)
        assert ISIC_2019[code].group.lower() == row["dx"]
    assert seen == set(ISIC_2019.codes)


def test_photos_of_one_lesion_agree_on_the_person(folder: Path) -> None:
    lesions: dict[str, list[dict[str, str]]] = {}
    for row in table(folder / "HAM10000_metadata.csv"):
        lesions.setdefault(row["lesion_id"], []).append(row)
    assert COUNT / len(lesions) == pytest.approx(1.3, abs=0.1)
    assert max(len(rows) for rows in lesions.values()) == 2
    for rows in lesions.values():
        for column in ("dx", "dx_type", "age", "sex", "localization"):
            assert len({row[column] for row in rows}) == 1


def test_images_and_masks_are_the_drawings(folder: Path) -> None:
    planned = list(_rows(COUNT, 3))
    for row in planned[:6]:
        drawn = draw_lesion(row.seed, diagnosis=row.diagnosis, size=(64, 48), photo=row.photo)
        with Image.open(folder / "images" / f"{row.image_id}.jpg") as image:
            assert image.mode == "RGB"
            assert np.abs(np.asarray(image, int) - drawn.image).mean() < 6, "JPEG at quality 92"
        path = folder / "HAM10000_segmentations_lesion_tschandl" / f"{row.image_id}_segmentation.png"
        with Image.open(path) as mask:
            assert mask.mode == "L"
            np.testing.assert_array_equal(np.asarray(mask), np.where(drawn.mask, 255, 0))


def test_the_set_says_that_it_is_drawn(folder: Path) -> None:
    assert "not photographed" in (folder / "README.txt").read_text()


def test_same_arguments_give_the_same_files(tmp_path: Path) -> None:
    first, second = (write_folder(tmp_path / name, count=5, seed=1, size=(32, 32)) for name in "ab")
    for path in sorted(first.rglob("*.*")):
        assert path.read_bytes() == (second / path.relative_to(first)).read_bytes(), path


@settings(max_examples=30, deadline=None)
@given(count=st.integers(1, 300), seed=st.integers(0, 50))
def test_any_count_is_met_exactly_and_no_lesion_changes_its_diagnosis(count: int, seed: int) -> None:
    rows = list(_rows(count, seed))
    assert len({row.image_id for row in rows}) == len(rows) == count
    assert len({(row.lesion_id, row.diagnosis, row.seed) for row in rows}) == len({row.lesion_id for row in rows})
    assert len({(row.seed, row.photo) for row in rows}) == count, "no photo is drawn twice"


def test_sets_of_different_seeds_share_no_lesion() -> None:
    assert not {row.seed for row in _rows(500, 0)} & {row.seed for row in _rows(500, 1)}


def test_a_folder_that_holds_something_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "photo.jpg").write_bytes(b"mine")
    with pytest.raises(FileExistsError, match="not an empty folder"):
        write_folder(tmp_path, count=2)
    assert [path.name for path in tmp_path.iterdir()] == ["photo.jpg"]


def test_an_empty_folder_is_used(tmp_path: Path) -> None:
    assert write_folder(tmp_path, count=1, size=(32, 32)) == tmp_path
    assert len(list((tmp_path / "images").iterdir())) == 1


@pytest.mark.parametrize("count", [0, -3])
def test_a_count_below_one_is_an_error(tmp_path: Path, count: int) -> None:
    with pytest.raises(ValueError, match="at least one image"):
        write_folder(tmp_path / "set", count=count)
    assert not (tmp_path / "set").exists()
