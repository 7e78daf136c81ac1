"""Fitzpatrick17k's table: 114 labels, of which sixteen are leaves."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from epiluma.datasets.record import DataError
from epiluma.datasets.sources import fitzpatrick17k
from epiluma.taxonomy import ISIC_2019
from tests.datasets.published_others import FITZPATRICK_COLUMNS, table, write_fitzpatrick17k

URL = "https://www.dermaamin.com/site/images/clinical-pic/L/lmm/lmm6.jpg"


def write_rows(root: Path, *rows: tuple[str, str, str, str], folder: str = "images") -> Path:
    """md5hash, fitzpatrick_scale, label and qc of each image, and files that are empty."""
    cells = [(name, scale, scale, label, "", "", qc, URL, "lmm6jpg.jpg") for name, scale, label, qc in rows]
    table(root / "fitzpatrick17k.csv", FITZPATRICK_COLUMNS, cells)
    (root / folder).mkdir(parents=True)
    for name, *_ in rows:
        (root / folder / f"{name}.jpg").touch()
    return root


def test_all_114_labels_are_known_and_sixteen_have_a_leaf() -> None:
    assert len(fitzpatrick17k.LABELS) == 114
    leaves = Counter(code for code in fitzpatrick17k.LABELS.values() if code is not None)
    assert leaves == {"MEL": 4, "NV": 3, "BCC": 3, "VASC": 2, "AK": 1, "SCC": 1, "BKL": 1, "DF": 1}
    assert set(leaves) <= set(ISIC_2019.codes)


def test_every_fact_of_the_table_is_in_the_samples(tmp_path: Path) -> None:
    root = write_rows(tmp_path, ("b8", "2", "melanoma", ""), ("a1", "-1", "halo nevus", "1 Diagnostic"))
    unknown, light = fitzpatrick17k.read(root).samples
    assert (light.image_id, light.diagnosis, light.label, light.skin_type) == ("b8", "MEL", "melanoma", 2)
    assert (light.modality, light.licence, light.attribution) == ("clinical", "CC BY-NC-SA 3.0", URL)
    assert (unknown.diagnosis, unknown.skin_type) == ("NV", None)
    assert (light.lesion, light.patient, light.confirmation) == ("", "", ""), "the publisher tells none of these"


def test_the_published_folder_is_read(tmp_path: Path) -> None:
    reading = fitzpatrick17k.read(write_fitzpatrick17k(tmp_path, 10))
    assert len(reading.samples) == 10
    assert {s.path.parent for s in reading.samples} == {tmp_path / "data" / "finalfitz17k"}
    assert Counter(s.skin_type for s in reading.samples) == {None: 2, 1: 2, 2: 2, 3: 1, 4: 1, 5: 1, 6: 1}


@pytest.mark.parametrize(
    ("facts", "kind", "reason"),
    [
        (("2", "psoriasis", ""), "out of scope", "'psoriasis' is none of the taxonomy's diagnoses"),
        (("2", "epidermal nevus", ""), "out of scope", "'epidermal nevus' is none of"),
        (("2", "melanoma", "3 Wrongly labelled"), "out of scope", "own check says '3 Wrongly labelled'"),
        (("2", "melanomas", ""), "broken", "unknown label 'melanomas'; nearest: melanoma"),
        (("0", "melanoma", ""), "broken", "skin type '0' is not"),
        (("dark", "melanoma", ""), "broken", "skin type 'dark' is not"),
    ],
)
def test_a_row_that_gives_no_sample_is_explained(
    tmp_path: Path, facts: tuple[str, str, str], kind: str, reason: str
) -> None:
    reading = fitzpatrick17k.read(write_rows(tmp_path, ("a1", "1", "melanoma", ""), ("b2", *facts)))
    assert [s.image_id for s in reading.samples] == ["a1"]
    assert [(o.kind, o.image_id) for o in reading.omitted] == [(kind, "b2")]
    assert reason in reading.omitted[0].reason


def test_an_image_that_is_gone_is_missing_unless_it_is_out_of_scope(tmp_path: Path) -> None:
    root = write_rows(tmp_path, ("a1", "1", "melanoma", ""), ("b2", "1", "acne", ""), ("c3", "1", "melanoma", ""))
    for name in ("b2", "c3"):
        (root / "images" / f"{name}.jpg").unlink()
    kinds = [(o.image_id, o.kind) for o in fitzpatrick17k.read(root).omitted]
    assert kinds == [("b2", "out of scope"), ("c3", "missing")]


def test_a_folder_without_the_table_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=rf"{tmp_path}: fitzpatrick17k\.csv is not there"):
        fitzpatrick17k.read(tmp_path)
