"""PAD-UFES-20 in its published form and in the smaller one, and each way in which its table can be wrong."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from epiluma.datasets.record import DataError, Omitted
from epiluma.datasets.sources import padufes20
from tests.datasets.published_others import PAD_COLUMNS, table, write_padufes20

ROWS = [
    {"patient_id": "PAT_9", "lesion_id": "53", "age": "55", "gender": "FEMALE", "fitspatrick": "3.0", "region": "NECK",
     "diagnostic": "BCC", "img_id": "PAT_9_53_939.png", "biopsed": "True"},
    {"patient_id": "PAT_8", "lesion_id": "53", "age": "8", "gender": "", "fitspatrick": "", "region": "ARM",
     "diagnostic": "NEV", "img_id": "PAT_8_53_530.png", "biopsed": "False"},
]  # fmt: skip


def write_rows(root: Path, *rows: dict[str, str]) -> Path:
    """The table alone, and files that are empty: the adapter only looks whether an image is there."""
    table(root / "metadata.csv", PAD_COLUMNS, [[row.get(column, "") for column in PAD_COLUMNS] for row in rows])
    (root / "images").mkdir(exist_ok=True)
    for row in ROWS:
        (root / "images" / row["img_id"]).touch()
    return root


def the_omitted(root: Path) -> Omitted:
    reading = padufes20.read(root)
    assert reading.rows == 2
    return reading.omitted[0]


def test_every_fact_of_the_table_is_in_the_samples(tmp_path: Path) -> None:
    child, adult = padufes20.read(write_rows(tmp_path, *ROWS)).samples
    assert (adult.image_id, adult.diagnosis, adult.label) == ("PAT_9_53_939", "BCC", "BCC")
    assert (adult.age, adult.sex, adult.site, adult.skin_type, adult.confirmation) == (55, "female", "neck", 3, "histo")
    assert (adult.patient, adult.modality, adult.licence) == ("PAT_9", "clinical", "CC BY 4.0")
    assert adult.path == tmp_path / "images" / "PAT_9_53_939.png"
    assert (child.diagnosis, child.age, child.sex, child.skin_type) == ("NV", 8, "", None)
    assert child.confirmation == "consensus"
    assert child.lesion != adult.lesion, "the publisher gives one lesion number to two patients"


def test_every_diagnosis_has_its_leaf(tmp_path: Path) -> None:
    labels = ["ACK", "BCC", "MEL", "NEV", "SCC", "SEK"]
    rows = [{**ROWS[0], "diagnostic": label, "img_id": f"PAT_9_53_{i}.png"} for i, label in enumerate(labels)]
    write_rows(tmp_path, *rows)
    for row in rows:
        (tmp_path / "images" / row["img_id"]).touch()
    assert [s.diagnosis for s in padufes20.read(tmp_path).samples] == ["AK", "BCC", "MEL", "NV", "SCC", "BKL"]


@pytest.mark.parametrize("inner", ["", "imgs_part_2/"])
def test_the_published_folders_are_read(tmp_path: Path, inner: str) -> None:
    root = write_padufes20(tmp_path, 9)
    if inner:  # as an archive with a folder of its own name unpacks
        (root / "images" / "imgs_part_2").rename(root / "moved")
        (root / "images" / "imgs_part_2").mkdir()
        (root / "moved").rename(root / "images" / "imgs_part_2" / inner)
    reading = padufes20.read(root)
    assert len(reading.samples) == 9
    assert not reading.omitted
    assert len({s.path.parent for s in reading.samples}) == 3
    assert {s.mask for s in reading.samples} == {None}
    assert Counter(Counter(s.lesion for s in reading.samples).values()) == {2: 3, 1: 3}


def test_jpegs_and_masks_are_found_by_the_image_s_name(tmp_path: Path) -> None:
    write_rows(tmp_path, *ROWS)
    for path in list((tmp_path / "images").iterdir()):
        path.rename(path.with_suffix(".jpg"))
    (tmp_path / "masks").mkdir()
    (tmp_path / "masks" / "PAT_8_53_530_mask.png").touch()
    samples = padufes20.read(tmp_path).samples
    assert [s.path.suffix for s in samples] == [".jpg", ".jpg"]
    assert [s.mask and s.mask.name for s in samples] == ["PAT_8_53_530_mask.png", None]


def test_a_row_without_its_image_is_missing(tmp_path: Path) -> None:
    omitted = the_omitted(write_rows(tmp_path, ROWS[0], {**ROWS[1], "img_id": "PAT_8_53_531.png"}))
    assert (omitted.kind, omitted.image_id) == ("missing", "PAT_8_53_531.png")
    assert omitted.where == f"{tmp_path / 'metadata.csv'}: line 3"


@pytest.mark.parametrize(
    ("column", "value", "reason"),
    [
        ("diagnostic", "NEVI", "unknown label 'NEVI'; nearest: nev"),
        ("biopsed", "yes", "biopsed 'yes' is neither True nor False"),
        ("fitspatrick", "7.0", "skin type '7.0' is not a Fitzpatrick type from 1 to 6"),
        ("fitspatrick", "2.5", "skin type '2.5' is not"),
        ("age", "555", "age '555' is not a number of years"),
        ("gender", "W", "sex 'W' is neither"),
        ("patient_id", "", "has no patient_id or no lesion_id"),
        ("lesion_id", "", "has no patient_id or no lesion_id"),
        ("img_id", "PAT_9_53_939.png", "is named twice"),
    ],
)
def test_a_bad_value_is_explained_with_its_line(tmp_path: Path, column: str, value: str, reason: str) -> None:
    omitted = the_omitted(write_rows(tmp_path, ROWS[0], {**ROWS[1], column: value}))
    assert omitted.kind == "broken"
    assert reason in omitted.reason
    assert omitted.where.endswith("metadata.csv: line 3")


def test_a_folder_without_the_table_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=rf"{tmp_path}: metadata\.csv of PAD-UFES-20 is not there"):
        padufes20.read(tmp_path)


@pytest.mark.real_data
def test_the_published_images_are_read_and_the_others_explained(published: Path) -> None:
    """Counts taken from the table and the folder by hand (`csv`, `os.listdir`)."""
    reading = padufes20.read(published / "PAD-UFES-20")
    assert len(reading.samples) == 432
    assert Counter(row.kind for row in reading.omitted) == {"missing": 1159 - 432}
    samples = reading.samples
    assert Counter(s.diagnosis for s in samples) == {"BCC": 131, "NV": 97, "AK": 87, "BKL": 77, "MEL": 27, "SCC": 13}
    assert Counter(s.skin_type for s in samples) == {None: 177, 1: 29, 2: 133, 3: 79, 4: 13, 5: 1}
    assert Counter(s.confirmation for s in samples) == {"histo": 221, "consensus": 211}
    assert Counter(s.sex for s in samples) == {"": 177, "female": 154, "male": 101}
    assert sum(s.mask is not None for s in samples) == 402
