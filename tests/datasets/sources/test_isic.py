from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from epiluma.datasets.fields import UnmappedLabel
from epiluma.datasets.record import DataError
from epiluma.datasets.sources import isic
from epiluma.datasets.table import Row

CODES = ("MEL", "NV", "AK")


@given(chosen=st.sampled_from(CODES), one=st.sampled_from(["1", "1.0"]), zero=st.sampled_from(["0", "0.0"]))
def test_the_column_that_is_1_is_the_class(chosen: str, one: str, zero: str) -> None:
    assert isic.one_hot({code: one if code == chosen else zero for code in CODES}, CODES) == chosen


@pytest.mark.parametrize(
    ("cells", "reason"),
    [
        (("0.0", "0.0", "0.0"), "one of MEL, NV, AK must be 1, not none"),
        (("1.0", "0.0", "1.0"), "one of MEL, NV, AK must be 1, not MEL and AK"),
        (("0.5", "0.0", "1.0"), "MEL must be 0 or 1, not '0.5'"),
        (("0", "", "1"), "NV must be 0 or 1, not ''"),
        (("0", "0", "nan"), "AK must be 0 or 1, not 'nan'"),
    ],
)
def test_a_row_without_exactly_one_class_is_refused(cells: tuple[str, ...], reason: str) -> None:
    with pytest.raises(DataError, match=reason):
        isic.one_hot(dict(zip(CODES, cells, strict=True)), CODES)


def test_the_parts_that_are_there_are_found_and_the_first_name_is_preferred(tmp_path: Path) -> None:
    for name in ("a_v2.csv", "a.csv", "c.csv"):
        (tmp_path / name).touch()
    candidates = {"train": ["a_v2.csv", "a.csv"], "validation": ["b.csv"], "test": ["c2.csv", "c.csv"]}
    assert isic.present(tmp_path, candidates) == {"train": tmp_path / "a_v2.csv", "test": tmp_path / "c.csv"}
    with pytest.raises(DataError, match=rf"{tmp_path}: x\.csv or y\.csv is not there; give the folder"):
        isic.present(tmp_path, {"train": ["x.csv", "x2.csv"], "test": ["y.csv"]})


def test_rows_of_several_tables_carry_their_part() -> None:
    tables = {"train": [Row("t: line 2", {"a": "1"})], "test": [Row("u: line 2", {}, "short")]}
    assert list(isic.parted(tables)) == [
        Row("t: line 2", {"a": "1", isic.PART: "train"}),
        Row("u: line 2", {isic.PART: "test"}, "short"),
    ]


def test_a_helping_table_names_each_image_once(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("image,age\na,5\nb,10\n")
    assert isic.by_image(path, {"age"}, "image") == {"a": {"image": "a", "age": "5"}, "b": {"image": "b", "age": "10"}}
    path.write_text("image,age\na,5\na,10\n")
    with pytest.raises(DataError, match=r"t\.csv: line 3: image a is named twice"):
        isic.by_image(path, {"age"}, "image")


@pytest.mark.parametrize(
    ("cell", "confirmation"),
    [
        ("histopathology", "histo"),
        ("serial imaging showing no change", "follow_up"),
        ("Single image expert consensus", "consensus"),
        ("confocal microscopy with consensus dermoscopy", "confocal"),
        ("single contributor clinical assessment", ""),
        ("", ""),
    ],
)
def test_the_way_of_confirmation_is_translated(cell: str, confirmation: str) -> None:
    assert isic.confirmation_of(cell) == confirmation


def test_unknown_words_are_refused_with_the_known_ones() -> None:
    with pytest.raises(UnmappedLabel, match="unknown label 'histology'; nearest: histopathology"):
        isic.confirmation_of("histology")
    with pytest.raises(UnmappedLabel, match="unknown label 'malign'; nearest: malignant"):
        isic.malignant_of("malign")
    with pytest.raises(DataError, match="unknown licence 'CC-BY-SA'; known are CC-0, CC-BY, CC-BY-NC"):
        isic.licence_of("CC-BY-SA")


@pytest.mark.parametrize(
    ("cell", "malignant"), [("benign", False), ("Malignant", True), ("Indeterminate", None), ("", None)]
)
def test_what_is_indeterminate_is_neither(cell: str, malignant: bool | None) -> None:
    assert isic.malignant_of(cell) is malignant
