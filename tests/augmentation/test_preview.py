"""The sheet: a column per photo, a row per recipe, the originals on top."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from epiluma.augmentation import RECIPES, AugmentationError
from epiluma.augmentation.preview import preview
from epiluma.imaging.synthetic import draw_lesion

SIZE = 40
LEFT, GAP = 150, 4


@pytest.fixture
def photos(tmp_path: Path) -> list[Path]:
    paths = []
    for seed in range(2):
        paths.append(tmp_path / f"{seed}.png")
        Image.fromarray(draw_lesion(seed, size=(60, 40)).image).save(paths[-1])
    return paths


def cell(sheet: np.ndarray, row: int, column: int) -> np.ndarray:
    top, left = GAP + row * (SIZE + GAP), LEFT + column * (SIZE + GAP)
    return sheet[top : top + SIZE, left : left + SIZE]


def sheet_of(path: Path) -> np.ndarray:
    with Image.open(path) as picture:
        assert picture.format == "PNG"
        return np.asarray(picture)


def test_photos_stand_on_top_in_turn_and_recipes_below(photos: list[Path], tmp_path: Path) -> None:
    out = preview(photos, ["none", "flips"], tmp_path / "new" / "sheet.png", columns=3, size=SIZE)
    sheet = sheet_of(out)
    assert sheet.shape == (GAP + 3 * (SIZE + GAP), LEFT + 3 * (SIZE + GAP) + GAP, 3)
    with Image.open(photos[0]) as photo:
        middle = np.asarray(photo)[:, 10:50]
    np.testing.assert_array_equal(cell(sheet, 0, 0), middle)
    np.testing.assert_array_equal(cell(sheet, 0, 2), middle)
    assert not np.array_equal(cell(sheet, 0, 1), middle)
    for column in range(3):
        before, plain, flipped = (cell(sheet, row, column).astype(int) for row in range(3))
        assert np.abs(plain - before).max() <= 1
        mirrored = (before, before[::-1], before[:, ::-1], before[::-1, ::-1])
        assert min(np.abs(flipped - turned).max() for turned in mirrored) <= 1


def test_every_row_has_its_label(photos: list[Path], tmp_path: Path) -> None:
    sheet = sheet_of(preview(photos, ["none", "hair"], tmp_path / "sheet.png", columns=1, size=SIZE))
    labels = [sheet[GAP + row * (SIZE + GAP) :][:SIZE, :LEFT] for row in range(3)]
    assert all((label < 128).any() for label in labels)
    assert not np.array_equal(labels[1], labels[2])


def test_without_a_name_all_recipes_are_shown_on_drawn_lesions(tmp_path: Path) -> None:
    sheet = sheet_of(preview([], [], tmp_path / "sheet.png", columns=2, size=SIZE))
    assert sheet.shape[0] == GAP + (1 + len(RECIPES)) * (SIZE + GAP)
    assert not np.array_equal(cell(sheet, 0, 0), cell(sheet, 0, 1))
    assert cell(sheet, 0, 0).std() > 5


def test_a_row_does_not_depend_on_the_others_and_the_seed_decides(photos: list[Path], tmp_path: Path) -> None:
    long = sheet_of(preview(photos, ["flips", "hair"], tmp_path / "a.png", columns=2, size=SIZE, seed=4))
    short = sheet_of(preview(photos, ["hair"], tmp_path / "b.png", columns=2, size=SIZE, seed=4))
    other = sheet_of(preview(photos, ["hair"], tmp_path / "c.png", columns=2, size=SIZE, seed=5))
    np.testing.assert_array_equal(cell(long, 2, 1), cell(short, 1, 1))
    assert not np.array_equal(cell(short, 1, 1), cell(other, 1, 1))


def test_a_photo_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    (tmp_path / "text.jpg").write_text("no photo")
    with pytest.raises(AugmentationError, match=r"text\.jpg: \w+"):
        preview([tmp_path / "text.jpg"], [], tmp_path / "sheet.png")
    with pytest.raises(AugmentationError, match=r"gone\.jpg: No such file"):
        preview([tmp_path / "gone.jpg"], [], tmp_path / "sheet.png")
    assert not (tmp_path / "sheet.png").exists()


def test_a_sheet_that_cannot_be_written_is_named(photos: list[Path], tmp_path: Path) -> None:
    (tmp_path / "taken").mkdir()
    with pytest.raises(AugmentationError, match="taken: Is a directory"):
        preview(photos, ["none"], tmp_path / "taken", columns=1, size=SIZE)


@pytest.mark.parametrize("wrong", [{"columns": 0}, {"columns": 51}, {"size": 0}, {"size": 1025}, {"seed": -1}])
def test_a_sheet_of_no_sense_is_refused(tmp_path: Path, wrong: dict[str, int]) -> None:
    with pytest.raises(AugmentationError, match="give 1 to 50 columns"):
        preview([], ["none"], tmp_path / "sheet.png", **wrong)


def test_an_unknown_recipe_is_refused_before_anything_is_drawn(tmp_path: Path) -> None:
    with pytest.raises(AugmentationError, match="unknown augmentation 'hairs'"):
        preview([], ["hairs"], tmp_path / "sheet.png")
