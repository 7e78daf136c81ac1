from __future__ import annotations

import csv
from pathlib import Path

import pytest

from epiluma.datasets.record import DataError
from epiluma.datasets.sources import isic2024
from tests.datasets.published_isic import SLICE_3D, name, write_isic2024


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return write_isic2024(tmp_path / "set", 2 * len(SLICE_3D))


def change_cell(root: Path, line: int, column: str, value: str) -> None:
    with (root / "train-metadata.csv").open(newline="") as file:
        rows = list(csv.reader(file))
    rows[line - 1][rows[0].index(column)] = value
    with (root / "train-metadata.csv").open("w", newline="") as file:
        csv.writer(file).writerows(rows)


def test_the_path_in_the_tree_is_a_leaf_or_says_how_dangerous_it_is(root: Path) -> None:
    samples = isic2024.read(root).samples
    assert [(s.diagnosis, s.malignant) for s in samples[: len(SLICE_3D)]] == [
        ("", False), ("NV", None), ("MEL", None), ("BCC", None), ("SCC", None), ("AK", None),
        ("", None),  # indeterminate: the target says 0, the diagnosis does not
        ("BKL", None), ("DF", None), ("VASC", None), ("", False), ("", False),
    ]  # fmt: skip
    expected = "Malignant::Malignant melanocytic proliferations (Melanoma)::Melanoma in situ"
    assert [s.label for s in samples[:3:2]] == ["Benign", expected]


def test_crops_are_clinical_photos_with_licence_and_attribution_of_each(root: Path) -> None:
    samples = isic2024.read(root).samples
    assert [s.licence for s in samples[:3]] == ["CC BY-NC 4.0", "CC BY 4.0", "CC0 1.0"]
    assert {s.attribution for s in samples} == {"Memorial Sloan Kettering Cancer Center"}
    assert {(s.modality, s.part, s.sex, s.site) for s in samples} == {("clinical", "train", "male", "posterior torso")}
    assert [s.age for s in samples[:2]] == [None, 60]
    assert [s.patient for s in samples[7:9]] == ["IP_0000000", "IP_0000001"]
    assert [s.lesion for s in samples[:2]] == ["", "IL_0000001"], "only biopsied ones have a number"


@pytest.mark.parametrize(
    ("column", "value", "kind", "reason"),
    [
        ("iddx_3", "Nevi", "broken", "unknown label 'Nevi'; nearest: nevus"),
        ("iddx_1", "benignant", "broken", "unknown label 'benignant'; nearest: benign"),
        ("target", "1", "broken", "iddx_1 'Benign' and target '1' disagree"),
        ("copyright_license", "", "broken", "unknown licence ''"),
        ("isic_id", "ISIC_1", "missing", "image ISIC_1 is not in train-image/image"),
        ("age_approx", "sixty", "broken", "age 'sixty' is not a number"),
    ],
)
def test_a_bad_row_is_explained(root: Path, column: str, value: str, kind: str, reason: str) -> None:
    change_cell(root, 3, column, value)
    reading = isic2024.read(root)
    (wrong,) = reading.omitted
    assert (reading.rows, wrong.kind) == (2 * len(SLICE_3D), kind)
    assert wrong.where == f"{root / 'train-metadata.csv'}: line 3"
    assert wrong.image_id == (value if column == "isic_id" else name(1))
    assert wrong.reason.startswith(reason)


def test_a_target_that_agrees_with_malignant_is_needed(root: Path) -> None:
    change_cell(root, 4, "target", "0")
    (wrong,) = isic2024.read(root).omitted
    assert wrong.reason == "iddx_1 'Malignant' and target '0' disagree"


def test_the_hdf5_form_is_refused_with_what_to_do(root: Path) -> None:
    (root / "train-image.hdf5").touch()
    assert len(isic2024.read(root).samples) == 2 * len(SLICE_3D), "it does no harm beside the photos"
    (root / "train-image").rename(root / "elsewhere")
    with pytest.raises(DataError, match=r"train-image\.hdf5 is not read; unpack train-image/image"):
        isic2024.read(root)


def test_a_folder_without_the_set_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=rf"{tmp_path}: train-metadata\.csv is not there"):
        isic2024.read(tmp_path)
