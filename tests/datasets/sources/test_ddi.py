"""DDI's table: 78 diseases, skin tones in pairs, and the publisher's own word on malignancy."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from epiluma.datasets.record import DataError
from epiluma.datasets.sources import ddi
from tests.datasets.published_others import table, write_ddi

COLUMNS = ["", "DDI_ID", "DDI_file", "skin_tone", "malignant", "disease"]


def write_rows(root: Path, *rows: tuple[str, str, str]) -> Path:
    """skin_tone, malignant and disease of each image, and files that are empty."""
    cells = [(i, i + 1, f"{i + 1:06}.png", *row) for i, row in enumerate(rows)]
    table(root / "ddi_metadata.csv", COLUMNS, cells)
    (root / "images").mkdir()
    for cell in cells:
        (root / "images" / str(cell[2])).touch()
    return root


def test_all_78_diseases_are_known_and_26_are_in_scope() -> None:
    assert len(ddi.LABELS) == 78
    leaves = Counter(code for code in ddi.LABELS.values() if code is not None)
    assert leaves == {"MEL": 4, "NV": 4, "": 1, "BCC": 3, "AK": 1, "SCC": 3, "BKL": 5, "DF": 1, "VASC": 4}


def test_every_fact_of_the_table_is_in_the_samples(tmp_path: Path) -> None:
    root = write_rows(tmp_path, ("56", "True", "melanoma-in-situ"), ("34", "FALSE", "blue-nevus"))
    dark, middle = ddi.read(root).samples
    assert (dark.image_id, dark.diagnosis, dark.label, dark.skin_tone) == ("000001", "MEL", "melanoma-in-situ", "V-VI")
    assert (middle.diagnosis, middle.skin_tone, middle.malignant) == ("NV", "III-IV", None)
    assert {s.skin_type for s in (dark, middle)} == {None}, "a pair of types is no type"
    assert {(s.confirmation, s.modality, s.licence) for s in (dark, middle)} == {("histo", "clinical", "research only")}


def test_images_beside_the_table_are_read(tmp_path: Path) -> None:
    samples = ddi.read(write_ddi(tmp_path, 10)).samples
    assert len(samples) == 10
    assert {s.path.parent for s in samples} == {tmp_path}


def test_the_publisher_s_word_is_kept_where_there_is_no_leaf(tmp_path: Path) -> None:
    """A nevus by its name and malignant by the publisher's column: neither leaf would be true."""
    (sample,) = ddi.read(write_rows(tmp_path, ("56", "True", "atypical-spindle-cell-nevus-of-reed"))).samples
    assert (sample.diagnosis, sample.malignant) == ("", True)


def test_actinic_keratosis_is_benign_to_the_publisher(tmp_path: Path) -> None:
    (sample,) = ddi.read(write_rows(tmp_path, ("12", "False", "actinic-keratosis"))).samples
    assert (sample.diagnosis, sample.malignant) == ("AK", None)


@pytest.mark.parametrize(
    ("row", "kind", "reason"),
    [
        (("12", "False", "wart"), "out of scope", "'wart' is none of"),
        (("12", "True", "mycosis-fungoides"), "out of scope", "'mycosis-fungoides' is none of"),
        (("12", "False", "melanoma"), "broken", "disease 'melanoma' and malignant 'False' contradict each other"),
        (("12", "True", "melanocytic-nevi"), "broken", "contradict each other"),
        (("12", "1", "melanoma"), "broken", "malignant '1' is neither True nor False"),
        (("1", "True", "melanoma"), "broken", "skin_tone '1' is none of 12, 34, 56"),
        (("12", "True", "melanom"), "broken", "unknown label 'melanom'; nearest: melanoma"),
    ],
)
def test_a_row_that_gives_no_sample_is_explained(
    tmp_path: Path, row: tuple[str, str, str], kind: str, reason: str
) -> None:
    reading = ddi.read(write_rows(tmp_path, ("12", "True", "melanoma"), row))
    assert [s.image_id for s in reading.samples] == ["000001"]
    assert [(o.kind, o.image_id) for o in reading.omitted] == [(kind, "000002.png")]
    assert reason in reading.omitted[0].reason


def test_an_image_that_is_gone_is_missing(tmp_path: Path) -> None:
    root = write_rows(tmp_path, ("12", "True", "melanoma"))
    (root / "images" / "000001.png").unlink()
    assert [o.kind for o in ddi.read(root).omitted] == ["missing"]


def test_a_folder_without_the_table_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=rf"{tmp_path}: ddi_metadata\.csv is not there"):
        ddi.read(tmp_path)
