"""PH2's text table with its legend, and each way in which it can be wrong."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from epiluma.datasets.record import DataError
from epiluma.datasets.sources import ph2
from tests.datasets.published_others import write_ph2


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """IMD002, IMD003 and IMD004: a common nevus, an atypical one and a melanoma."""
    return write_ph2(tmp_path, 3)


def rewrite(root: Path, change: Callable[[str], str]) -> None:
    path = root / "PH2_dataset.txt"
    path.write_text(change(path.read_text(encoding="utf-8")), encoding="utf-8")


def test_every_fact_of_the_table_is_in_the_samples(root: Path) -> None:
    reading = ph2.read(root)
    assert not reading.omitted, "the legend is no row"
    assert [s.image_id for s in reading.samples] == ["IMD002", "IMD003", "IMD004"]
    assert [s.diagnosis for s in reading.samples] == ["NV", "NV", "MEL"]
    assert [s.label for s in reading.samples] == ["common nevus", "atypical nevus", "melanoma"]
    assert [s.confirmation for s in reading.samples] == ["", "", "histo"]
    assert {(s.modality, s.licence) for s in reading.samples} == {("dermoscopy", "research only")}


def test_image_and_mask_are_bitmaps_of_one_size(root: Path) -> None:
    for sample in ph2.read(root).samples:
        assert sample.mask is not None
        with Image.open(sample.path) as image, Image.open(sample.mask) as mask:
            assert (image.format, mask.format, image.size) == ("BMP", "BMP", mask.size)


def test_a_mask_that_is_not_there_is_none_and_an_image_is_missing(root: Path) -> None:
    (root / "PH2 Dataset images/IMD003/IMD003_lesion/IMD003_lesion.bmp").unlink()
    (root / "PH2 Dataset images/IMD004/IMD004_Dermoscopic_Image/IMD004.bmp").unlink()
    reading = ph2.read(root)
    assert [s.mask is None for s in reading.samples] == [False, True]
    assert [(o.kind, o.image_id) for o in reading.omitted] == [("missing", "IMD004")]
    assert "IMD004_Dermoscopic_Image/IMD004.bmp is not there" in reading.omitted[0].reason


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (
            lambda t: t.replace("                  1 ||", "                  3 ||", 1),
            "clinical diagnosis '3' is none of 0",
        ),
        (lambda t: t.replace("|| IMD003 ||", "|| ../IMD2 ||"), "name '../IMD2' is not like IMD002"),
        (lambda t: t.replace("|| IMD003 ||", "|| IMD002 ||"), "image IMD002 is named twice"),
        (lambda t: t.replace("|| IMD003 ||", "|| IMD003 |"), "4 values for 5 columns"),
        (lambda t: t.replace("|| IMD003 ||", "IMD003 "), "4 values for 5 columns"),
    ],
)
def test_a_bad_row_is_explained_with_its_line(root: Path, change: Callable[[str], str], reason: str) -> None:
    rewrite(root, change)
    reading = ph2.read(root)
    assert reading.rows == 3
    assert [(o.kind, o.where) for o in reading.omitted] == [("broken", f"{root / 'PH2_dataset.txt'}: line 3")]
    assert reason in reading.omitted[0].reason


def test_a_line_that_lost_all_its_bars_is_still_a_row(root: Path) -> None:
    rewrite(root, lambda text: text.replace(text.splitlines()[2], "IMD003 0 T A A"))
    assert Counter(o.reason for o in ph2.read(root).omitted) == {"1 values for 5 columns": 1}


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "holds no table"),
        (b"Legends:\n", "holds no table"),
        (b"|| Name || Clinical ||\n", "line 1: column Histological Diagnosis, Clinical Diagnosis is missing"),
        (b"|| IMD002 || \xff ||", "line 1: is not a table in UTF-8"),
    ],
)
def test_a_file_that_is_no_such_table_is_named(root: Path, content: bytes, reason: str) -> None:
    (root / "PH2_dataset.txt").write_bytes(content)
    with pytest.raises(DataError, match=rf"PH2_dataset\.txt: {reason}"):
        ph2.read(root)


def test_the_spreadsheet_alone_is_not_enough(root: Path) -> None:
    (root / "PH2_dataset.txt").unlink()
    with pytest.raises(DataError, match=r"PH2_dataset\.txt is not there; give the folder"):
        ph2.read(root)
    (root / "PH2_dataset.xlsx").touch()
    with pytest.raises(DataError, match=r"PH2_dataset\.xlsx is, but only the text table of the same archive is read"):
        ph2.read(root)
