"""HAM10000 in its published forms, and each way in which its tables can be wrong."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest

from epiluma.datasets.record import DataError
from epiluma.datasets.sources import ham10000, isic_truth
from epiluma.imaging.synthetic import write_folder

COLUMNS = ("lesion_id", "image_id", "dx", "dx_type", "age", "sex", "localization")
LABELS = "ISIC_2019_Training_GroundTruth.csv"
ROWS = [
    ("HAM_1", "ISIC_3", "nv", "follow_up", "45.0", "female", "back"),
    ("HAM_2", "ISIC_1", "akiec", "histo", "80.0", "male", "face"),
    ("HAM_1", "ISIC_2", "nv", "follow_up", "45.0", "female", "back"),
    ("HAM_3", "ISIC_4", "akiec", "histo", "", "unknown", "unknown"),
]
CODES = ("MEL", "NV", "BCC", "AK", "BKL", "DF", "VASC", "SCC", "UNK")
TRUTH = {"ISIC_1": "AK", "ISIC_2": "NV", "ISIC_3": "NV", "ISIC_4": "SCC"}


def write_table(path: Path, rows: Iterable[Iterable[str]], *, columns: Iterable[str], delimiter: str = ",") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, delimiter=delimiter).writerows([tuple(columns), *rows])


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A set of four images by hand; the adapter only looks whether an image is there."""
    root = tmp_path / "HAM10000"
    write_table(root / "HAM10000_metadata.csv", ROWS, columns=COLUMNS)
    rows = [(image_id, *("1.0" if code == truth else "0.0" for code in CODES)) for image_id, truth in TRUTH.items()]
    write_table(root / LABELS, rows, columns=("image", *CODES))
    (root / "images").mkdir()
    for _, image_id, *_ in ROWS:
        (root / "images" / f"{image_id}.jpg").touch()
    return root


def change_cell(root: Path, row: int, column: str, value: str) -> None:
    rows = [list(cells) for cells in ROWS]
    rows[row][COLUMNS.index(column)] = value
    write_table(root / "HAM10000_metadata.csv", rows, columns=COLUMNS)


def test_every_fact_of_the_table_is_in_the_samples(root: Path) -> None:
    samples = ham10000.read(root).samples
    assert [s.image_id for s in samples] == ["ISIC_1", "ISIC_2", "ISIC_3", "ISIC_4"], "in image-id order"
    assert [s.diagnosis for s in samples] == ["AK", "NV", "NV", "SCC"]
    assert [s.lesion for s in samples] == ["HAM_2", "HAM_1", "HAM_1", "HAM_3"]
    assert [s.age for s in samples] == [80, 45, 45, None]
    assert [s.sex for s in samples] == ["male", "female", "female", ""]
    assert [s.site for s in samples] == ["face", "back", "back", ""]
    assert [s.label for s in samples] == ["akiec", "nv", "nv", "akiec"], "as published"
    assert [s.confirmation for s in samples] == ["histo", "follow_up", "follow_up", "histo"]
    assert {(s.source, s.modality, s.licence) for s in samples} == {("ham10000", "dermoscopy", "CC BY-NC 4.0")}
    assert [s.path for s in samples] == [root / "images" / f"ISIC_{i}.jpg" for i in (1, 2, 3, 4)]


def test_a_drawn_set_is_read_with_its_masks(tmp_path: Path) -> None:
    root = write_folder(tmp_path / "set", count=20, size=(32, 32))
    samples = ham10000.read(root).samples
    assert len(samples) == 20
    assert {s.diagnosis for s in samples} == {"MEL", "NV", "BCC", "AK", "BKL", "DF", "VASC", "SCC"}
    assert all(s.mask is not None and s.mask.is_file() for s in samples)
    (root / "HAM10000_segmentations_lesion_tschandl" / f"{samples[3].image_id}_segmentation.png").unlink()
    assert [i for i, s in enumerate(ham10000.read(root).samples) if s.mask is None] == [3]


def test_the_dataverse_form_is_read(root: Path) -> None:
    """Tab-separated, without an extension, and images in two folders."""
    expected = ham10000.read(root).samples
    (root / "HAM10000_metadata.csv").unlink()
    write_table(root / "HAM10000_metadata", ROWS, columns=COLUMNS, delimiter="\t")
    for i in (1, 2):
        (root / f"HAM10000_images_part_{i}").mkdir()
    for i, image in enumerate(sorted((root / "images").iterdir())):
        image.rename(root / f"HAM10000_images_part_{i % 2 + 1}" / image.name)
    found = ham10000.read(root).samples
    assert {s.path.parent.name for s in found} == {"HAM10000_images_part_1", "HAM10000_images_part_2"}
    assert [(s.image_id, s.diagnosis, s.age) for s in found] == [(s.image_id, s.diagnosis, s.age) for s in expected]


@pytest.mark.parametrize("place", ["..", "../isic_labels"])
def test_the_isic_2019_labels_are_found_beside_the_set(root: Path, place: str) -> None:
    folder = root / place
    folder.mkdir(exist_ok=True)
    (root / LABELS).rename(folder / LABELS)
    assert len(ham10000.read(root).samples) == 4


def test_the_isic_2019_labels_can_be_anywhere(root: Path, tmp_path: Path) -> None:
    (root / LABELS).rename(tmp_path / "truth.csv")
    with pytest.raises(DataError, match=f"{LABELS} is needed to tell AK from SCC; looked at {root}"):
        ham10000.read(root)
    assert len(ham10000.read(root, isic_2019=tmp_path / "truth.csv").samples) == 4
    with pytest.raises(DataError, match=r"nowhere\.csv"):
        ham10000.read(root, isic_2019=tmp_path / "nowhere.csv")


def test_a_folder_without_the_table_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=rf"{tmp_path}: HAM10000_metadata\.csv is not there; give the folder"):
        ham10000.read(tmp_path)


@pytest.mark.parametrize("column", COLUMNS)
def test_a_missing_column_is_named(root: Path, column: str) -> None:
    others = [name if name != column else "other" for name in COLUMNS]
    write_table(root / "HAM10000_metadata.csv", ROWS, columns=others)
    with pytest.raises(DataError, match=rf"HAM10000_metadata\.csv: column {column} is missing"):
        ham10000.read(root)


@pytest.mark.parametrize(
    ("column", "value", "kind", "reason"),
    [
        ("dx", "melanoma", "broken", "unknown label 'melanoma'; nearest: mel"),
        ("dx", "scc", "broken", "unknown label 'scc'; nearest: bcc"),
        ("dx", "", "broken", "unknown label ''"),
        ("dx", "akiec", "broken", f"ISIC_2 is akiec here and neither AK nor SCC in {LABELS}"),
        ("dx", "AKIEC", "broken", f"ISIC_2 is akiec here and neither AK nor SCC in {LABELS}"),
        ("image_id", "ISIC_3", "broken", "image ISIC_3 is named twice"),
        ("image_id", "ISIC_9", "missing", "image ISIC_9 is not in images or "),
        ("image_id", "../images/ISIC_1", "missing", "image ../images/ISIC_1 is not in images or "),
        ("lesion_id", "", "broken", "ISIC_2 has no lesion_id"),
        *(
            ("age", age, "broken", f"age {age!r} is not a number of years")
            for age in ("old", "inf", "-5", "450", "4 5")
        ),
        ("sex", "mail", "broken", "sex 'mail' is neither male nor female"),
    ],
)
def test_a_bad_value_is_explained_by_file_and_line_and_stops_no_other_row(
    root: Path, column: str, value: str, kind: str, reason: str
) -> None:
    change_cell(root, 2, column, value)
    reading = ham10000.read(root)
    assert len(reading.samples) == 3
    (wrong,) = reading.omitted
    assert wrong.where == f"{root / 'HAM10000_metadata.csv'}: line 4"
    assert (wrong.image_id, wrong.kind) == (value if column == "image_id" else "ISIC_2", kind)
    assert wrong.reason.startswith(reason)


def test_a_row_that_is_cut_short_is_explained(root: Path) -> None:
    with (root / "HAM10000_metadata.csv").open("a") as file:
        file.write("HAM_4,ISIC_5,nv\n")
    reading = ham10000.read(root)
    assert len(reading.samples) == 4
    assert [(row.kind, row.reason) for row in reading.omitted] == [("broken", "3 values for 7 columns")]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda text: text.replace("AK", "AKK", 1), f"{LABELS}: column AK is missing"),
        (lambda text: text.replace("1.0", "yes", 1), f"{LABELS}: line 2: AK must be 0 or 1, not 'yes'"),
        (lambda text: text.replace("0.0", "1.0", 1), f"{LABELS}: line 2: one of MEL, .* must be 1, not MEL and AK"),
        (lambda text: text + "ISIC_9\n", f"{LABELS}: line 6: 1 values for 10 columns"),
    ],
)
def test_bad_isic_2019_labels_are_named(root: Path, change: Callable[[str], str], reason: str) -> None:
    (root / LABELS).write_text(change((root / LABELS).read_text()))
    with pytest.raises(DataError, match=reason):
        ham10000.read(root)


def test_an_akiec_that_the_isic_2019_labels_lack_is_explained(root: Path) -> None:
    (root / LABELS).write_text((root / LABELS).read_text().replace("ISIC_4", "ISIC_7"))
    (wrong,) = ham10000.read(root).omitted
    assert (wrong.image_id, wrong.kind) == ("ISIC_4", "broken")
    assert "ISIC_4 is akiec here and neither AK nor SCC" in wrong.reason


@pytest.mark.real_data
def test_the_published_set_is_read_whole(published: Path) -> None:
    reading = ham10000.read(published / "HAM10000")
    samples = reading.samples
    assert not reading.omitted
    assert len(samples) == 10_015
    assert len({s.lesion for s in samples}) == 7_470
    # Counts of Tschandl et al. 2018, table 3; AK and SCC by the ISIC 2019 ground truth.
    assert Counter(s.diagnosis for s in samples) == {
        "NV": 6705, "MEL": 1113, "BKL": 1099, "BCC": 514, "SCC": 197, "VASC": 142, "AK": 130, "DF": 115,
    }  # fmt: skip
    assert Counter(s.confirmation for s in samples) == {
        "histo": 5340, "follow_up": 3704, "consensus": 902, "confocal": 69,
    }  # fmt: skip
    assert all(s.mask is not None for s in samples)
    assert {s.age % 5 for s in samples if s.age is not None} == {0}, "rounded by the publisher to fives"


@pytest.mark.real_data
def test_isic_2019_splits_akiec_and_agrees_on_every_other_class(published: Path) -> None:
    samples = ham10000.read(published / "HAM10000").samples
    truth = isic_truth.read(published / "isic_labels" / LABELS)
    assert isic_truth.compare(samples, truth) == {
        ("akiec", "AK"): 130, ("akiec", "SCC"): 197, ("bcc", "BCC"): 514, ("bkl", "BKL"): 1099, ("df", "DF"): 115,
        ("mel", "MEL"): 1113, ("nv", "NV"): 6705, ("vasc", "VASC"): 142,
    }  # fmt: skip
