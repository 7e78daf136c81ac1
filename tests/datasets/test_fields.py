from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from epiluma.datasets import fields
from epiluma.datasets.fields import UnmappedLabel
from epiluma.datasets.record import DataError, MissingImage, OutOfScope

LABELS = {"melanoma": "MEL", "nevus": "NV", "lentigo NOS": "", "psoriasis": None}


@pytest.mark.parametrize(
    ("label", "leaf"), [("melanoma", "MEL"), (" Melanoma ", "MEL"), ("NEVUS", "NV"), ("Lentigo nos", "")]
)
def test_a_known_label_is_its_leaf_whatever_its_case_and_blanks(label: str, leaf: str) -> None:
    assert fields.leaf_of(label, LABELS) == leaf


def test_a_label_that_the_taxonomy_lacks_is_out_of_scope() -> None:
    with pytest.raises(OutOfScope, match="'psoriasis' is none of the taxonomy's diagnoses"):
        fields.leaf_of("psoriasis", LABELS)


@pytest.mark.parametrize(
    ("label", "hint"),
    [
        ("melanomas", "nearest: melanoma"),
        ("naevus", "nearest: nevus"),
        ("xyz", "known are lentigo NOS, melanoma, nevus, psoriasis"),
        ("", "known are"),
    ],
)
def test_an_unknown_label_is_named_with_the_nearest_known_ones(label: str, hint: str) -> None:
    with pytest.raises(UnmappedLabel, match=f"unknown label {label!r}; {hint}"):
        fields.leaf_of(label, LABELS)


@given(age=st.integers(0, fields.OLDEST), form=st.sampled_from(["{}", "{}.0", "{}+", " {} "]))
def test_an_age_is_read_in_each_form(age: int, form: str) -> None:
    assert fields.age_of(form.format(age)) == age


@pytest.mark.parametrize("cell", ["", " ", "NA", "nan", "unknown"])
def test_an_age_that_is_not_given_is_none(cell: str) -> None:
    assert fields.age_of(cell) is None


@pytest.mark.parametrize("cell", ["old", "inf", "-5", "121", "4 5"])
def test_an_age_that_is_none_is_named(cell: str) -> None:
    with pytest.raises(DataError, match=f"age '{cell}' is not a number of years from 0 to 120"):
        fields.age_of(cell)


@pytest.mark.parametrize(
    ("cell", "sex"), [("male", "male"), ("F", "female"), ("FEMALE", "female"), ("", ""), ("unknown", ""), ("other", "")]
)
def test_sex_is_read_in_each_form(cell: str, sex: str) -> None:
    assert fields.sex_of(cell) == sex


def test_a_sex_that_is_none_is_named() -> None:
    with pytest.raises(DataError, match="sex 'mal' is neither male nor female nor empty"):
        fields.sex_of("mal")


@pytest.mark.parametrize(("cell", "kind"), [("2", 2), ("6.0", 6), ("", None), ("NA", None), ("-1", None)])
def test_a_skin_type_is_1_to_6_or_not_given(cell: str, kind: int | None) -> None:
    assert fields.skin_type_of(cell) == kind


@pytest.mark.parametrize("cell", ["0", "7", "2.5", "II"])
def test_a_skin_type_that_is_none_is_named(cell: str) -> None:
    with pytest.raises(DataError, match=f"skin type '{cell}' is not a Fitzpatrick type from 1 to 6"):
        fields.skin_type_of(cell)


@pytest.mark.parametrize(("cell", "value"), [("back", "back"), (" back ", "back"), ("unknown", ""), ("NaN", "")])
def test_what_is_not_known_is_empty(cell: str, value: str) -> None:
    assert fields.known(cell) == value


def test_images_are_found_by_stem_in_the_folders_that_are_there_and_the_first_wins(tmp_path: Path) -> None:
    for name in ("a/1.jpg", "a/2.PNG", "a/notes.txt", "b/1.jpg", "b/3.jpeg", "c/4.jpg"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    found = fields.index_images(tmp_path, ("a", "none", "b"))
    assert {stem: path.relative_to(tmp_path).as_posix() for stem, path in found.items()} == {
        "1": "a/1.jpg", "2": "a/2.PNG", "3": "b/3.jpeg",
    }  # fmt: skip
    assert fields.image_of("1", found, "a or b") == tmp_path / "a" / "1.jpg"
    with pytest.raises(MissingImage, match="image 4 is not in a or b"):
        fields.image_of("4", found, "a or b")


@pytest.mark.parametrize("relative", ["a.jpg", "x/../a.jpg", "x/y/a.jpg"])
def test_a_path_in_the_folder_is_allowed(tmp_path: Path, relative: str) -> None:
    assert fields.inside(tmp_path, relative) == tmp_path / relative


@pytest.mark.parametrize("relative", ["", "..", "../a.jpg", "x/../../a.jpg", "/etc/passwd", "out/a.jpg", "a\0.jpg"])
def test_a_path_that_leads_out_of_the_folder_is_refused(tmp_path: Path, relative: str) -> None:
    root = tmp_path / "root"
    root.mkdir()
    (root / "out").symlink_to(tmp_path)
    with pytest.raises(DataError, match="path "):
        fields.inside(root, relative)
