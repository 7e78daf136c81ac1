"""A plain CSV: its columns, what dataset.toml may state instead, and paths that lead elsewhere."""

from __future__ import annotations

from pathlib import Path

import pytest

from epiluma.datasets.record import DataError, Omitted
from epiluma.datasets.sources import table_csv
from tests.datasets.published_others import write_csv

TERMS = 'modality = "dermoscopy"\nlicence = "CC0-1.0"\nattribution = "Clinic of X"\n'


def make(root: Path, *lines: str, terms: str = TERMS) -> Path:
    """A table, and empty images a/1.jpg and a/2.jpg with a mask m.png: only their being there is looked at."""
    (root / "a").mkdir(parents=True, exist_ok=True)
    for name in ("a/1.jpg", "a/2.jpg", "m.png"):
        (root / name).touch()
    (root / "dataset.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    if terms:
        (root / "dataset.toml").write_text(terms, encoding="utf-8")
    return root


def the_omitted(root: Path) -> Omitted:
    reading = table_csv.read(root)
    assert (len(reading.samples), len(reading.omitted)) == (1, 1)
    return reading.omitted[0]


def test_every_column_is_in_the_sample(tmp_path: Path) -> None:
    root = make(
        tmp_path / "clinic",
        "image,diagnosis,lesion,patient,age,sex,site,skin_type,mask,confirmation,part,modality,licence,attribution",
        "a/2.jpg,Melanoma,L1,P1,61,f,back,4,m.png,histo,test,clinical,CC BY 4.0,Clinic of Y",
        "a/1.jpg,nv,,,,,,,,,,,,",
    )
    bare, full = table_csv.read(root).samples
    assert (full.image_id, full.path, full.mask) == ("a/2.jpg", root / "a" / "2.jpg", root / "m.png")
    assert (full.diagnosis, full.label, full.lesion, full.patient) == ("MEL", "Melanoma", "L1", "P1")
    assert (full.age, full.sex, full.site, full.skin_type) == (61, "female", "back", 4)
    assert (full.confirmation, full.part, full.source) == ("histo", "test", "clinic")
    assert (full.modality, full.licence, full.attribution) == ("clinical", "CC BY 4.0", "Clinic of Y")
    assert (bare.diagnosis, bare.lesion, bare.age, bare.mask, bare.part) == ("NV", "", None, None, "")
    assert (bare.modality, bare.licence, bare.attribution) == ("dermoscopy", "CC0-1.0", "Clinic of X")


def test_a_drawn_set_is_read_whole(tmp_path: Path) -> None:
    reading = table_csv.read(write_csv(tmp_path, 6))
    assert len(reading.samples) == reading.rows == 6
    assert all(s.mask is not None and s.mask.is_file() for s in reading.samples)


def test_the_owner_s_labels_and_ignored_columns(tmp_path: Path) -> None:
    terms = TERMS + 'ignore = ["camera"]\n[labels]\n"bad mole" = "MEL"\npsoriasis = ""\n'
    reading = table_csv.read(
        make(tmp_path, "image,diagnosis,camera", "a/1.jpg,Bad Mole,x", "a/2.jpg,psoriasis,y", terms=terms)
    )
    assert [s.diagnosis for s in reading.samples] == ["MEL"]
    assert [(o.kind, o.image_id) for o in reading.omitted] == [("out of scope", "a/2.jpg")]


@pytest.mark.parametrize(
    ("cell", "kind", "reason"),
    [
        ("../1.jpg", "broken", "path '../1.jpg' leads out of"),
        ("/etc/1.jpg", "broken", "path '/etc/1.jpg' leads out of"),
        ("", "broken", "path '' leads out of"),
        ("a\0.jpg", "broken", "is no path"),
        ("a/9.jpg", "missing", "a/9.jpg is not in"),
        (f"{'x' * 300}.jpg", "missing", ".jpg is not in"),
        ("a", "broken", "'a' is no image file"),
        ("dataset.csv", "broken", "'dataset.csv' is no image file"),
        ("a/../a/1.jpg", "broken", "image a/1.jpg is named twice"),
    ],
)
def test_an_image_that_cannot_be_used_is_explained(tmp_path: Path, cell: str, kind: str, reason: str) -> None:
    omitted = the_omitted(make(tmp_path, "image,diagnosis", "a/1.jpg,NV", f"{cell},NV"))
    assert (omitted.kind, omitted.where) == (kind, f"{tmp_path / 'dataset.csv'}: line 3")
    assert reason in omitted.reason


@pytest.mark.parametrize(
    ("column", "value", "kind", "reason"),
    [
        ("diagnosis", "melanom", "broken", "unknown label 'melanom'; nearest: melanoma"),
        ("diagnosis", "", "broken", "unknown label ''"),
        ("age", "130", "broken", "age '130'"),
        ("sex", "3", "broken", "sex '3'"),
        ("skin_type", "IV", "broken", "skin type 'IV'"),
        ("confirmation", "biopsy", "broken", "confirmation 'biopsy' is none of histo, follow_up"),
        ("part", "holdout", "broken", "part 'holdout' is none of train, validation, test"),
        ("modality", "phone", "broken", "modality 'phone' is none of dermoscopy, clinical"),
        ("mask", "a/none.png", "missing", "a/none.png is not in"),
        ("mask", "../m.png", "broken", "path '../m.png' leads out of"),
    ],
)
def test_a_bad_value_is_explained(tmp_path: Path, column: str, value: str, kind: str, reason: str) -> None:
    columns = ["image", "diagnosis", *([] if column == "diagnosis" else [column])]
    cells = ["a/2.jpg", value] if column == "diagnosis" else ["a/2.jpg", "NV", value]
    good = ["a/1.jpg", "NV", *([] if column == "diagnosis" else [""])]
    omitted = the_omitted(make(tmp_path, ",".join(columns), ",".join(good), ",".join(cells)))
    assert omitted.kind == kind
    assert reason in omitted.reason


def test_a_row_that_is_cut_short_is_explained(tmp_path: Path) -> None:
    assert the_omitted(make(tmp_path, "image,diagnosis", "a/1.jpg,NV", "a/2.jpg")).reason == "1 values for 2 columns"


@pytest.mark.parametrize(
    ("terms", "reason"),
    [
        ("", "modality is stated neither in the row nor in dataset.toml"),
        ('modality = "clinical"\n', "licence is stated neither in the row nor in dataset.toml"),
    ],
)
def test_modality_and_licence_are_never_guessed(tmp_path: Path, terms: str, reason: str) -> None:
    reading = table_csv.read(make(tmp_path, "image,diagnosis", "a/1.jpg,NV", terms=terms))
    assert [o.reason for o in reading.omitted] == [reason]


@pytest.mark.parametrize(
    ("column", "hint"), [("patient_id", "nearest: patient"), ("Diagnosis2", "nearest: diagnosis"), ("xyz", "known are")]
)
def test_an_unknown_column_is_refused(tmp_path: Path, column: str, hint: str) -> None:
    """A patient_id that is passed over in silence would let one patient lie in two parts."""
    with pytest.raises(DataError, match=rf"dataset\.csv: unknown column '{column}'; {hint}"):
        table_csv.read(make(tmp_path, f"image,diagnosis,{column}", "a/1.jpg,NV,7"))


def test_exactly_one_table_is_there(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"holds neither of dataset\.csv and metadata\.csv"):
        table_csv.read(tmp_path)
    make(tmp_path, "image,diagnosis", "a/1.jpg,NV")
    (tmp_path / "dataset.csv").rename(tmp_path / "metadata.csv")
    assert len(table_csv.read(tmp_path).samples) == 1
    make(tmp_path, "image,diagnosis", "a/1.jpg,NV")
    with pytest.raises(DataError, match=r"holds both of dataset\.csv and metadata\.csv; keep one"):
        table_csv.read(tmp_path)
